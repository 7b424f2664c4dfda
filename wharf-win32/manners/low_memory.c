/* For programs that keep pointers in a DWORD: what malloc gives lies behind the program, below 4 GiB, as long as it is less than some
 * hundreds of megabytes. The program must be linked with -no-pie. A program gets this part by its link flags (-u wharf_low_memory).
 *
 * Not for objects on stacks, which stay high. */
#include <malloc.h>

int wharf_low_memory;

/* Before the first thread: no heap for each thread, and no block of its own for large ones, since both lie high. */
__attribute__((constructor(101))) static void stay_low(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
}
