/* select, and sets of sockets. glibc has both for descriptors, in headers that everybody gets: so these are macros and an overload. */
#ifndef WHARF_WIN32_SELECT_H
#define WHARF_WIN32_SELECT_H

#include "socket_types.h"
#include "set_size.h"

/* How many sockets a set takes: what the program defined before it included these headers, else 64. */
#undef FD_SETSIZE
#ifdef WHARF_FD_SETSIZE
#define FD_SETSIZE WHARF_FD_SETSIZE
#else
#define FD_SETSIZE 64
#endif

typedef struct wharf_fd_set {
    u_int fd_count;
    SOCKET fd_array[FD_SETSIZE];
} wharf_fd_set, *LPFD_SET;
#define fd_set wharf_fd_set

WHARF_BEGIN
int WSAAPI wharf_w32_select(int ignored, fd_set *read, fd_set *write, fd_set *except, const struct timeval *timeout);
WHARF_END

#ifdef __cplusplus
inline int select(int ignored, fd_set *read, fd_set *write, fd_set *except, const struct timeval *timeout) {
    return wharf_w32_select(ignored, read, write, except, timeout);
}
#else
#define select(ignored, read, write, except, timeout) wharf_w32_select((ignored), (read), (write), (except), (timeout))
#endif

static inline int __WSAFDIsSet(SOCKET s, fd_set *set) {
    for (u_int i = 0; i < set->fd_count; i++) {
        if (set->fd_array[i] == s)
            return 1;
    }
    return 0;
}
static inline void wharf_fd_add(SOCKET s, fd_set *set) {
    if (!__WSAFDIsSet(s, set) && set->fd_count < FD_SETSIZE)
        set->fd_array[set->fd_count++] = s;
}
static inline void wharf_fd_remove(SOCKET s, fd_set *set) {
    for (u_int i = 0; i < set->fd_count; i++) {
        if (set->fd_array[i] != s)
            continue;
        for (set->fd_count--; i < set->fd_count; i++)
            set->fd_array[i] = set->fd_array[i + 1];
    }
}

#undef FD_ZERO
#undef FD_SET
#undef FD_CLR
#undef FD_ISSET
#define FD_ZERO(set) ((void)((set)->fd_count = 0))
#define FD_SET(s, set) wharf_fd_add((SOCKET)(s), (set))
#define FD_CLR(s, set) wharf_fd_remove((SOCKET)(s), (set))
#define FD_ISSET(s, set) __WSAFDIsSet((SOCKET)(s), (set))

#ifndef timerisset
#define timerisset(time) ((time)->tv_sec || (time)->tv_usec)
#endif

#endif
