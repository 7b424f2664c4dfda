/* Sockets: what is reached through WSAIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER), and AcceptEx itself. */
#ifndef WHARF_WIN32_SOCKET_EXTENSIONS_H
#define WHARF_WIN32_SOCKET_EXTENSIONS_H

#include "socket_overlapped.h"

#define TF_DISCONNECT 0x01
#define TF_REUSE_SOCKET 0x02
#define TF_WRITE_BEHIND 0x04
#define TF_USE_DEFAULT_WORKER 0x00
#define TF_USE_SYSTEM_THREAD 0x10
#define TF_USE_KERNEL_APC 0x20

#define WSAID_ACCEPTEX {0xb5367df1, 0xcbac, 0x11cf, {0x95, 0xca, 0x00, 0x80, 0x5f, 0x48, 0xa1, 0x92}}
#define WSAID_GETACCEPTEXSOCKADDRS {0xb5367df2, 0xcbac, 0x11cf, {0x95, 0xca, 0x00, 0x80, 0x5f, 0x48, 0xa1, 0x92}}
#define WSAID_TRANSMITFILE {0xb5367df0, 0xcbac, 0x11cf, {0x95, 0xca, 0x00, 0x80, 0x5f, 0x48, 0xa1, 0x92}}
#define WSAID_CONNECTEX {0x25a207b9, 0xddf3, 0x4660, {0x8e, 0xe9, 0x76, 0xe5, 0x8c, 0x74, 0x06, 0x3e}}
#define WSAID_DISCONNECTEX {0x7fda2e11, 0x8630, 0x436f, {0xa0, 0x31, 0xf5, 0x36, 0xa6, 0xee, 0xc1, 0x57}}

typedef struct _TRANSMIT_FILE_BUFFERS {
    LPVOID Head;
    DWORD HeadLength;
    LPVOID Tail;
    DWORD TailLength;
} TRANSMIT_FILE_BUFFERS, *PTRANSMIT_FILE_BUFFERS, *LPTRANSMIT_FILE_BUFFERS;

typedef BOOL(PASCAL *LPFN_ACCEPTEX)(SOCKET listener, SOCKET accepted, PVOID buffer, DWORD data_length, DWORD local_length, DWORD remote_length,
                                    LPDWORD bytes, LPOVERLAPPED overlapped);
typedef void(PASCAL *LPFN_GETACCEPTEXSOCKADDRS)(PVOID buffer, DWORD data_length, DWORD local_length, DWORD remote_length, struct sockaddr **local,
                                                LPINT local_size, struct sockaddr **remote, LPINT remote_size);
typedef BOOL(PASCAL *LPFN_CONNECTEX)(SOCKET s, const struct sockaddr *address, int length, PVOID data, DWORD data_length, LPDWORD bytes,
                                     LPOVERLAPPED overlapped);
typedef BOOL(PASCAL *LPFN_DISCONNECTEX)(SOCKET s, LPOVERLAPPED overlapped, DWORD flags, DWORD reserved);
typedef BOOL(PASCAL *LPFN_TRANSMITFILE)(SOCKET s, HANDLE file, DWORD bytes, DWORD bytes_each, LPOVERLAPPED overlapped,
                                        LPTRANSMIT_FILE_BUFFERS buffers, DWORD flags);

/* Of WSAIoctl(SIO_KEEPALIVE_VALS): times in milliseconds. */
struct tcp_keepalive {
    wharf_u_long onoff;
    wharf_u_long keepalivetime;
    wharf_u_long keepaliveinterval;
};

WHARF_BEGIN

BOOL PASCAL AcceptEx(SOCKET listener, SOCKET accepted, PVOID buffer, DWORD data_length, DWORD local_length, DWORD remote_length, LPDWORD bytes,
                     LPOVERLAPPED overlapped);
void PASCAL GetAcceptExSockaddrs(PVOID buffer, DWORD data_length, DWORD local_length, DWORD remote_length, struct sockaddr **local,
                                 LPINT local_size, struct sockaddr **remote, LPINT remote_size);
BOOL PASCAL TransmitFile(SOCKET s, HANDLE file, DWORD bytes, DWORD bytes_each, LPOVERLAPPED overlapped, LPTRANSMIT_FILE_BUFFERS buffers,
                         DWORD flags);

WHARF_END

#ifdef __cplusplus
template <class Count, wharf_if_long<Count> = 0>
inline BOOL AcceptEx(SOCKET listener, SOCKET accepted, PVOID buffer, DWORD data_length, DWORD local_length, DWORD remote_length, Count *bytes,
                     LPOVERLAPPED overlapped) {
    wharf_copy<DWORD, Count> number(bytes);
    return AcceptEx(listener, accepted, buffer, data_length, local_length, remote_length, number.address(), overlapped);
}
#endif

#endif
