/* The completion port, and the OVERLAPPED that an operation is known by. */
#ifndef WHARF_WIN32_PORT_H
#define WHARF_WIN32_PORT_H

#include "handles.h"
#include "status.h"
#include "overloads.h"

typedef struct _OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    __extension__ union {
        __extension__ struct {
            DWORD Offset;
            DWORD OffsetHigh;
        };
        PVOID Pointer;
    };
    HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

typedef struct _OVERLAPPED_ENTRY {
    ULONG_PTR lpCompletionKey;
    LPOVERLAPPED lpOverlapped;
    ULONG_PTR Internal;
    DWORD dwNumberOfBytesTransferred;
} OVERLAPPED_ENTRY, *LPOVERLAPPED_ENTRY;

typedef void(WINAPI *LPOVERLAPPED_COMPLETION_ROUTINE)(DWORD error, DWORD bytes, LPOVERLAPPED overlapped);

/* Whether the operation has ended: what its end wrote is to be seen then. */
#define HasOverlappedIoCompleted(overlapped) ((DWORD)__atomic_load_n(&(overlapped)->Internal, __ATOMIC_ACQUIRE) != STATUS_PENDING)

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 0x2

WHARF_BEGIN

HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, PULONG_PTR key, LPOVERLAPPED *overlapped, DWORD milliseconds);
BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG count, PULONG removed, DWORD milliseconds, BOOL alertable);
BOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, LPOVERLAPPED overlapped);
BOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR flags);
BOOL WINAPI CancelIo(HANDLE file);
BOOL WINAPI CancelIoEx(HANDLE file, LPOVERLAPPED overlapped);
BOOL WINAPI GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait);
BOOL WINAPI GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds, BOOL alertable);

WHARF_END

#ifdef __cplusplus
/* For counts in an `unsigned long` and keys in another integer than ULONG_PTR, which are one type there and two here. A key of 32 bits
 * gets that much of it: a pointer cut to a DWORD comes back whole if its variable's upper half was 0 (README.md: --low-memory). */
template <class Count, class Key, wharf_if_integer<Count> = 0, wharf_if_integer<Key> = 0>
inline BOOL GetQueuedCompletionStatus(HANDLE port, Count *bytes, Key *key, LPOVERLAPPED *overlapped, DWORD milliseconds) {
    wharf_copy<DWORD, Count> count(bytes);
    wharf_copy<ULONG_PTR, Key> whole(key);
    return GetQueuedCompletionStatus(port, count.address(), whole.address(), overlapped, milliseconds);
}
template <class Count, wharf_if_long<Count> = 0>
inline BOOL GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG most, Count *removed, DWORD milliseconds, BOOL alertable) {
    wharf_copy<DWORD, Count> count(removed);
    return GetQueuedCompletionStatusEx(port, entries, most, count.address(), milliseconds, alertable);
}
template <class Count, wharf_if_long<Count> = 0>
inline BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, Count *bytes, BOOL wait) {
    wharf_copy<DWORD, Count> count(bytes);
    return GetOverlappedResult(file, overlapped, count.address(), wait);
}
#endif

#endif
