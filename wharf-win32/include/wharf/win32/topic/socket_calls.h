/* Sockets: the calls whose names glibc has too, and the names of hosts. */
#ifndef WHARF_WIN32_SOCKET_CALLS_H
#define WHARF_WIN32_SOCKET_CALLS_H

#include "overloads.h"
#include "socket_constants.h"
#include "socket_types.h"

WHARF_BEGIN

SOCKET WSAAPI socket(int family, int type, int protocol) WHARF_NAME(socket);
int WSAAPI bind(SOCKET s, const struct sockaddr *address, int length) WHARF_NAME(bind);
int WSAAPI listen(SOCKET s, int backlog) WHARF_NAME(listen);
SOCKET WSAAPI accept(SOCKET s, struct sockaddr *address, int *length) WHARF_NAME(accept);
int WSAAPI connect(SOCKET s, const struct sockaddr *address, int length) WHARF_NAME(connect);
int WSAAPI send(SOCKET s, const char *data, int length, int flags) WHARF_NAME(send);
int WSAAPI recv(SOCKET s, char *buffer, int length, int flags) WHARF_NAME(recv);
int WSAAPI sendto(SOCKET s, const char *data, int length, int flags, const struct sockaddr *to, int to_length) WHARF_NAME(sendto);
int WSAAPI recvfrom(SOCKET s, char *buffer, int length, int flags, struct sockaddr *from, int *from_length) WHARF_NAME(recvfrom);
int WSAAPI shutdown(SOCKET s, int how) WHARF_NAME(shutdown);
int WSAAPI setsockopt(SOCKET s, int level, int option, const char *value, int length) WHARF_NAME(setsockopt);
int WSAAPI getsockopt(SOCKET s, int level, int option, char *value, int *length) WHARF_NAME(getsockopt);
int WSAAPI getpeername(SOCKET s, struct sockaddr *address, int *length) WHARF_NAME(getpeername);
int WSAAPI getsockname(SOCKET s, struct sockaddr *address, int *length) WHARF_NAME(getsockname);
int WSAAPI closesocket(SOCKET s);
int WSAAPI ioctlsocket(SOCKET s, int command, wharf_u_long *argument);

ULONG WSAAPI inet_addr(const char *text) WHARF_NAME(inet_addr);
char *WSAAPI inet_ntoa(struct in_addr address) WHARF_NAME(inet_ntoa);
int WSAAPI inet_pton(int family, PCSTR text, PVOID address) WHARF_NAME(inet_pton);
PCSTR WSAAPI inet_ntop(int family, const void *address, PSTR text, size_t length) WHARF_NAME(inet_ntop);
INT WSAAPI InetPtonW(INT family, PCWSTR text, PVOID address);
PCWSTR WSAAPI InetNtopW(INT family, const void *address, PWSTR text, size_t length);

int WSAAPI getaddrinfo(PCSTR node, PCSTR service, const ADDRINFOA *hints, PADDRINFOA *result) WHARF_NAME(getaddrinfo);
void WSAAPI freeaddrinfo(PADDRINFOA list) WHARF_NAME(freeaddrinfo);
int WSAAPI getnameinfo(const SOCKADDR *address, int length, char *host, DWORD host_length, char *service, DWORD service_length, int flags)
    WHARF_NAME(getnameinfo);
struct hostent *WSAAPI gethostbyname(const char *name) WHARF_NAME(gethostbyname);
int WSAAPI wharf_w32_gethostname(char *name, int length);

WHARF_END

#define InetPtonA inet_pton
#define InetNtopA inet_ntop
#ifdef UNICODE
#define InetPton InetPtonW
#define InetNtop InetNtopW
#else
#define InetPton InetPtonA
#define InetNtop InetNtopA
#endif

static inline u_short htons(u_short number) { return __builtin_bswap16(number); }
static inline u_short ntohs(u_short number) { return __builtin_bswap16(number); }
static inline wharf_u_long htonl(wharf_u_long number) { return __builtin_bswap32(number); }
static inline wharf_u_long ntohl(wharf_u_long number) { return __builtin_bswap32(number); }
static inline unsigned long long htonll(unsigned long long number) { return __builtin_bswap64(number); }
static inline unsigned long long ntohll(unsigned long long number) { return __builtin_bswap64(number); }

static const IN6_ADDR in6addr_any __attribute__((unused)) = IN6ADDR_ANY_INIT;
static const IN6_ADDR in6addr_loopback __attribute__((unused)) = IN6ADDR_LOOPBACK_INIT;
#define IN6_IS_ADDR_LOOPBACK(address) (memcmp((address), &in6addr_loopback, sizeof(IN6_ADDR)) == 0)
#define IN6_IS_ADDR_UNSPECIFIED(address) (memcmp((address), &in6addr_any, sizeof(IN6_ADDR)) == 0)

/* <unistd.h> has this one with a length of another type. In C it is declared as there, which may be included before or behind; of the
 * length the lower 32 bits are looked at. */
#ifdef __cplusplus
inline int gethostname(char *name, int length) { return wharf_w32_gethostname(name, length); }
#else
int gethostname(char *name, size_t length) WHARF_NAME(gethostname);
#endif

#ifdef __cplusplus
/* For lengths in a `socklen_t`, which is unsigned here, and for flags in an `unsigned long`. */
template <class Length, wharf_if_unsigned<Length> = 0>
inline SOCKET accept(SOCKET s, struct sockaddr *address, Length *length) {
    wharf_copy<int, Length> number(length);
    return accept(s, address, number.address());
}
template <class Length, wharf_if_unsigned<Length> = 0>
inline int getsockopt(SOCKET s, int level, int option, char *value, Length *length) {
    wharf_copy<int, Length> number(length);
    return getsockopt(s, level, option, value, number.address());
}
template <class Length, wharf_if_unsigned<Length> = 0>
inline int getpeername(SOCKET s, struct sockaddr *address, Length *length) {
    wharf_copy<int, Length> number(length);
    return getpeername(s, address, number.address());
}
template <class Length, wharf_if_unsigned<Length> = 0>
inline int getsockname(SOCKET s, struct sockaddr *address, Length *length) {
    wharf_copy<int, Length> number(length);
    return getsockname(s, address, number.address());
}
template <class Length, wharf_if_unsigned<Length> = 0>
inline int recvfrom(SOCKET s, char *buffer, int length, int flags, struct sockaddr *from, Length *from_length) {
    wharf_copy<int, Length> number(from_length);
    return recvfrom(s, buffer, length, flags, from, number.address());
}
template <class Argument, wharf_if_long<Argument> = 0>
inline int ioctlsocket(SOCKET s, int command, Argument *argument) {
    wharf_copy<wharf_u_long, Argument> number(argument);
    return ioctlsocket(s, command, number.address());
}
#endif

#endif
