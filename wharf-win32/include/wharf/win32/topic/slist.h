/* Lists of free blocks that many threads share, of the last in first out: SLIST_HEADER and its functions. */
#ifndef WHARF_WIN32_SLIST_H
#define WHARF_WIN32_SLIST_H

#include "interlocked.h"

typedef struct DECLSPEC_ALIGN(16) _SLIST_ENTRY {
    struct _SLIST_ENTRY *Next;
} SLIST_ENTRY, *PSLIST_ENTRY;

/* The list is locked for the few instructions of a call: the lowest bit of the first entry's address, which is a multiple of 16. */
typedef struct DECLSPEC_ALIGN(16) _SLIST_HEADER {
    ULONG_PTR wharf_first;
    ULONG_PTR wharf_depth;
} SLIST_HEADER, *PSLIST_HEADER;

static inline PSLIST_ENTRY wharf_slist_lock(PSLIST_HEADER list) {
    for (;;) {
        ULONG_PTR first = __atomic_fetch_or(&list->wharf_first, 1, __ATOMIC_ACQUIRE);
        if ((first & 1) == 0)
            return (PSLIST_ENTRY)first;
        YieldProcessor();
    }
}
static inline void wharf_slist_unlock(PSLIST_HEADER list, PSLIST_ENTRY first) {
    __atomic_store_n(&list->wharf_first, (ULONG_PTR)first, __ATOMIC_RELEASE);
}

static inline void InitializeSListHead(PSLIST_HEADER list) { list->wharf_first = list->wharf_depth = 0; }
/* Returns what was first before, as do the next two. */
static inline PSLIST_ENTRY InterlockedPushEntrySList(PSLIST_HEADER list, PSLIST_ENTRY entry) {
    PSLIST_ENTRY first = wharf_slist_lock(list);
    entry->Next = first;
    list->wharf_depth++;
    wharf_slist_unlock(list, entry);
    return first;
}
static inline PSLIST_ENTRY InterlockedPopEntrySList(PSLIST_HEADER list) {
    PSLIST_ENTRY first = wharf_slist_lock(list);
    if (first != NULL)
        list->wharf_depth--;
    wharf_slist_unlock(list, first == NULL ? NULL : first->Next);
    return first;
}
static inline PSLIST_ENTRY InterlockedFlushSList(PSLIST_HEADER list) {
    PSLIST_ENTRY first = wharf_slist_lock(list);
    list->wharf_depth = 0;
    wharf_slist_unlock(list, NULL);
    return first;
}
static inline USHORT QueryDepthSList(PSLIST_HEADER list) {
    PSLIST_ENTRY first = wharf_slist_lock(list);
    USHORT depth = (USHORT)list->wharf_depth;
    wharf_slist_unlock(list, first);
    return depth;
}

#endif
