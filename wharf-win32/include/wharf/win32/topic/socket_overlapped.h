/* Sockets: the calls that only Windows has, overlapped ones and those on events. */
#ifndef WHARF_WIN32_SOCKET_OVERLAPPED_H
#define WHARF_WIN32_SOCKET_OVERLAPPED_H

#include "socket_calls.h"
#include "waits.h"

WHARF_BEGIN

int WSAAPI WSAStartup(WORD version, LPWSADATA data);
int WSAAPI WSACleanup(void);
int WSAAPI WSAGetLastError(void);
void WSAAPI WSASetLastError(int code);

SOCKET WSAAPI WSASocketA(int family, int type, int protocol, LPWSAPROTOCOL_INFOA info, GROUP group, DWORD flags);
SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP group, DWORD flags);
SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *address, LPINT length, LPCONDITIONPROC condition, DWORD_PTR data);
int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *address, int length, LPWSABUF caller, LPWSABUF callee, LPQOS service, LPQOS group_service);
int WSAAPI WSASend(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, DWORD flags, LPWSAOVERLAPPED overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, LPDWORD flags, LPWSAOVERLAPPED overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI WSASendTo(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, DWORD flags, const struct sockaddr *to, int to_length,
                     LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, LPDWORD flags, struct sockaddr *from, LPINT from_length,
                       LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF data);
int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF data);
int WSAAPI WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_length, LPVOID out, DWORD out_length, LPDWORD bytes, LPWSAOVERLAPPED overlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED overlapped, LPDWORD bytes, BOOL wait, LPDWORD flags);

WSAEVENT WSAAPI WSACreateEvent(void);
BOOL WSAAPI WSACloseEvent(WSAEVENT event);
BOOL WSAAPI WSASetEvent(WSAEVENT event);
BOOL WSAAPI WSAResetEvent(WSAEVENT event);
DWORD WSAAPI WSAWaitForMultipleEvents(DWORD count, const WSAEVENT *events, BOOL all, DWORD milliseconds, BOOL alertable);
int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT event, LONG mask);
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events);
int WSAAPI WSAPoll(LPWSAPOLLFD sockets, ULONG count, INT milliseconds);

WHARF_END

#define h_errno WSAGetLastError()

#ifdef UNICODE
#define WSASocket WSASocketW
#define gai_strerror gai_strerrorW
#else
#define WSASocket WSASocketA
#define gai_strerror gai_strerrorA
#endif

#ifdef __cplusplus
/* For counts and flags in an `unsigned long`, which is DWORD there. */
template <class Count, wharf_if_long<Count> = 0>
inline int WSASend(SOCKET s, LPWSABUF buffers, DWORD count, Count *bytes, DWORD flags, LPWSAOVERLAPPED overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Count> number(bytes);
    return WSASend(s, buffers, count, number.address(), flags, overlapped, routine);
}
template <class Flags, wharf_if_long<Flags> = 0>
inline int WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, Flags *flags, LPWSAOVERLAPPED overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Flags> bits(flags);
    return WSARecv(s, buffers, count, bytes, bits.address(), overlapped, routine);
}
template <class Count, class Flags, wharf_if_long<Count> = 0, wharf_if_integer<Flags> = 0>
inline int WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, Count *bytes, Flags *flags, LPWSAOVERLAPPED overlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Count> number(bytes);
    wharf_copy<DWORD, Flags> bits(flags);
    return WSARecv(s, buffers, count, number.address(), bits.address(), overlapped, routine);
}
template <class Count, wharf_if_long<Count> = 0>
inline int WSASendTo(SOCKET s, LPWSABUF buffers, DWORD count, Count *bytes, DWORD flags, const struct sockaddr *to, int to_length,
                     LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Count> number(bytes);
    return WSASendTo(s, buffers, count, number.address(), flags, to, to_length, overlapped, routine);
}
template <class Flags, wharf_if_long<Flags> = 0>
inline int WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD bytes, Flags *flags, struct sockaddr *from, LPINT from_length,
                       LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Flags> bits(flags);
    return WSARecvFrom(s, buffers, count, bytes, bits.address(), from, from_length, overlapped, routine);
}
template <class Count, class Flags, wharf_if_long<Count> = 0, wharf_if_integer<Flags> = 0>
inline int WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, Count *bytes, Flags *flags, struct sockaddr *from, LPINT from_length,
                       LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Count> number(bytes);
    wharf_copy<DWORD, Flags> bits(flags);
    return WSARecvFrom(s, buffers, count, number.address(), bits.address(), from, from_length, overlapped, routine);
}
template <class Count, wharf_if_long<Count> = 0>
inline int WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_length, LPVOID out, DWORD out_length, Count *bytes, LPWSAOVERLAPPED overlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
    wharf_copy<DWORD, Count> number(bytes);
    return WSAIoctl(s, code, in, in_length, out, out_length, number.address(), overlapped, routine);
}
#endif

#endif
