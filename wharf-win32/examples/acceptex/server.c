/* The textbook server with AcceptEx: no thread blocks in accept, the workers take new clients as they take data.
 *
 *     ./server [port]
 *
 * What a client sends comes back. A line on standard input stops the server. The same file is a program for Windows. */
#include <winsock2.h>
#include <mswsock.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 3, ACCEPTS = 16, BUFFER_SIZE = 15000, ADDRESS_SIZE = sizeof(struct sockaddr_in) + 16 };

enum operation { ACCEPT, RECEIVE, SEND };

/* A socket and its one operation: an accept, and then a client's. */
struct client {
    OVERLAPPED overlapped;
    enum operation operation;
    SOCKET socket;
    DWORD length;
    DWORD sent;
    char buffer[BUFFER_SIZE];
    struct client *next, *previous;
};

static HANDLE port;
static SOCKET listener;
static HANDLE workers[WORKERS];
/* All of them, in a ring around this one, so that stop_server can end what they wait for, and know when the last has gone. */
static struct client ring;
static CRITICAL_SECTION ring_lock;
static volatile LONG stopping;
/* Accepts that are under way. */
static volatile LONG accepts;
static HANDLE all_gone;

static void add(struct client *client) {
    EnterCriticalSection(&ring_lock);
    client->next = ring.next;
    client->previous = &ring;
    client->next->previous = client;
    ring.next = client;
    LeaveCriticalSection(&ring_lock);
}

static void drop(struct client *client) {
    closesocket(client->socket);
    EnterCriticalSection(&ring_lock);
    client->previous->next = client->next;
    client->next->previous = client->previous;
    if (stopping && ring.next == &ring)
        SetEvent(all_gone);
    LeaveCriticalSection(&ring_lock);
    free(client);
}

/* A socket waits for a client. False: there is none to be had. */
static BOOL begin_accept(void) {
    DWORD bytes;
    struct client *client = (struct client *)calloc(1, sizeof *client);
    if (client == NULL)
        return FALSE;
    client->operation = ACCEPT;
    client->socket = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    add(client);
    if (!AcceptEx(listener, client->socket, client->buffer, 0, ADDRESS_SIZE, ADDRESS_SIZE, &bytes, &client->overlapped) &&
        WSAGetLastError() != ERROR_IO_PENDING) {
        drop(client);
        return FALSE;
    }
    return TRUE;
}

/* As many accepts as there are to be. While all sockets that the system gives are in use there are fewer: so it is called again whenever
 * a client has left. */
static void fill_up(void) {
    while (InterlockedIncrement(&accepts) <= ACCEPTS && !stopping && begin_accept())
        ;
    InterlockedDecrement(&accepts);
}

static BOOL begin(struct client *client, enum operation operation) {
    WSABUF buffer;
    DWORD flags = 0;
    int result;
    memset(&client->overlapped, 0, sizeof client->overlapped);
    client->operation = operation;
    if (operation == RECEIVE) {
        buffer.buf = client->buffer;
        buffer.len = BUFFER_SIZE;
        result = WSARecv(client->socket, &buffer, 1, NULL, &flags, &client->overlapped, NULL);
    } else {
        buffer.buf = client->buffer + client->sent;
        buffer.len = client->length - client->sent;
        result = WSASend(client->socket, &buffer, 1, NULL, 0, &client->overlapped, NULL);
    }
    return result == 0 || WSAGetLastError() == WSA_IO_PENDING;
}

static BOOL accepted(struct client *client) {
    setsockopt(client->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener, sizeof listener);
    return CreateIoCompletionPort((HANDLE)client->socket, port, 0, 0) != NULL && begin(client, RECEIVE);
}

/* One operation has ended; false if the client is to go. */
static BOOL go_on(struct client *client, DWORD bytes) {
    if (stopping)
        return FALSE;
    switch (client->operation) {
    case ACCEPT:
        fill_up();
        return accepted(client);
    case RECEIVE:
        client->length = bytes;
        client->sent = 0;
        return bytes > 0 && begin(client, SEND);
    case SEND:
        client->sent += bytes;
        return begin(client, client->sent < client->length ? SEND : RECEIVE);
    }
    return FALSE;
}

static unsigned __stdcall work(void *argument) {
    (void)argument;
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        OVERLAPPED *overlapped = NULL;
        struct client *client;
        BOOL ok = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == NULL)
            return 0;
        client = CONTAINING_RECORD(overlapped, struct client, overlapped);
        if (client->operation == ACCEPT)
            InterlockedDecrement(&accepts);
        if (ok && go_on(client, bytes))
            continue;
        drop(client);
        fill_up();
    }
}

static BOOL start_server(u_short number) {
    struct sockaddr_in address;
    int length = sizeof address, i;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, WORKERS);
    all_gone = CreateEventA(NULL, TRUE, FALSE, NULL);
    InitializeCriticalSection(&ring_lock);
    ring.next = ring.previous = &ring;
    listener = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (port == NULL || listener == INVALID_SOCKET)
        return FALSE;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(number);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 || CreateIoCompletionPort((HANDLE)listener, port, 0, 0) == NULL)
        return FALSE;
    for (i = 0; i < WORKERS; i++)
        workers[i] = (HANDLE)_beginthreadex(NULL, 0, work, NULL, 0, NULL);
    fill_up();
    printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return TRUE;
}

/* Each operation ends, gives its packet, and a worker drops its client. One may begin while others are cancelled: so again. */
static void cancel_all(void) {
    struct client *client;
    EnterCriticalSection(&ring_lock);
    for (client = ring.next; client != &ring; client = client->next)
        CancelIoEx((HANDLE)client->socket, NULL);
    if (ring.next == &ring)
        SetEvent(all_gone);
    LeaveCriticalSection(&ring_lock);
}

static void stop_server(void) {
    int i;
    InterlockedExchange(&stopping, 1);
    closesocket(listener); /* ends the accepts */
    do
        cancel_all();
    while (WaitForSingleObject(all_gone, 50) == WAIT_TIMEOUT);
    for (i = 0; i < WORKERS; i++)
        PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForMultipleObjects(WORKERS, workers, TRUE, INFINITE);
    for (i = 0; i < WORKERS; i++)
        CloseHandle(workers[i]);
    CloseHandle(port);
    CloseHandle(all_gone);
    DeleteCriticalSection(&ring_lock);
    puts("stopped");
}

int main(int argc, char **argv) {
    WSADATA data;
    char line[80];
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0 || !start_server((u_short)(argc > 1 ? atoi(argv[1]) : 9000))) {
        fprintf(stderr, "the server does not start: error %d\n", WSAGetLastError());
        return 1;
    }
    if (fgets(line, sizeof line, stdin) == NULL)
        puts("end of input");
    stop_server();
    WSACleanup();
    return 0;
}
