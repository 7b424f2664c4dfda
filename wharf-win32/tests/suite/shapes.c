/* Sizes and offsets of what programs share with the library: asserted by the compiler on both sides, so that a difference does not
 * build. The test itself says only that it was built. */
#include "suite.h"

#ifdef __cplusplus
#define SAME(is, wanted) static_assert((is) == (wanted), #is)
#else
#define SAME(is, wanted) _Static_assert((is) == (wanted), #is)
#endif
#define AT(type, member, wanted) SAME(offsetof(type, member), wanted)

SAME(sizeof(BYTE), 1);
SAME(sizeof(WORD), 2);
SAME(sizeof(BOOL), 4);
SAME(sizeof(LONG), 4);
SAME(sizeof(DWORD), 4);
SAME(sizeof(ULONG), 4);
SAME(sizeof(u_long), 4);
SAME(sizeof(HRESULT), 4);
SAME(sizeof(LONGLONG), 8);
SAME(sizeof(DWORD64), 8);
SAME(sizeof(ULONG_PTR), 8);
SAME(sizeof(DWORD_PTR), 8);
SAME(sizeof(SIZE_T), 8);
SAME(sizeof(HANDLE), 8);
SAME(sizeof(SOCKET), 8);
SAME((DWORD)-1 > 0, 1);
SAME((LONG)-1 < 0, 1);
SAME(INVALID_SOCKET, (SOCKET)-1);

SAME(sizeof(OVERLAPPED), 32);
AT(OVERLAPPED, Internal, 0);
AT(OVERLAPPED, InternalHigh, 8);
AT(OVERLAPPED, Offset, 16);
AT(OVERLAPPED, OffsetHigh, 20);
AT(OVERLAPPED, Pointer, 16);
AT(OVERLAPPED, hEvent, 24);
SAME(sizeof(OVERLAPPED_ENTRY), 32);
AT(OVERLAPPED_ENTRY, lpCompletionKey, 0);
AT(OVERLAPPED_ENTRY, lpOverlapped, 8);
AT(OVERLAPPED_ENTRY, Internal, 16);
AT(OVERLAPPED_ENTRY, dwNumberOfBytesTransferred, 24);

SAME(sizeof(TRANSMIT_FILE_BUFFERS), 32);
AT(TRANSMIT_FILE_BUFFERS, Head, 0);
AT(TRANSMIT_FILE_BUFFERS, HeadLength, 8);
AT(TRANSMIT_FILE_BUFFERS, Tail, 16);
AT(TRANSMIT_FILE_BUFFERS, TailLength, 24);

SAME(sizeof(WSABUF), 16);
AT(WSABUF, len, 0);
AT(WSABUF, buf, 8);
SAME(sizeof(WSADATA), 408);
AT(WSADATA, wHighVersion, 2);
AT(WSADATA, lpVendorInfo, 8);
AT(WSADATA, szDescription, 16);
AT(WSADATA, szSystemStatus, 273);
SAME(sizeof(struct sockaddr), 16);
SAME(sizeof(struct sockaddr_in), 16);
AT(struct sockaddr_in, sin_port, 2);
AT(struct sockaddr_in, sin_addr, 4);
SAME(sizeof(struct in_addr), 4);
SAME(sizeof(struct sockaddr_in6), 28);
AT(struct sockaddr_in6, sin6_flowinfo, 4);
AT(struct sockaddr_in6, sin6_addr, 8);
AT(struct sockaddr_in6, sin6_scope_id, 24);
SAME(sizeof(struct sockaddr_storage), 128);
SAME(sizeof(struct linger), 4);
SAME(sizeof(struct ip_mreq), 8);
SAME(sizeof(fd_set), 8 + 8 * FD_SETSIZE);
AT(fd_set, fd_array, 8);
SAME(sizeof(struct hostent), 32);
AT(struct hostent, h_addrtype, 16);
AT(struct hostent, h_addr_list, 24);
SAME(sizeof(struct addrinfo), 48);
AT(struct addrinfo, ai_addrlen, 16);
AT(struct addrinfo, ai_canonname, 24);
AT(struct addrinfo, ai_addr, 32);
AT(struct addrinfo, ai_next, 40);
SAME(sizeof(WSANETWORKEVENTS), 44);
SAME(sizeof(WSAPOLLFD), 16);
AT(WSAPOLLFD, events, 8);
AT(WSAPOLLFD, revents, 10);
SAME(sizeof(WSAPROTOCOL_INFOA), 372);
SAME(sizeof(TRANSMIT_FILE_BUFFERS), 32);

SAME(sizeof(CRITICAL_SECTION), 40);
SAME(sizeof(SRWLOCK), 8);
SAME(sizeof(CONDITION_VARIABLE), 8);
SAME(sizeof(INIT_ONCE), 8);
SAME(sizeof(SYSTEM_INFO), 48);
AT(SYSTEM_INFO, dwNumberOfProcessors, 32);
SAME(sizeof(SYSTEMTIME), 16);
SAME(sizeof(FILETIME), 8);
SAME(sizeof(LARGE_INTEGER), 8);
SAME(sizeof(GUID), 16);
SAME(sizeof(SECURITY_ATTRIBUTES), 24);

static void shapes_are_those_of_windows(void) { CHECK(sizeof(OVERLAPPED) == 32); }

static const struct test tests[] = {
    TEST("shapes", shapes_are_those_of_windows),
};
SUITE(tests)
