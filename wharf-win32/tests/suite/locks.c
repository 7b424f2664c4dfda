/* Locks in the program's own memory, Interlocked, and things done once. */
#include "suite.h"

enum { THREADS = 4, ROUNDS = 20000 };
struct shared {
    CRITICAL_SECTION section;
    SRWLOCK lock;
    CONDITION_VARIABLE condition;
    LONG plain;
    volatile LONG counted;
    volatile LONG64 large;
    int turn;
};

static DWORD WINAPI counts(LPVOID argument) {
    struct shared *shared = (struct shared *)argument;
    for (int i = 0; i < ROUNDS; i++) {
        EnterCriticalSection(&shared->section);
        /* Its owner may enter again. */
        EnterCriticalSection(&shared->section);
        shared->plain++;
        LeaveCriticalSection(&shared->section);
        LeaveCriticalSection(&shared->section);
        InterlockedIncrement(&shared->counted);
        InterlockedExchangeAdd64(&shared->large, 3);
    }
    return 0;
}
static void a_critical_section_keeps_others_out(void) {
    struct shared shared;
    HANDLE threads[THREADS];
    memset(&shared, 0, sizeof shared);
    InitializeCriticalSection(&shared.section);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(counts, &shared);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    EQUAL(shared.plain, THREADS * ROUNDS);
    EQUAL(shared.counted, THREADS * ROUNDS);
    EQUAL(shared.large, 3LL * THREADS * ROUNDS);
    DeleteCriticalSection(&shared.section);
}

static DWORD WINAPI tries(LPVOID argument) { return (DWORD)TryEnterCriticalSection((CRITICAL_SECTION *)argument); }
static void trying_does_not_wait(void) {
    CRITICAL_SECTION section;
    CHECK(InitializeCriticalSectionAndSpinCount(&section, 1000));
    CHECK(TryEnterCriticalSection(&section));
    EQUAL(exit_code(start_thread(tries, &section)), 0);
    LeaveCriticalSection(&section);
    DeleteCriticalSection(&section);
}

static DWORD WINAPI counts_under_srw(LPVOID argument) {
    struct shared *shared = (struct shared *)argument;
    for (int i = 0; i < ROUNDS; i++) {
        AcquireSRWLockExclusive(&shared->lock);
        shared->plain++;
        ReleaseSRWLockExclusive(&shared->lock);
        AcquireSRWLockShared(&shared->lock);
        ReleaseSRWLockShared(&shared->lock);
    }
    return 0;
}
static void a_slim_lock_keeps_others_out(void) {
    struct shared shared;
    HANDLE threads[THREADS];
    memset(&shared, 0, sizeof shared);
    InitializeSRWLock(&shared.lock);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(counts_under_srw, &shared);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    EQUAL(shared.plain, THREADS * ROUNDS);
    AcquireSRWLockShared(&shared.lock);
    CHECK(!TryAcquireSRWLockExclusive(&shared.lock));
    CHECK(TryAcquireSRWLockShared(&shared.lock));
    ReleaseSRWLockShared(&shared.lock);
    ReleaseSRWLockShared(&shared.lock);
    CHECK(TryAcquireSRWLockExclusive(&shared.lock));
    ReleaseSRWLockExclusive(&shared.lock);
}

static DWORD WINAPI waits_for_its_turn(LPVOID argument) {
    struct shared *shared = (struct shared *)argument;
    EnterCriticalSection(&shared->section);
    while (shared->turn == 0)
        SleepConditionVariableCS(&shared->condition, &shared->section, INFINITE);
    LeaveCriticalSection(&shared->section);
    return 0;
}
static void a_condition_wakes_those_who_wait(void) {
    struct shared shared;
    HANDLE threads[THREADS];
    memset(&shared, 0, sizeof shared);
    InitializeCriticalSection(&shared.section);
    InitializeConditionVariable(&shared.condition);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(waits_for_its_turn, &shared);
    EnterCriticalSection(&shared.section);
    shared.turn = 1;
    LeaveCriticalSection(&shared.section);
    WakeAllConditionVariable(&shared.condition);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    EnterCriticalSection(&shared.section);
    CHECK(!SleepConditionVariableCS(&shared.condition, &shared.section, 20));
    EQUAL(GetLastError(), ERROR_TIMEOUT);
    LeaveCriticalSection(&shared.section);
    DeleteCriticalSection(&shared.section);
}

static volatile LONG done;
static BOOL CALLBACK do_it(PINIT_ONCE once, PVOID argument, PVOID *context) {
    (void)once;
    *context = argument;
    InterlockedIncrement(&done);
    return TRUE;
}
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static DWORD WINAPI does_it_once(LPVOID argument) {
    void *context = NULL;
    return InitOnceExecuteOnce(&once, do_it, argument, &context) && context == argument;
}
static void once_is_once(void) {
    HANDLE threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(does_it_once, (void *)&done);
    for (int i = 0; i < THREADS; i++)
        EQUAL(exit_code(threads[i]), 1);
    EQUAL(done, 1);
}

static void interlocked_returns_what_it_returns(void) {
    volatile LONG number = 5;
    void *volatile pointer = NULL;
    EQUAL(InterlockedIncrement(&number), 6);
    EQUAL(InterlockedDecrement(&number), 5);
    EQUAL(InterlockedExchange(&number, 9), 5);
    EQUAL(InterlockedExchangeAdd(&number, 3), 9);
    EQUAL(InterlockedCompareExchange(&number, 1, 12), 12);
    EQUAL(InterlockedCompareExchange(&number, 2, 99), 1);
    EQUAL(number, 1);
    EQUAL(InterlockedOr(&number, 6), 1);
    EQUAL(InterlockedAnd(&number, 3), 7);
    EQUAL(InterlockedXor(&number, 1), 3);
    EQUAL(number, 2);
    CHECK(InterlockedExchangePointer(&pointer, (void *)&number) == NULL);
    CHECK(InterlockedCompareExchangePointer(&pointer, NULL, (void *)&number) == (void *)&number);
    CHECK(pointer == NULL);
}

struct block {
    SLIST_ENTRY entry;
    int number;
};
static SLIST_HEADER blocks;
static DWORD WINAPI pops_and_pushes(LPVOID argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        PSLIST_ENTRY entry = InterlockedPopEntrySList(&blocks);
        if (entry == NULL)
            return 1;
        InterlockedPushEntrySList(&blocks, entry);
    }
    return 0;
}
static void a_list_of_blocks_is_shared(void) {
    static struct block all[THREADS];
    HANDLE threads[THREADS];
    InitializeSListHead(&blocks);
    CHECK(InterlockedPopEntrySList(&blocks) == NULL);
    for (int i = 0; i < THREADS; i++)
        InterlockedPushEntrySList(&blocks, &all[i].entry);
    EQUAL(QueryDepthSList(&blocks), THREADS);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(pops_and_pushes, NULL);
    for (int i = 0; i < THREADS; i++)
        EQUAL(exit_code(threads[i]), 0);
    EQUAL(QueryDepthSList(&blocks), THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK(InterlockedPopEntrySList(&blocks) != NULL);
    CHECK(InterlockedFlushSList(&blocks) == NULL);
}

static const struct test tests[] = {
    TEST("19", a_critical_section_keeps_others_out),
    TEST("19", trying_does_not_wait),
    TEST("19", a_slim_lock_keeps_others_out),
    TEST("19", a_condition_wakes_those_who_wait),
    TEST("19", once_is_once),
    TEST("19", a_list_of_blocks_is_shared),
    TEST("19", interlocked_returns_what_it_returns),
};
SUITE(tests)
