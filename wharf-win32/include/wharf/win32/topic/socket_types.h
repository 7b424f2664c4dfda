/* Sockets: the types. Their shapes and numbers are those of Windows, not of glibc; the functions translate. */
#ifndef WHARF_WIN32_SOCKET_TYPES_H
#define WHARF_WIN32_SOCKET_TYPES_H

#include "port.h"

#include <sys/select.h>

/* glibc's socket headers have the same names for other shapes. One that was here already can't be undone; those to come stay empty. */
#if defined(_SYS_SOCKET_H) || defined(_NETINET_IN_H) || defined(_ARPA_INET_H) || defined(_NETDB_H)
#error "One source file can't have both Windows' sockets and <sys/socket.h>, <netinet/in.h>, <arpa/inet.h> or <netdb.h>."
#endif
#define _SYS_SOCKET_H 1
#define _NETINET_IN_H 1
#define _NETINET_TCP_H 1
#define _ARPA_INET_H 1
#define _NETDB_H 1

typedef UINT_PTR SOCKET;
#define INVALID_SOCKET ((SOCKET)(~0))
#define SOCKET_ERROR (-1)

typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
/* glibc's has 64 bits. WHARF_NO_U_LONG is for sources that name a type or a variable so themselves. */
typedef UINT wharf_u_long;
#ifndef WHARF_NO_U_LONG
#define u_long wharf_u_long
#endif
typedef unsigned long long u_int64;

#ifndef __socklen_t_defined
typedef __socklen_t socklen_t;
#define __socklen_t_defined
#endif

typedef USHORT ADDRESS_FAMILY;
typedef ULONG SCOPE_ID_LEVEL;

typedef struct in_addr {
    union {
        struct {
            UCHAR s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            USHORT s_w1, s_w2;
        } S_un_w;
        ULONG S_addr;
    } S_un;
} IN_ADDR, *PIN_ADDR, *LPIN_ADDR;
#define s_addr S_un.S_addr
#define s_net S_un.S_un_b.s_b1
#define s_host S_un.S_un_b.s_b2
#define s_lh S_un.S_un_b.s_b3
#define s_impno S_un.S_un_b.s_b4
#define s_imp S_un.S_un_w.s_w2

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;
#define s6_addr u.Byte
#define s6_bytes u.Byte
#define s6_words u.Word

typedef struct sockaddr {
    ADDRESS_FAMILY sa_family;
    CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    IN_ADDR sin_addr;
    CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;

typedef struct {
    __extension__ union {
        struct {
            ULONG Zone : 28;
            ULONG Level : 4;
        } wharf_parts;
        ULONG Value;
    };
} SCOPE_ID, *PSCOPE_ID;

typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    __extension__ union {
        ULONG sin6_scope_id;
        SCOPE_ID sin6_scope_struct;
    };
} SOCKADDR_IN6_LH, SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;

typedef struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    CHAR wharf_ss_padding[6];
    long long wharf_ss_alignment;
    CHAR wharf_ss_rest[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;

typedef union _SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

typedef struct _SOCKET_ADDRESS {
    LPSOCKADDR lpSockaddr;
    INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS, *LPSOCKET_ADDRESS;

struct linger {
    u_short l_onoff;
    u_short l_linger;
};
typedef struct linger LINGER, *PLINGER, *LPLINGER;

struct ip_mreq {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_interface;
};
typedef struct ip_mreq IP_MREQ, *PIP_MREQ;
struct ipv6_mreq {
    IN6_ADDR ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
};
typedef struct ipv6_mreq IPV6_MREQ, *PIPV6_MREQ;

struct hostent {
    char *h_name;
    char **h_aliases;
    short h_addrtype;
    short h_length;
    char **h_addr_list;
};
#define h_addr h_addr_list[0]
typedef struct hostent HOSTENT, *PHOSTENT, *LPHOSTENT;

typedef struct addrinfo {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    char *ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfo *ai_next;
} ADDRINFOA, ADDRINFO, *PADDRINFOA, *LPADDRINFO;

typedef struct addrinfoW {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    size_t ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    struct addrinfoW *ai_next;
} ADDRINFOW, *PADDRINFOW;

typedef struct WSAData {
    WORD wVersion;
    WORD wHighVersion;
    unsigned short iMaxSockets;
    unsigned short iMaxUdpDg;
    char *lpVendorInfo;
    char szDescription[257];
    char szSystemStatus[129];
} WSADATA, *LPWSADATA;

typedef struct _WSABUF {
    ULONG len;
    CHAR *buf;
} WSABUF, *LPWSABUF;

typedef struct timeval TIMEVAL, *PTIMEVAL, *LPTIMEVAL;
typedef HANDLE WSAEVENT, *LPWSAEVENT;
typedef OVERLAPPED WSAOVERLAPPED, *LPWSAOVERLAPPED;
typedef unsigned int GROUP;
typedef void(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);

typedef struct _WSAPROTOCOLCHAIN {
    int ChainLen;
    DWORD ChainEntries[7];
} WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;

/* One for each kind of character. */
#define WHARF_PROTOCOL_INFO(character)                                                                                                               \
    DWORD dwServiceFlags1;                                                                                                                           \
    DWORD dwServiceFlags2;                                                                                                                           \
    DWORD dwServiceFlags3;                                                                                                                           \
    DWORD dwServiceFlags4;                                                                                                                           \
    DWORD dwProviderFlags;                                                                                                                           \
    GUID ProviderId;                                                                                                                                 \
    DWORD dwCatalogEntryId;                                                                                                                          \
    WSAPROTOCOLCHAIN ProtocolChain;                                                                                                                  \
    int iVersion;                                                                                                                                    \
    int iAddressFamily;                                                                                                                              \
    int iMaxSockAddr;                                                                                                                                \
    int iMinSockAddr;                                                                                                                                \
    int iSocketType;                                                                                                                                 \
    int iProtocol;                                                                                                                                   \
    int iProtocolMaxOffset;                                                                                                                          \
    int iNetworkByteOrder;                                                                                                                           \
    int iSecurityScheme;                                                                                                                             \
    DWORD dwMessageSize;                                                                                                                             \
    DWORD dwProviderReserved;                                                                                                                        \
    character szProtocol[256]
typedef struct _WSAPROTOCOL_INFOA {
    WHARF_PROTOCOL_INFO(CHAR);
} WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;
typedef struct _WSAPROTOCOL_INFOW {
    WHARF_PROTOCOL_INFO(WCHAR);
} WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

typedef struct _QualityOfService *LPQOS;
typedef int(CALLBACK *LPCONDITIONPROC)(LPWSABUF caller, LPWSABUF caller_data, LPQOS service, LPQOS group_service, LPWSABUF callee,
                                       LPWSABUF callee_data, GROUP *group, DWORD_PTR data);

typedef struct _WSANETWORKEVENTS {
    LONG lNetworkEvents;
    int iErrorCode[10];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

/* Not `struct pollfd`: that is glibc's. */
typedef struct wharf_pollfd {
    SOCKET fd;
    SHORT events;
    SHORT revents;
} WSAPOLLFD, *PWSAPOLLFD, *LPWSAPOLLFD;

#ifdef UNICODE
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
typedef ADDRINFOW ADDRINFOT, *PADDRINFOT;
#else
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
typedef ADDRINFOA ADDRINFOT, *PADDRINFOT;
#endif

#endif
