/* The harness of the suite: one program for each group of rules, the same source for this layer and for Windows.
 *
 * A program without arguments runs its tests one after another and prints a line for each: "ok", "FAIL", "not judged". With
 * `--after NAME` it begins behind that test: so the script goes on after one that has crashed or hung. A test that takes longer than
 * LONGEST_S is a failure with its name. It compiles as C11 and as C++17. */
#ifndef SUITE_H
#define SUITE_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <signal.h>
#include <unistd.h>
#endif

/* Seconds that a test may take. */
#define LONGEST_S 20
/* Milliseconds that what must come is waited for, and what must not come. */
#define SOON 5000
#define SILENCE 100

struct test {
    /* The number of the rule in the contract, and what the test shows. */
    const char *rule;
    const char *name;
    void (*run)(void);
};
#define TEST(rule, function) {rule, #function, function}

static const char *suite_now = "";
static const char *suite_rule = "";
/* 0: nothing said yet; 1: failed; 2: not judged. */
static int suite_said;

static inline void suite_fail(const char *file, int line, const char *what) {
    if (suite_said == 0)
        printf("FAIL %s %s (%s:%d: %s; last error %lu)\n", suite_rule, suite_now, file, line, what, (unsigned long)GetLastError());
    fflush(stdout);
    suite_said = 1;
}

static inline void suite_differ(const char *file, int line, const char *what, long long is, long long wanted) {
    char text[300];
    snprintf(text, sizeof text, "%s is %lld, not %lld", what, is, wanted);
    suite_fail(file, line, text);
}

