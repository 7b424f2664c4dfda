/* Is C, and no C++: built beside older.cpp by one command. */
#include <winsock2.h>
#include "older.h"

int older_sum(void) {
    int *class = malloc(2 * sizeof(int)), sum;
    class[0] = 1, class[1] = 2;
    sum = class[0] + class[1];
    free(class);
    return sum;
}
