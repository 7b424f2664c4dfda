/* Rule 19: threads, and waits on what threads share. */
#include "suite.h"

static unsigned __stdcall by_return(void *argument) { return (unsigned)(ULONG_PTR)argument; }
static unsigned __stdcall by_end(void *argument) {
    _endthreadex((unsigned)(ULONG_PTR)argument);
    return 0;
}
static DWORD WINAPI by_exit(LPVOID argument) {
    ExitThread((DWORD)(ULONG_PTR)argument);
#ifndef __linux__
    return 0;
#endif
}
static DWORD WINAPI waits_for(LPVOID argument) { return WaitForSingleObject((HANDLE)argument, SOON); }

static void a_thread_ends_by_return_or_by_a_call(void) {
    unsigned id = 0;
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, by_return, (void *)7, 0, &id);
    CHECK(thread != NULL && id != 0);
    EQUAL(exit_code(thread), 7);
    EQUAL(exit_code((HANDLE)_beginthreadex(NULL, 0, by_end, (void *)8, 0, NULL)), 8);
    EQUAL(exit_code(start_thread(by_exit, (void *)9)), 9);
}

static void a_thread_that_runs_is_still_active(void) {
    HANDLE event = new_event(TRUE), thread = start_thread(waits_for, event);
    DWORD code = 0;
    CHECK(GetExitCodeThread(thread, &code));
    EQUAL(code, STILL_ACTIVE);
    EQUAL(WaitForSingleObject(thread, 20), WAIT_TIMEOUT);
    SetEvent(event);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    /* And again: it stays ended. */
    EQUAL(WaitForSingleObject(thread, 0), WAIT_OBJECT_0);
    CloseHandle(thread);
    CloseHandle(event);
}

static void a_suspended_thread_waits_for_its_start(void) {
    HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, by_return, NULL, CREATE_SUSPENDED, NULL);
    EQUAL(WaitForSingleObject(thread, SILENCE), WAIT_TIMEOUT);
    EQUAL(ResumeThread(thread), 1);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    CloseHandle(thread);
}

struct two_events {
    HANDLE go, done;
};
static DWORD WINAPI answers(LPVOID argument) {
    struct two_events *events = (struct two_events *)argument;
    WaitForSingleObject(events->go, SOON);
    SetEvent(events->done);
    return 0;
}
static void a_thread_goes_on_when_its_handle_is_closed(void) {
    struct two_events events = {new_event(TRUE), new_event(TRUE)};
    CHECK(CloseHandle(start_thread(answers, &events)));
    SetEvent(events.go);
    EQUAL(WaitForSingleObject(events.done, SOON), WAIT_OBJECT_0);
    CloseHandle(events.go);
}

static void an_auto_reset_event_releases_one(void) {
    HANDLE event = new_event(FALSE);
    HANDLE threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(waits_for, event);
    for (DWORD left = 3; left > 0; left--) {
        DWORD ended;
        CHECK(SetEvent(event));
        ended = WaitForMultipleObjects(left, threads, FALSE, SOON);
        CHECK(ended < left);
        CloseHandle(threads[ended]);
        threads[ended] = threads[left - 1];
        if (left > 1)
            EQUAL(WaitForMultipleObjects(left - 1, threads, FALSE, SILENCE), WAIT_TIMEOUT);
    }
    CloseHandle(event);
}

