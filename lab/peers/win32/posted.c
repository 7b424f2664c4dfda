// What posting packets through a port costs by Windows' names: what `lab/posted` measures of Wharf's own port, in the same shape.
//
// *Throughput*: one thread posts, one or two take; every packet arrives exactly once, or the program ends. *Wakes*: how long after a post
// a thread that was asleep has the packet. Prints the figures as JSON, in the form that `posted --json` has, for one round.

#include <windows.h>
#include <process.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PACKETS = 300 * 1000,
    WAKES = 1000,
    CONSUMERS_MAX = 2,
    // Between two wakes the producer computes for so long, never the same time twice running: steps of a microsecond from the first on.
    IDLE_MIN_US = 50,
    IDLE_STEPS = 150,
    // Has no factor in common with the number of steps, so all of them have their turn.
    IDLE_STRIDE = 67,
};

// The key of a consumer's last packet.
#define LAST ((ULONG_PTR)-1)

static HANDLE port;
// Each consumer releases one when it is there.
static HANDLE there;
// And waits for this.
static HANDLE begin;

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "error: %s: error %lu\n", what, (unsigned long)GetLastError());
    exit(1);
}

static int64_t now_ns(void) {
    LARGE_INTEGER now, each_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&each_second);
    return (int64_t)((double)now.QuadPart * (1e9 / (double)each_second.QuadPart));
}

static void post(ULONG_PTR key, DWORD number) {
    if (!PostQueuedCompletionStatus(port, number, key, NULL))
        fail("PostQueuedCompletionStatus");
}

static ULONG_PTR take(DWORD *number) {
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    if (!GetQueuedCompletionStatus(port, number, &key, &overlapped, INFINITE))
        fail("GetQueuedCompletionStatus");
    return key;
}

static void open(void) {
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    if (port == NULL)
        fail("CreateIoCompletionPort");
}

static HANDLE start(unsigned(__stdcall *run)(void *), void *argument) {
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, run, argument, 0, NULL);
    if (thread == NULL)
        fail("_beginthreadex");
    return thread;
}

static void join(HANDLE thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

// What consumers have taken. Counts and sums suffice to see that nothing is lost or comes twice.
struct tally {
    uint64_t packets;
    uint64_t keys;
    uint64_t squares;
    int64_t ended_ns;
};

static void count(struct tally *tally, uint64_t key) {
    tally->packets++;
    tally->keys += key;
    tally->squares += key * key;
}

static unsigned __stdcall consume(void *argument) {
    // Its own until the end, as what another processor writes may be beside it.
    struct tally tally = {0, 0, 0, 0};
    DWORD number;
    ULONG_PTR key;
    ReleaseSemaphore(there, 1, NULL);
    WaitForSingleObject(begin, INFINITE);
    while ((key = take(&number)) != LAST) {
        if (key != number)
            fail("a packet came changed");
        count(&tally, key);
    }
    tally.ended_ns = now_ns();
    *(struct tally *)argument = tally;
    return 0;
}

// Packets a second, from the first post until the last consumer has its last.
static double throughput(int consumers) {
    HANDLE threads[CONSUMERS_MAX];
    struct tally posted = {0, 0, 0, 0}, taken = {0, 0, 0, 0}, tallies[CONSUMERS_MAX];
    int64_t begun_ns;
    int i;
    open();
    there = CreateSemaphoreA(NULL, 0, CONSUMERS_MAX, NULL);
    begin = CreateEventA(NULL, TRUE, FALSE, NULL);
    for (i = 0; i < consumers; i++)
        threads[i] = start(consume, &tallies[i]);
    for (i = 0; i < consumers; i++)
        WaitForSingleObject(there, INFINITE);
    SetEvent(begin);
    begun_ns = now_ns();
    for (i = 0; i < PACKETS; i++)
        post((ULONG_PTR)i, (DWORD)i);
    for (i = 0; i < consumers; i++)
        post(LAST, 0);
    for (i = 0; i < consumers; i++) {
        join(threads[i]);
        taken.packets += tallies[i].packets;
        taken.keys += tallies[i].keys;
        taken.squares += tallies[i].squares;
        if (tallies[i].ended_ns > taken.ended_ns)
            taken.ended_ns = tallies[i].ended_ns;
    }
    for (i = 0; i < PACKETS; i++)
        count(&posted, (uint64_t)i);
    if (posted.packets != taken.packets || posted.keys != taken.keys || posted.squares != taken.squares)
        fail("packets were lost or came twice");
    CloseHandle(there);
    CloseHandle(begin);
    CloseHandle(port);
    return PACKETS * 1e9 / (double)(taken.ended_ns - begun_ns);
}

static LONG volatile arrived;
// When each was posted. A packet's number is its place here.
static int64_t posted_ns[WAKES];
static int64_t taken_ns[WAKES];

static unsigned __stdcall wake(void *nothing) {
    int i;
    (void)nothing;
    for (i = 0; i < WAKES; i++) {
        DWORD number;
        take(&number);
        taken_ns[number] = now_ns() - posted_ns[number];
        InterlockedIncrement(&arrived);
    }
    return 0;
}

static int in_order(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

// Wakes one consumer again and again, one packet under way at a time. Afterwards `taken_ns` is in ascending order.
static void measure_wakes(void) {
    HANDLE thread;
    int i;
    open();
    thread = start(wake, NULL);
    for (i = 0; i < WAKES; i++) {
        int64_t until;
        while (arrived < i)
            YieldProcessor();
        until = now_ns() + (IDLE_MIN_US + i * IDLE_STRIDE % IDLE_STEPS) * 1000;
        while (now_ns() < until)
            YieldProcessor();
        posted_ns[i] = now_ns();
        post(1, (DWORD)i);
    }
    join(thread);
    CloseHandle(port);
    qsort(taken_ns, WAKES, sizeof taken_ns[0], in_order);
}

// In microseconds.
static double quantile(double part) {
    return (double)taken_ns[(int)((WAKES - 1) * part + 0.5)] / 1e3;
}

static void tell(const char *measure, double figure, const char *end) {
    printf("{\"measure\": \"%s\", \"contestants\": {\"wharf-win32\": [%.6f]}}%s\n", measure, figure, end);
}

int main(void) {
    printf("[");
    tell("unbounded, 1 consumer, million packets/s", throughput(1) / 1e6, ",");
    tell("unbounded, 2 consumers, million packets/s", throughput(2) / 1e6, ",");
    measure_wakes();
    tell("wake, p50, \xc2\xb5s", quantile(0.5), ",");
    tell("wake, p99, \xc2\xb5s", quantile(0.99), "]");
    return 0;
}
