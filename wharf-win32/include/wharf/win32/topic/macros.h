/* Small macros that everybody uses: pieces of numbers, of memory, of structures; `min` and `max`. */
#ifndef WHARF_WIN32_MACROS_H
#define WHARF_WIN32_MACROS_H

#include "types.h"

#ifdef __cplusplus
#include <type_traits>
#include <utility>
#endif

#define MAKEWORD(low, high) ((WORD)(((BYTE)((DWORD_PTR)(low) & 0xff)) | ((WORD)((BYTE)((DWORD_PTR)(high) & 0xff))) << 8))
#define MAKELONG(low, high) ((LONG)(((WORD)((DWORD_PTR)(low) & 0xffff)) | ((DWORD)((WORD)((DWORD_PTR)(high) & 0xffff))) << 16))
#define LOBYTE(value) ((BYTE)((DWORD_PTR)(value) & 0xff))
#define HIBYTE(value) ((BYTE)(((DWORD_PTR)(value) >> 8) & 0xff))
#define LOWORD(value) ((WORD)((DWORD_PTR)(value) & 0xffff))
#define HIWORD(value) ((WORD)(((DWORD_PTR)(value) >> 16) & 0xffff))

#define ZeroMemory(address, count) memset((address), 0, (count))
#define RtlZeroMemory(address, count) memset((address), 0, (count))
#define SecureZeroMemory(address, count) memset((address), 0, (count))
#define FillMemory(address, count, byte) memset((address), (byte), (count))
#define RtlFillMemory(address, count, byte) memset((address), (byte), (count))
#define CopyMemory(to, from, count) memcpy((to), (from), (count))
#define RtlCopyMemory(to, from, count) memcpy((to), (from), (count))
#define MoveMemory(to, from, count) memmove((to), (from), (count))
#define RtlMoveMemory(to, from, count) memmove((to), (from), (count))
#define RtlEqualMemory(one, other, count) (memcmp((one), (other), (count)) == 0)

/* In C++ not by `offsetof`, which warns of classes that derive; and not from address 0, which sanitizers report. */
#ifdef __cplusplus
#define CONTAINING_RECORD(address, type, member) ((type *)((PCHAR)(address) - ((ULONG_PTR)(&((type *)64)->member) - 64)))
#else
#define CONTAINING_RECORD(address, type, member) ((type *)((PCHAR)(address) - offsetof(type, member)))
#endif
#define FIELD_OFFSET(type, member) ((LONG)offsetof(type, member))
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ARRAYSIZE(array) RTL_NUMBER_OF(array)
#ifndef _countof
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#endif

#define SUCCEEDED(result) ((HRESULT)(result) >= 0)
#define FAILED(result) ((HRESULT)(result) < 0)
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)

/* Never macros in C++: libstdc++ has members of these names. Two types, since LONG and `long` are two here. */
#ifndef NOMINMAX
#ifdef __cplusplus
template <class One, class Other>
constexpr typename std::decay<decltype(true ? std::declval<One>() : std::declval<Other>())>::type min(const One &one, const Other &other) {
    return other < one ? other : one;
}
template <class One, class Other>
constexpr typename std::decay<decltype(true ? std::declval<One>() : std::declval<Other>())>::type max(const One &one, const Other &other) {
    return one < other ? other : one;
}
#else
#ifndef min
#define min(one, other) (((one) < (other)) ? (one) : (other))
#endif
#ifndef max
#define max(one, other) (((one) > (other)) ? (one) : (other))
#endif
#endif
#endif
#ifdef __cplusplus
#define __min(one, other) (((one) < (other)) ? (one) : (other))
#define __max(one, other) (((one) > (other)) ? (one) : (other))
#else
#define __min(one, other) min(one, other)
#define __max(one, other) max(one, other)
#endif

#endif