static void a_manual_event_stays_set(void) {
    HANDLE event = new_event(TRUE);
    CHECK(SetEvent(event));
    EQUAL(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
    EQUAL(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
    CHECK(ResetEvent(event));
    EQUAL(WaitForSingleObject(event, 0), WAIT_TIMEOUT);
    CloseHandle(event);
}

static void any_gives_the_lowest_index(void) {
    HANDLE events[4];
    for (int i = 0; i < 4; i++)
        events[i] = new_event(FALSE);
    SetEvent(events[3]);
    SetEvent(events[1]);
    EQUAL(WaitForMultipleObjects(4, events, FALSE, SOON), WAIT_OBJECT_0 + 1);
    EQUAL(WaitForMultipleObjects(4, events, FALSE, SOON), WAIT_OBJECT_0 + 3);
    EQUAL(WaitForMultipleObjects(4, events, FALSE, 0), WAIT_TIMEOUT);
    for (int i = 0; i < 4; i++)
        CloseHandle(events[i]);
}

static void all_is_taken_as_a_whole_or_not(void) {
    HANDLE events[2] = {new_event(FALSE), new_event(FALSE)};
    SetEvent(events[0]);
    EQUAL(WaitForMultipleObjects(2, events, TRUE, 20), WAIT_TIMEOUT);
    /* The wait that timed out took nothing. */
    EQUAL(WaitForSingleObject(events[0], 0), WAIT_OBJECT_0);
    SetEvent(events[0]);
    SetEvent(events[1]);
    EQUAL(WaitForMultipleObjects(2, events, TRUE, 20), WAIT_OBJECT_0);
    EQUAL(WaitForSingleObject(events[0], 0), WAIT_TIMEOUT);
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

static void sixty_four_can_be_waited_for_and_no_more(void) {
    HANDLE events[65];
    for (int i = 0; i < 65; i++)
        events[i] = new_event(FALSE);
    SetEvent(events[63]);
    EQUAL(WaitForMultipleObjects(64, events, FALSE, SOON), WAIT_OBJECT_0 + 63);
    EQUAL(WaitForMultipleObjects(65, events, FALSE, 0), WAIT_FAILED);
    EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
    for (int i = 0; i < 65; i++)
        CloseHandle(events[i]);
}

static void a_semaphore_counts(void) {
    HANDLE semaphore = CreateSemaphoreA(NULL, 2, 3, NULL);
    LONG before = -1;
    CHECK(semaphore != NULL);
    EQUAL(WaitForSingleObject(semaphore, 0), WAIT_OBJECT_0);
    EQUAL(WaitForSingleObject(semaphore, 0), WAIT_OBJECT_0);
    EQUAL(WaitForSingleObject(semaphore, 0), WAIT_TIMEOUT);
    CHECK(ReleaseSemaphore(semaphore, 2, &before));
    EQUAL(before, 0);
    CHECK(!ReleaseSemaphore(semaphore, 2, NULL));
    EQUAL(GetLastError(), ERROR_TOO_MANY_POSTS);
    CloseHandle(semaphore);
}

static void a_mutex_is_its_owners(void) {
    HANDLE mutex = CreateMutexA(NULL, TRUE, NULL), thread;
    CHECK(mutex != NULL);
    EQUAL(WaitForSingleObject(mutex, 0), WAIT_OBJECT_0);
    thread = start_thread(waits_for, mutex);
    EQUAL(WaitForSingleObject(thread, 20), WAIT_TIMEOUT);
    CHECK(ReleaseMutex(mutex));
    CHECK(ReleaseMutex(mutex));
    EQUAL(exit_code(thread), WAIT_OBJECT_0);
    /* It has ended with the mutex. */
    EQUAL(WaitForSingleObject(mutex, SOON), WAIT_ABANDONED);
    CHECK(ReleaseMutex(mutex));
    CHECK(!ReleaseMutex(mutex));
    EQUAL(GetLastError(), ERROR_NOT_OWNER);
    CloseHandle(mutex);
}

static void garbage_can_not_be_waited_for(void) {
    EQUAL(WaitForSingleObject((HANDLE)(ULONG_PTR)0x7ffffff0, 0), WAIT_FAILED);
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    EQUAL(WaitForSingleObject(NULL, 0), WAIT_FAILED);
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CHECK(!SetEvent((HANDLE)(ULONG_PTR)0x7ffffff0));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CHECK(!CloseHandle((HANDLE)(ULONG_PTR)0x7ffffff0));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
}

static void a_handle_closed_twice_is_told(void) {
    HANDLE event = new_event(FALSE);
    CHECK(CloseHandle(event));
    CHECK(!CloseHandle(event));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    EQUAL(WaitForSingleObject(event, 0), WAIT_FAILED);
}

static void a_handle_survives_being_cut_to_32_bits(void) {
    HANDLE event = new_event(TRUE);
    int cut = (int)(LONG_PTR)event;
    CHECK(SetEvent((HANDLE)(LONG_PTR)cut));
    EQUAL(WaitForSingleObject((HANDLE)(ULONG_PTR)(DWORD)cut, 0), WAIT_OBJECT_0);
    CloseHandle(event);
}

static void a_handle_can_be_doubled(void) {
    HANDLE event = new_event(FALSE), copy = NULL;
    CHECK(DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
    CHECK(copy != event);
    CHECK(CloseHandle(event));
    CHECK(SetEvent(copy));
    EQUAL(WaitForSingleObject(copy, 0), WAIT_OBJECT_0);
    CloseHandle(copy);
}

static DWORD WINAPI has_no_value(LPVOID index) { return TlsGetValue(*(DWORD *)index) == NULL; }
static void values_are_of_each_thread(void) {
    DWORD index = TlsAlloc();
    CHECK(index != TLS_OUT_OF_INDEXES);
    CHECK(TlsGetValue(index) == NULL);
    CHECK(TlsSetValue(index, &index));
    EQUAL(exit_code(start_thread(has_no_value, &index)), 1);
    CHECK(TlsGetValue(index) == &index);
    CHECK(TlsFree(index));
}

static void a_sleep_is_as_long_as_asked(void) {
    ULONGLONG start = GetTickCount64();
    Sleep(60);
    CHECK(GetTickCount64() - start >= 45);
    Sleep(0);
}

static void clocks_go_on(void) {
    LARGE_INTEGER frequency, before, after;
    SYSTEMTIME now;
    CHECK(QueryPerformanceFrequency(&frequency));
    CHECK(frequency.QuadPart > 1000);
    CHECK(QueryPerformanceCounter(&before));
    Sleep(20);
    CHECK(QueryPerformanceCounter(&after));
    CHECK((after.QuadPart - before.QuadPart) * 1000 / frequency.QuadPart >= 15);
    GetLocalTime(&now);
    CHECK(now.wYear >= 2024 && now.wMonth >= 1 && now.wMonth <= 12 && now.wHour < 24 && now.wMilliseconds < 1000);
}

static void the_system_is_described(void) {
    SYSTEM_INFO info;
    memset(&info, 0, sizeof info);
    GetSystemInfo(&info);
    CHECK(info.dwNumberOfProcessors >= 1);
    EQUAL(info.dwPageSize, 4096);
    EQUAL(info.dwAllocationGranularity, 65536);
}

static const struct test tests[] = {
    TEST("19", a_thread_ends_by_return_or_by_a_call),
    TEST("19", a_thread_that_runs_is_still_active),
    TEST("19", a_suspended_thread_waits_for_its_start),
    TEST("19", a_thread_goes_on_when_its_handle_is_closed),
    TEST("19", an_auto_reset_event_releases_one),
    TEST("19", a_manual_event_stays_set),
    TEST("19", any_gives_the_lowest_index),
    TEST("19", all_is_taken_as_a_whole_or_not),
    TEST("19", sixty_four_can_be_waited_for_and_no_more),
    TEST("19", a_semaphore_counts),
    TEST("19", a_mutex_is_its_owners),
    TEST("19", garbage_can_not_be_waited_for),
    TEST("19", a_handle_closed_twice_is_told),
    TEST("19", a_handle_survives_being_cut_to_32_bits),
    TEST("19", a_handle_can_be_doubled),
    TEST("19", values_are_of_each_thread),
    TEST("19", a_sleep_is_as_long_as_asked),
    TEST("19", clocks_go_on),
    TEST("19", the_system_is_described),
};
SUITE(tests)
