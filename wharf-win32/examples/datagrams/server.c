/* An echo of datagrams: four receives are under way, each with the address of its sender.
 *
 *     ./server [port]
 *
 * A line on standard input stops the server. The same file is a program for Windows. */
#include <winsock2.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 2, RECEIVES = 4, LARGEST = 65507 };

struct datagram {
    OVERLAPPED overlapped;
    BOOL is_sent;
    struct sockaddr_in from;
    int from_length;
    char data[LARGEST];
};

static HANDLE port;
static SOCKET server;
static struct datagram datagrams[RECEIVES];

static void begin_receive(struct datagram *datagram) {
    WSABUF buffer;
    DWORD flags = 0;
    buffer.buf = datagram->data;
    buffer.len = LARGEST;
    datagram->is_sent = FALSE;
    /* An error of one datagram, as "nobody takes it there", is not the socket's end. */
    do {
        memset(&datagram->overlapped, 0, sizeof datagram->overlapped);
        datagram->from_length = sizeof datagram->from;
        flags = 0;
        if (WSARecvFrom(server, &buffer, 1, NULL, &flags, (struct sockaddr *)&datagram->from, &datagram->from_length, &datagram->overlapped,
                        NULL) == 0)
            return;
    } while (WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAEMSGSIZE);
}

static void begin_send(struct datagram *datagram, DWORD bytes) {
    WSABUF buffer;
    buffer.buf = datagram->data;
    buffer.len = bytes;
    memset(&datagram->overlapped, 0, sizeof datagram->overlapped);
    datagram->is_sent = TRUE;
    if (WSASendTo(server, &buffer, 1, NULL, 0, (struct sockaddr *)&datagram->from, datagram->from_length, &datagram->overlapped, NULL) != 0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        begin_receive(datagram);
}

static unsigned __stdcall work(void *argument) {
    (void)argument;
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        OVERLAPPED *overlapped = NULL;
        struct datagram *datagram;
        BOOL ok = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == NULL)
            return 0;
        datagram = CONTAINING_RECORD(overlapped, struct datagram, overlapped);
        if (ok && !datagram->is_sent)
            begin_send(datagram, bytes);
        else
            begin_receive(datagram);
    }
}

static BOOL start_server(u_short number) {
    struct sockaddr_in address;
    int length = sizeof address;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    server = WSASocketA(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0, WSA_FLAG_OVERLAPPED);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(number);
    if (port == NULL || server == INVALID_SOCKET || bind(server, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &length) != 0 || CreateIoCompletionPort((HANDLE)server, port, 0, 0) == NULL)
        return FALSE;
    printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return TRUE;
}

int main(int argc, char **argv) {
    WSADATA data;
    HANDLE workers[WORKERS];
    char line[80];
    int i;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0 || !start_server((u_short)(argc > 1 ? atoi(argv[1]) : 9000))) {
        fprintf(stderr, "the server does not start: error %d\n", WSAGetLastError());
        return 1;
    }
    for (i = 0; i < RECEIVES; i++)
        begin_receive(&datagrams[i]);
    for (i = 0; i < WORKERS; i++)
        workers[i] = (HANDLE)_beginthreadex(NULL, 0, work, NULL, 0, NULL);
    if (fgets(line, sizeof line, stdin) == NULL)
        puts("end of input");
    for (i = 0; i < WORKERS; i++)
        PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForMultipleObjects(WORKERS, workers, TRUE, INFINITE);
    for (i = 0; i < WORKERS; i++)
        CloseHandle(workers[i]);
    closesocket(server);
    /* The receives' memory is theirs until they have ended. */
    for (i = 0; i < RECEIVES; i++) {
        while (!HasOverlappedIoCompleted(&datagrams[i].overlapped))
            Sleep(1);
    }
    CloseHandle(port);
    WSACleanup();
    puts("stopped");
    return 0;
}
