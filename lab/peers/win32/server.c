// The echo server as programs for Windows' completion ports write it, by Windows' names alone: built for Linux with wharf-win32, and
// from the same source for Windows, which Wine runs.
//
// It takes new connections by AcceptEx. A connection has one operation at a time, a receive or a send, and its own buffer, of
// the size that all servers here have; a packet tells of the end of each. The workers wait on one port, at which
// `--threads` of them may run.
//
// `--ready N` makes the memory of N connections before the first comes: then what the process grows by with each is not the program's.

#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    // The bytes of a buffer to read into.
    BUFFER_BYTES = 16 * 1024,
    // Connections that the system holds until they are accepted.
    BACKLOG = 4096,
    // Sockets that wait for a connection.
    ACCEPTS = 64,
    ADDRESS_BYTES = sizeof(struct sockaddr_in) + 16,
    // More than these are a mistake.
    THREADS_MAX = 1024,
    READY_MAX = 1000 * 1000,
};

enum operation { ACCEPT, RECEIVE, SEND };

// A socket, and its one operation.
struct connection {
    OVERLAPPED overlapped;
    enum operation operation;
    SOCKET socket;
    DWORD length;
    DWORD sent;
    // The next of those that are not used.
    struct connection *next;
    char buffer[BUFFER_BYTES];
};

static HANDLE port;
static SOCKET listener;
static LONG volatile accepting;

static struct connection *unused;
static CRITICAL_SECTION unused_lock;

static const char *const usage = "usage: --listen ADDRESS:PORT [--app echo] [--threads N] [--ready N]\n";

// Ends the process because the system refuses something, and says what.
_Noreturn static void fail(const char *what) {
    fprintf(stderr, "error: %s: error %lu\n", what, (unsigned long)GetLastError());
    exit(1);
}

// Ends the process because of its arguments, and says which.
_Noreturn static void refuse_arguments(const char *what, const char *which) {
    fprintf(stderr, "error: %s%s\n%s", what, which, usage);
    exit(2);
}

static void keep(struct connection *connection) {
    EnterCriticalSection(&unused_lock);
    connection->next = unused;
    unused = connection;
    LeaveCriticalSection(&unused_lock);
}

static struct connection *take(void) {
    struct connection *connection;
    EnterCriticalSection(&unused_lock);
    connection = unused;
    if (connection != NULL)
        unused = connection->next;
    LeaveCriticalSection(&unused_lock);
    return connection != NULL ? connection : malloc(sizeof *connection);
}

static BOOL has_begun(BOOL done) {
    return done || WSAGetLastError() == WSA_IO_PENDING;
}

// Returns false if the system has no socket, or takes no accept, now.
static BOOL accept_one(void) {
    struct connection *connection = take();
    DWORD bytes;
    if (connection == NULL)
        return FALSE;
    memset(&connection->overlapped, 0, sizeof connection->overlapped);
    connection->operation = ACCEPT;
    connection->socket = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (connection->socket != INVALID_SOCKET) {
        if (has_begun(AcceptEx(listener, connection->socket, connection->buffer, 0, ADDRESS_BYTES, ADDRESS_BYTES, &bytes,
                               &connection->overlapped)))
            return TRUE;
        closesocket(connection->socket);
    }
    keep(connection);
    return FALSE;
}

// Has as many accepts under way as there are to be. What can't begin now begins when the next connection has come or gone.
static void accept_more(void) {
    while (InterlockedIncrement(&accepting) <= ACCEPTS && accept_one()) {
    }
    InterlockedDecrement(&accepting);
}

static BOOL receive(struct connection *connection) {
    WSABUF buffer = {BUFFER_BYTES, connection->buffer};
    DWORD flags = 0;
    connection->operation = RECEIVE;
    memset(&connection->overlapped, 0, sizeof connection->overlapped);
    return has_begun(WSARecv(connection->socket, &buffer, 1, NULL, &flags, &connection->overlapped, NULL) == 0);
}

static BOOL send_rest(struct connection *connection) {
    WSABUF buffer = {connection->length - connection->sent, connection->buffer + connection->sent};
    connection->operation = SEND;
    memset(&connection->overlapped, 0, sizeof connection->overlapped);
    return has_begun(WSASend(connection->socket, &buffer, 1, NULL, 0, &connection->overlapped, NULL) == 0);
}

// An accept has ended, well or not: another begins in its place.
static BOOL accepted(struct connection *connection, BOOL well) {
    SOCKET socket = connection->socket;
    InterlockedDecrement(&accepting);
    accept_more();
    return well &&
           setsockopt(socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener, sizeof listener) == 0 &&
           CreateIoCompletionPort((HANDLE)socket, port, 0, 0) != NULL && receive(connection);
}

