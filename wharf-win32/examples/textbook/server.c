/* The echo server that every text on completion ports begins with: three workers, a thread that accepts, a list of clients.
 *
 *     ./server [port]
 *
 * What a client sends comes back. What begins with "box" is shown in a message box first, which blocks its worker: three of them
 * block all three, and a fourth client waits for its echo until one is closed. A line on standard input stops the server.
 *
 * The same file is a program for Windows. */
#include <winsock2.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 3, BUFFER_SIZE = 15000 };

/* What an operation is for. */
enum operation { RECEIVE, SEND };

/* A client, and its one operation: it is echoed before more is received. The OVERLAPPED is first, so that its address is the client's. */
struct client {
    OVERLAPPED overlapped;
    enum operation operation;
    SOCKET socket;
    DWORD length; /* bytes of `buffer` to be sent */
    DWORD sent;   /* bytes of them that are on their way */
    char buffer[BUFFER_SIZE + 1];
    struct client *next;
};

static HANDLE port;
static SOCKET listener;
static struct client *clients;
static CRITICAL_SECTION clients_lock;
static HANDLE workers[WORKERS];
static HANDLE acceptor;

static void add_client(struct client *client) {
    EnterCriticalSection(&clients_lock);
    client->next = clients;
    clients = client;
    LeaveCriticalSection(&clients_lock);
}

static void remove_client(struct client *client) {
    struct client **place;
    EnterCriticalSection(&clients_lock);
    for (place = &clients; *place != NULL; place = &(*place)->next) {
        if (*place == client) {
            *place = client->next;
            break;
        }
    }
    LeaveCriticalSection(&clients_lock);
    closesocket(client->socket);
    free(client);
}

/* False if it could not be begun: then there is no packet to come. */
static BOOL begin_receive(struct client *client) {
    WSABUF buffer;
    DWORD flags = 0;
    memset(&client->overlapped, 0, sizeof client->overlapped);
    client->operation = RECEIVE;
    buffer.buf = client->buffer;
    buffer.len = BUFFER_SIZE;
    return WSARecv(client->socket, &buffer, 1, NULL, &flags, &client->overlapped, NULL) == 0 || WSAGetLastError() == WSA_IO_PENDING;
}

static BOOL begin_send(struct client *client) {
    WSABUF buffer;
    memset(&client->overlapped, 0, sizeof client->overlapped);
    client->operation = SEND;
    buffer.buf = client->buffer + client->sent;
    buffer.len = client->length - client->sent;
    return WSASend(client->socket, &buffer, 1, NULL, 0, &client->overlapped, NULL) == 0 || WSAGetLastError() == WSA_IO_PENDING;
}

static BOOL received(struct client *client, DWORD bytes) {
    client->buffer[bytes] = '\0';
    if (strncmp(client->buffer, "box", 3) == 0)
        MessageBoxA(NULL, client->buffer, "echo server", MB_OK);
    client->length = bytes;
    client->sent = 0;
    return begin_send(client);
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
            return 0; /* posted by stop_server, or the port is closed */
        client = CONTAINING_RECORD(overlapped, struct client, overlapped);
        if (!ok || bytes == 0) {
            remove_client(client); /* it has left, or is gone */
        } else if (client->operation == RECEIVE) {
            if (!received(client, bytes))
                remove_client(client);
        } else {
            client->sent += bytes;
            if (!(client->sent < client->length ? begin_send(client) : begin_receive(client)))
                remove_client(client);
        }
    }
}

/* Whether an accept has failed for a while only: all sockets are in use until a client leaves, or this client has left already. */
static BOOL accepts_again(void) {
    switch (WSAGetLastError()) {
    case WSAEMFILE:
    case WSAENOBUFS:
        Sleep(10);
        return TRUE;
    case WSAECONNRESET:
        return TRUE;
    }
    return FALSE;
}

static unsigned __stdcall accept_clients(void *argument) {
    (void)argument;
    for (;;) {
        struct client *client;
        SOCKET socket = accept(listener, NULL, NULL);
        if (socket == INVALID_SOCKET && accepts_again())
            continue;
        if (socket == INVALID_SOCKET)
            return 0; /* stop_server has closed the listener */
        client = (struct client *)calloc(1, sizeof *client);
        if (client == NULL) {
            closesocket(socket);
            continue;
        }
        client->socket = socket;
        add_client(client);
        if (CreateIoCompletionPort((HANDLE)socket, port, (ULONG_PTR)client, 0) == NULL || !begin_receive(client))
            remove_client(client);
    }
}

static BOOL start_server(u_short number) {
    struct sockaddr_in address;
    int length = sizeof address, i;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, WORKERS);
    listener = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (port == NULL || listener == INVALID_SOCKET)
        return FALSE;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(number);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return FALSE;
    InitializeCriticalSection(&clients_lock);
    for (i = 0; i < WORKERS; i++)
        workers[i] = (HANDLE)_beginthreadex(NULL, 0, work, NULL, 0, NULL);
    acceptor = (HANDLE)_beginthreadex(NULL, 0, accept_clients, NULL, 0, NULL);
    printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return TRUE;
}

static void stop_server(void) {
    int i, left = 0;
    /* First no more clients come, then no more packets are worked on; then what the clients have is nobody else's. */
    closesocket(listener);
    WaitForSingleObject(acceptor, INFINITE);
    CloseHandle(acceptor);
    for (i = 0; i < WORKERS; i++)
        PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForMultipleObjects(WORKERS, workers, TRUE, INFINITE);
    for (i = 0; i < WORKERS; i++)
        CloseHandle(workers[i]);
    for (; clients != NULL; left++) {
        struct client *client = clients;
        clients = client->next;
        CancelIoEx((HANDLE)client->socket, NULL);
        /* Its memory is the operation's until the packet is there. */
        while (!HasOverlappedIoCompleted(&client->overlapped))
            Sleep(1);
        closesocket(client->socket);
        free(client);
    }
    CloseHandle(port);
    DeleteCriticalSection(&clients_lock);
    printf("stopped, %d clients were left\n", left);
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