/* In a test only: they end it. */
#define CHECK(condition)                                                                                                                             \
    do {                                                                                                                                             \
        if (!(condition)) {                                                                                                                          \
            suite_fail(__FILE__, __LINE__, #condition);                                                                                              \
            return;                                                                                                                                  \
        }                                                                                                                                            \
    } while (0)
#define EQUAL(is, wanted)                                                                                                                            \
    do {                                                                                                                                             \
        long long suite_is = (long long)(is), suite_wanted = (long long)(wanted);                                                                    \
        if (suite_is != suite_wanted) {                                                                                                              \
            suite_differ(__FILE__, __LINE__, #is, suite_is, suite_wanted);                                                                           \
            return;                                                                                                                                  \
        }                                                                                                                                            \
    } while (0)
/* In a helper: without it the test can't go on, so neither can the program. */
#define MUST(condition)                                                                                                                              \
    do {                                                                                                                                             \
        if (!(condition)) {                                                                                                                          \
            suite_fail(__FILE__, __LINE__, #condition);                                                                                              \
            exit(3);                                                                                                                                 \
        }                                                                                                                                            \
    } while (0)

static inline int under_wine(void) {
#ifdef __linux__
    return 0;
#else
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
#endif
}

/* Where Wine does otherwise than Windows, or can't tell: `why` is a sentence. */
#define NOT_JUDGED_UNDER_WINE(why)                                                                                                                   \
    do {                                                                                                                                             \
        if (under_wine()) {                                                                                                                          \
            printf("not judged %s %s (%s)\n", suite_rule, suite_now, why);                                                                           \
            suite_said = 2;                                                                                                                          \
            return;                                                                                                                                  \
        }                                                                                                                                            \
    } while (0)

#ifdef __linux__
static inline void suite_hung(int signal_number) {
    (void)signal_number;
    printf("FAIL %s %s (hangs)\n", suite_rule, suite_now);
    fflush(stdout);
    _exit(3);
}
static inline void suite_watch(void) {
    signal(SIGALRM, suite_hung);
    alarm(LONGEST_S);
}
#else
static volatile LONG suite_turn;
static inline DWORD WINAPI suite_watcher(LPVOID turn) {
    Sleep(LONGEST_S * 1000);
    if (suite_turn == (LONG)(LONG_PTR)turn) {
        printf("FAIL %s %s (hangs)\n", suite_rule, suite_now);
        fflush(stdout);
        TerminateProcess(GetCurrentProcess(), 3);
    }
    return 0;
}
static inline void suite_watch(void) {
    LONG turn = InterlockedIncrement(&suite_turn);
    CloseHandle(CreateThread(NULL, 0, suite_watcher, (LPVOID)(LONG_PTR)turn, 0, NULL));
}
#endif

static inline int suite_run(const struct test *tests, size_t count, int argc, char **argv) {
    WSADATA data;
    int failures = 0, running = argc < 3;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 2;
    for (size_t i = 0; i < count; i++) {
        if (argc == 2 && strcmp(argv[1], tests[i].name) != 0)
            continue;
        if (!running) {
            running = strcmp(argv[2], tests[i].name) == 0;
            continue;
        }
        suite_now = tests[i].name;
        suite_rule = tests[i].rule;
        suite_said = 0;
        printf("run %s %s\n", suite_rule, suite_now);
        fflush(stdout);
        suite_watch();
        SetLastError(0);
        tests[i].run();
        if (suite_said == 0)
            printf("ok %s %s\n", suite_rule, suite_now);
        failures += suite_said == 1;
        fflush(stdout);
    }
    WSACleanup();
    return failures != 0;
}
#define SUITE(tests)                                                                                                                                 \
    int main(int argc, char **argv) { return suite_run(tests, sizeof tests / sizeof tests[0], argc, argv); }

/* What GetQueuedCompletionStatus said. `bytes`, `key` and the last error have these values before, to show what was left alone. */
#define UNTOUCHED_BYTES 0x11111111u
#define UNTOUCHED_KEY 0x22222222u
#define UNTOUCHED_ERROR 0x3333
struct packet {
    BOOL ok;
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    DWORD error;
};
static inline struct packet take(HANDLE port, DWORD milliseconds) {
    struct packet packet = {FALSE, UNTOUCHED_BYTES, UNTOUCHED_KEY, (OVERLAPPED *)(ULONG_PTR)0x44444444, 0};
    SetLastError(UNTOUCHED_ERROR);
    packet.ok = GetQueuedCompletionStatus(port, &packet.bytes, &packet.key, &packet.overlapped, milliseconds);
    packet.error = GetLastError();
    return packet;
}
/* No packet comes: what take() says then. */
#define NOTHING(port)                                                                                                                                \
    do {                                                                                                                                             \
        struct packet suite_none = take(port, SILENCE);                                                                                              \
        EQUAL(suite_none.ok, FALSE);                                                                                                                 \
        CHECK(suite_none.overlapped == NULL);                                                                                                        \
        EQUAL(suite_none.error, WAIT_TIMEOUT);                                                                                                       \
    } while (0)

static inline HANDLE new_port(void) {
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    MUST(port != NULL);
    return port;
}
static inline SOCKET new_socket(void) {
    SOCKET s = WSASocketA(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    MUST(s != INVALID_SOCKET);
    return s;
}
/* To any port of the loopback; the address that it got. */
static inline struct sockaddr_in bind_any(SOCKET s) {
    struct sockaddr_in address;
    int length = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MUST(bind(s, (struct sockaddr *)&address, sizeof address) == 0);
    MUST(getsockname(s, (struct sockaddr *)&address, &length) == 0);
    return address;
}
static inline SOCKET new_datagram_socket(struct sockaddr_in *address) {
    SOCKET s = WSASocketA(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0, WSA_FLAG_OVERLAPPED);
    MUST(s != INVALID_SOCKET);
    *address = bind_any(s);
    return s;
}
static inline SOCKET new_listener(struct sockaddr_in *address) {
    SOCKET s = new_socket();
    *address = bind_any(s);
    MUST(listen(s, SOMAXCONN) == 0);
    return s;
}
static inline SOCKET new_client(const struct sockaddr_in *address) {
    SOCKET s = new_socket();
    MUST(connect(s, (const struct sockaddr *)address, sizeof *address) == 0);
    return s;
}
/* A connection: `ours` is the accepted end. */
struct pair {
    SOCKET ours;
    SOCKET peer;
};
static inline struct pair new_pair(void) {
    struct sockaddr_in address;
    struct pair pair;
    SOCKET listener = new_listener(&address);
    pair.peer = new_client(&address);
    pair.ours = accept(listener, NULL, NULL);
    MUST(pair.ours != INVALID_SOCKET);
    closesocket(listener);
    return pair;
}
static inline void close_pair(struct pair pair) {
    closesocket(pair.ours);
    closesocket(pair.peer);
}
static inline void associate(SOCKET s, HANDLE port, ULONG_PTR key) { MUST(CreateIoCompletionPort((HANDLE)s, port, key, 0) == port); }
/* Closed so that the peer is reset. */
static inline void reset(SOCKET s) {
    struct linger now = {1, 0};
    MUST(setsockopt(s, SOL_SOCKET, SO_LINGER, (const char *)&now, sizeof now) == 0);
    closesocket(s);
}
/* What WSAGetLastError says of a call that returned so: 0 for success; -1 if it failed and says nothing. */
static inline int error_of(int result) {
    int error = result == 0 ? 0 : WSAGetLastError();
    return result != 0 && error == 0 ? -1 : error;
}
/* Whether an overlapped call, by its error, has begun. */
static inline int begun(int error) { return error == 0 || error == WSA_IO_PENDING; }
/* Overlapped calls with one buffer; they return their error. */
static inline int start_receive(SOCKET s, void *buffer, ULONG length, OVERLAPPED *overlapped) {
    WSABUF part;
    DWORD bytes = UNTOUCHED_BYTES, flags = 0;
    part.len = length;
    part.buf = (char *)buffer;
    return error_of(WSARecv(s, &part, 1, &bytes, &flags, overlapped, NULL));
}
static inline int start_send(SOCKET s, const void *data, ULONG length, OVERLAPPED *overlapped) {
    WSABUF part;
    DWORD bytes = UNTOUCHED_BYTES;
    part.len = length;
    part.buf = (char *)data;
    return error_of(WSASend(s, &part, 1, &bytes, 0, overlapped, NULL));
}
/* A socket still receives by its port: what pends gets what the peer sends then. The key of the packet. */
static inline ULONG_PTR receive_abc(HANDLE port, SOCKET s, SOCKET peer) {
    OVERLAPPED overlapped;
    char data[4];
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    MUST(start_receive(s, data, sizeof data, &overlapped) == WSA_IO_PENDING);
    MUST(send(peer, "abc", 3, 0) == 3);
    packet = take(port, SOON);
    MUST(packet.overlapped == &overlapped);
    MUST(packet.ok == TRUE);
    MUST(packet.bytes == 3);
    MUST(memcmp(data, "abc", 3) == 0);
    return packet.key;
}
static inline HANDLE new_event(BOOL manual_reset) {
    HANDLE event = CreateEventA(NULL, manual_reset, FALSE, NULL);
    MUST(event != NULL);
    return event;
}
static inline HANDLE start_thread(DWORD(WINAPI *start)(LPVOID), void *argument) {
    HANDLE thread = CreateThread(NULL, 0, start, argument, 0, NULL);
    MUST(thread != NULL);
    return thread;
}
/* The same, and returns when it is about to block, which it tells by the event `ready`: no event tells when it does. */
static inline HANDLE start_blocking(DWORD(WINAPI *start)(LPVOID), void *argument, HANDLE ready) {
    HANDLE thread = start_thread(start, argument);
    MUST(WaitForSingleObject(ready, SOON) == WAIT_OBJECT_0);
    return thread;
}
static inline void join(HANDLE thread) {
    MUST(WaitForSingleObject(thread, LONGEST_S * 1000) == WAIT_OBJECT_0);
    CloseHandle(thread);
}
/* Of a thread that ends SOON, and its handle is closed. */
static inline DWORD exit_code(HANDLE thread) {
    DWORD code = STILL_ACTIVE;
    MUST(WaitForSingleObject(thread, SOON) == WAIT_OBJECT_0);
    MUST(GetExitCodeThread(thread, &code));
    MUST(CloseHandle(thread));
    return code;
}
/* Receives exactly so many bytes by plain calls. */
static inline int read_whole(SOCKET s, char *buffer, int length) {
    int got = 0;
    while (got < length) {
        int count = recv(s, buffer + got, length - got, 0);
        if (count <= 0)
            return got;
        got += count;
    }
    return got;
}
/* Waits, without an event to wait for, until what another thread is to reach is so; false after SOON. Yields between two looks. */
#define UNTIL(condition)                                                                                                                             \
    do {                                                                                                                                             \
        DWORD suite_start = GetTickCount();                                                                                                          \
        while (!(condition) && GetTickCount() - suite_start < SOON)                                                                                  \
            SwitchToThread();                                                                                                                        \
        CHECK(condition);                                                                                                                            \
    } while (0)

#endif