// The connection's operation has ended. Returns false if the connection is to end, too.
static BOOL go_on(struct connection *connection, DWORD bytes, BOOL well) {
    if (connection->operation == ACCEPT)
        return accepted(connection, well);
    if (!well)
        return FALSE;
    if (connection->operation == RECEIVE) {
        connection->length = bytes;
        connection->sent = 0;
        return bytes > 0 && send_rest(connection);
    }
    connection->sent += bytes;
    return connection->sent < connection->length ? send_rest(connection) : receive(connection);
}

static unsigned __stdcall work(void *nothing) {
    (void)nothing;
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        OVERLAPPED *overlapped = NULL;
        struct connection *connection;
        BOOL well = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == NULL)
            fail("GetQueuedCompletionStatus");
        connection = CONTAINING_RECORD(overlapped, struct connection, overlapped);
        if (!go_on(connection, bytes, well)) {
            closesocket(connection->socket);
            keep(connection);
            accept_more();
        }
    }
}

// What the arguments say.
struct arguments {
    struct sockaddr_in address;
    unsigned long threads;
    unsigned long ready;
};

static unsigned long parse_number(const char *name, const char *value, unsigned long least, unsigned long most) {
    char *end;
    unsigned long number = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || number < least || number > most) {
        fprintf(stderr, "error: %s takes a number from %lu to %lu, not %s\n%s", name, least, most, value, usage);
        exit(2);
    }
    return number;
}

static void parse_address(const char *text, struct sockaddr_in *address) {
    char host[16] = "";
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        refuse_arguments("--listen takes ADDRESS:PORT, not ", text);
    memcpy(host, text, (size_t)(colon - text));
    address->sin_family = AF_INET;
    address->sin_port = htons((u_short)parse_number("--listen's port", colon + 1, 0, 0xffff));
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
        refuse_arguments("--listen takes an IPv4 address in numbers, not ", text);
}

static struct arguments parse_arguments(int count, char **values) {
    struct arguments arguments;
    int i;
    memset(&arguments, 0, sizeof arguments);
    arguments.threads = 1;
    for (i = 1; i < count; i += 2) {
        const char *name = values[i], *value = values[i + 1];
        if (i + 1 == count)
            refuse_arguments("a value is missing after ", name);
        if (strcmp(name, "--listen") == 0)
            parse_address(value, &arguments.address);
        else if (strcmp(name, "--threads") == 0)
            arguments.threads = parse_number(name, value, 1, THREADS_MAX);
        else if (strcmp(name, "--ready") == 0)
            arguments.ready = parse_number(name, value, 0, READY_MAX);
        else if (strcmp(name, "--app") != 0)
            refuse_arguments("unknown argument ", name);
        else if (strcmp(value, "echo") != 0)
            refuse_arguments("--app takes echo, not ", value);
    }
    if (arguments.address.sin_family != AF_INET)
        refuse_arguments("--listen is missing", "");
    return arguments;
}

// Listens, and begins to accept. Afterwards, `address` has the real port. Connections have TCP_NODELAY from the listener.
static void start(struct sockaddr_in *address, DWORD threads) {
    int length = sizeof *address;
    BOOL on = TRUE;
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, threads);
    if (port == NULL)
        fail("CreateIoCompletionPort");
    listener = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)address, length) != 0 || listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)address, &length) != 0 ||
        CreateIoCompletionPort((HANDLE)listener, port, 0, 0) == NULL)
        fail("can't listen");
    accept_more();
}

// Of memory that was written to, so that the system has given all of it.
static void make_ready(unsigned long count) {
    for (; count > 0; count--) {
        struct connection *connection = malloc(sizeof *connection);
        if (connection == NULL)
            fail("no memory for --ready");
        memset(connection, 1, sizeof *connection);
        keep(connection);
    }
}

int main(int count, char **values) {
    struct arguments arguments = parse_arguments(count, values);
    WSADATA data;
    char host[16];
    unsigned long i;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        fail("WSAStartup");
    InitializeCriticalSection(&unused_lock);
    make_ready(arguments.ready);
    start(&arguments.address, arguments.threads);
    // The main thread is one of them, so that with one thread the program makes no other.
    for (i = 1; i < arguments.threads; i++) {
        if (_beginthreadex(NULL, 0, work, NULL, 0, NULL) == 0)
            fail("can't start a thread");
    }
    inet_ntop(AF_INET, &arguments.address.sin_addr, host, sizeof host);
    printf("listening on %s:%u\n", host, ntohs(arguments.address.sin_port));
    fflush(stdout);
    return (int)work(NULL);
}
