/* The processor's own instructions; Interlocked by their underscored names are in windows.h. */
#ifndef WHARF_WIN32_INTRIN_H
#define WHARF_WIN32_INTRIN_H

#include "windows.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#elif defined(__aarch64__)
/* The counter that every program may read. Its steps are not the processor's. */
static inline unsigned long long __rdtsc(void) {
    unsigned long long value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
}
#endif

#endif
