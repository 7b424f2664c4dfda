/* Another spelling. */
#include "conio.h"
