/* The Interlocked functions, each with sequential consistency as there.
 *
 * In C++ those for 32 bits take any integer of 32 or 64 bits: `long`, LONG and DWORD are of one size there and not here. In C they are
 * functions of LONG. `InterlockedExchangeAdd` returns what was before, `InterlockedIncrement` what is after. */
#ifndef WHARF_WIN32_INTERLOCKED_H
#define WHARF_WIN32_INTERLOCKED_H

#include "types.h"

#ifdef __cplusplus
#include <type_traits>

template <class T>
using wharf_number = typename std::enable_if<(std::is_integral<T>::value || std::is_enum<T>::value) && (sizeof(T) == 4 || sizeof(T) == 8), T>::type;
/* The other arguments are converted to the variable's type, as they are to LONG there. */
template <class T>
struct wharf_same {
    typedef T type;
};

template <class T>
inline wharf_number<T> InterlockedIncrement(volatile T *to) {
    return __atomic_add_fetch(to, 1, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedDecrement(volatile T *to) {
    return __atomic_sub_fetch(to, 1, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedExchange(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedExchangeAdd(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedAnd(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedOr(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedXor(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedAdd(volatile T *to, typename wharf_same<T>::type value) {
    return __atomic_add_fetch(to, value, __ATOMIC_SEQ_CST);
}
template <class T>
inline wharf_number<T> InterlockedCompareExchange(volatile T *to, typename wharf_same<T>::type value, typename wharf_same<T>::type expected) {
    return (__atomic_compare_exchange_n(to, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST), expected);
}
#else
static inline LONG InterlockedIncrement(volatile LONG *to) {
    return __atomic_add_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedDecrement(volatile LONG *to) {
    return __atomic_sub_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedExchange(volatile LONG *to, LONG value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedExchangeAdd(volatile LONG *to, LONG value) {
    return __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedAnd(volatile LONG *to, LONG value) {
    return __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedOr(volatile LONG *to, LONG value) {
    return __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedXor(volatile LONG *to, LONG value) {
    return __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedAdd(volatile LONG *to, LONG value) {
    return __atomic_add_fetch(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG InterlockedCompareExchange(volatile LONG *to, LONG value, LONG expected) {
    return (__atomic_compare_exchange_n(to, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST), expected);
}
#endif

static inline LONG64 InterlockedIncrement64(volatile LONG64 *to) {
    return __atomic_add_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedDecrement64(volatile LONG64 *to) {
    return __atomic_sub_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedExchange64(volatile LONG64 *to, LONG64 value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedExchangeAdd64(volatile LONG64 *to, LONG64 value) {
    return __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedAnd64(volatile LONG64 *to, LONG64 value) {
    return __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedOr64(volatile LONG64 *to, LONG64 value) {
    return __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedXor64(volatile LONG64 *to, LONG64 value) {
    return __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedAdd64(volatile LONG64 *to, LONG64 value) {
    return __atomic_add_fetch(to, value, __ATOMIC_SEQ_CST);
}
static inline LONG64 InterlockedCompareExchange64(volatile LONG64 *to, LONG64 value, LONG64 expected) {
    return (__atomic_compare_exchange_n(to, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST), expected);
}
static inline SHORT InterlockedIncrement16(volatile SHORT *to) {
    return __atomic_add_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedDecrement16(volatile SHORT *to) {
    return __atomic_sub_fetch(to, 1, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedExchange16(volatile SHORT *to, SHORT value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedAnd16(volatile SHORT *to, SHORT value) {
    return __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedOr16(volatile SHORT *to, SHORT value) {
    return __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedXor16(volatile SHORT *to, SHORT value) {
    return __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST);
}
static inline SHORT InterlockedCompareExchange16(volatile SHORT *to, SHORT value, SHORT expected) {
    return (__atomic_compare_exchange_n(to, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST), expected);
}
static inline CHAR InterlockedExchange8(volatile CHAR *to, CHAR value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
static inline CHAR InterlockedExchangeAdd8(volatile CHAR *to, CHAR value) {
    return __atomic_fetch_add(to, value, __ATOMIC_SEQ_CST);
}
static inline CHAR InterlockedAnd8(volatile CHAR *to, CHAR value) {
    return __atomic_fetch_and(to, value, __ATOMIC_SEQ_CST);
}
static inline CHAR InterlockedOr8(volatile CHAR *to, CHAR value) {
    return __atomic_fetch_or(to, value, __ATOMIC_SEQ_CST);
}
static inline CHAR InterlockedXor8(volatile CHAR *to, CHAR value) {
    return __atomic_fetch_xor(to, value, __ATOMIC_SEQ_CST);
}

static inline PVOID InterlockedExchangePointer(PVOID volatile *to, PVOID value) { return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST); }
static inline PVOID InterlockedCompareExchangePointer(PVOID volatile *to, PVOID value, PVOID expected) {
    __atomic_compare_exchange_n(to, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}
static inline UCHAR InterlockedBitTestAndSet(volatile LONG *to, LONG bit) {
    return (UCHAR)(((UINT)__atomic_fetch_or(to, (LONG)(1U << (bit & 31)), __ATOMIC_SEQ_CST) >> (bit & 31)) & 1);
}
static inline UCHAR InterlockedBitTestAndReset(volatile LONG *to, LONG bit) {
    return (UCHAR)(((UINT)__atomic_fetch_and(to, ~(LONG)(1U << (bit & 31)), __ATOMIC_SEQ_CST) >> (bit & 31)) & 1);
}

#ifdef __cplusplus
/* `long`, `unsigned long`, `unsigned long long`: any variable of 64 bits. */
template <class T>
inline wharf_number<T> InterlockedIncrement64(volatile T *to) {
    return InterlockedIncrement(to);
}
template <class T>
inline wharf_number<T> InterlockedDecrement64(volatile T *to) {
    return InterlockedDecrement(to);
}
template <class T>
inline wharf_number<T> InterlockedExchange64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedExchange(to, value);
}
template <class T>
inline wharf_number<T> InterlockedExchangeAdd64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedExchangeAdd(to, value);
}
template <class T>
inline wharf_number<T> InterlockedAnd64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedAnd(to, value);
}
template <class T>
inline wharf_number<T> InterlockedOr64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedOr(to, value);
}
template <class T>
inline wharf_number<T> InterlockedXor64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedXor(to, value);
}
template <class T>
inline wharf_number<T> InterlockedAdd64(volatile T *to, typename wharf_same<T>::type value) {
    return InterlockedAdd(to, value);
}
template <class T>
inline wharf_number<T> InterlockedCompareExchange64(volatile T *to, typename wharf_same<T>::type value, typename wharf_same<T>::type expected) {
    return InterlockedCompareExchange(to, value, expected);
}
/* Any pointer to any type's pointer, as a cast to `void **` is forgotten now and then. */
template <class T>
inline T *InterlockedExchangePointer(T *volatile *to, typename wharf_same<T>::type *value) {
    return __atomic_exchange_n(to, value, __ATOMIC_SEQ_CST);
}
#endif

#define InterlockedIncrementAcquire InterlockedIncrement
#define InterlockedIncrementRelease InterlockedIncrement
#define InterlockedIncrementNoFence InterlockedIncrement
#define InterlockedDecrementAcquire InterlockedDecrement
#define InterlockedDecrementRelease InterlockedDecrement
#define InterlockedDecrementNoFence InterlockedDecrement
#define InterlockedExchangeAcquire InterlockedExchange
#define InterlockedCompareExchangeAcquire InterlockedCompareExchange
#define InterlockedCompareExchangeRelease InterlockedCompareExchange
#define InterlockedCompareExchangeNoFence InterlockedCompareExchange
#define _InterlockedIncrement InterlockedIncrement
#define _InterlockedIncrement64 InterlockedIncrement64
#define _InterlockedDecrement InterlockedDecrement
#define _InterlockedDecrement64 InterlockedDecrement64
#define _InterlockedExchange InterlockedExchange
#define _InterlockedExchange64 InterlockedExchange64
#define _InterlockedExchangeAdd InterlockedExchangeAdd
#define _InterlockedExchangeAdd64 InterlockedExchangeAdd64
#define _InterlockedAnd InterlockedAnd
#define _InterlockedAnd64 InterlockedAnd64
#define _InterlockedOr InterlockedOr
#define _InterlockedOr64 InterlockedOr64
#define _InterlockedXor InterlockedXor
#define _InterlockedXor64 InterlockedXor64
#define _InterlockedAdd InterlockedAdd
#define _InterlockedAdd64 InterlockedAdd64
#define _InterlockedCompareExchange InterlockedCompareExchange
#define _InterlockedCompareExchange64 InterlockedCompareExchange64
#define _InterlockedIncrement16 InterlockedIncrement16
#define _InterlockedDecrement16 InterlockedDecrement16
#define _InterlockedExchange16 InterlockedExchange16
#define _InterlockedAnd16 InterlockedAnd16
#define _InterlockedOr16 InterlockedOr16
#define _InterlockedXor16 InterlockedXor16
#define _InterlockedCompareExchange16 InterlockedCompareExchange16
#define _InterlockedExchange8 InterlockedExchange8
#define _InterlockedExchangeAdd8 InterlockedExchangeAdd8
#define _InterlockedAnd8 InterlockedAnd8
#define _InterlockedOr8 InterlockedOr8
#define _InterlockedXor8 InterlockedXor8
#define _InterlockedExchangePointer InterlockedExchangePointer
#define _InterlockedCompareExchangePointer InterlockedCompareExchangePointer
#define _interlockedbittestandset InterlockedBitTestAndSet
#define _interlockedbittestandreset InterlockedBitTestAndReset

#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define _ReadWriteBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define _ReadBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define _WriteBarrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#if defined(__x86_64__)
#define YieldProcessor() __builtin_ia32_pause()
#else
#define YieldProcessor() __asm__ volatile("yield" ::: "memory")
#endif

#endif
