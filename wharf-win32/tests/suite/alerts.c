/* Rules 2 and 19: calls that are queued for a thread, timers, pulses, abandoned mutexes; what a thread leaves behind. */
#include "suite.h"

static volatile LONG sum;
static volatile LONG ran_in;
static void WINAPI adds(ULONG_PTR number) {
    ran_in = (LONG)GetCurrentThreadId();
    InterlockedExchangeAdd(&sum, (LONG)number);
}

struct alert {
    HANDLE started, object, done;
    DWORD result;
};
static void new_alert(struct alert *alert) {
    alert->started = new_event(FALSE);
    alert->object = new_event(FALSE);
    alert->done = new_event(TRUE);
    alert->result = 0x12345;
    sum = 0;
}
static DWORD WINAPI sleeps(LPVOID argument) {
    struct alert *alert = (struct alert *)argument;
    SetEvent(alert->started);
    alert->result = SleepEx(INFINITE, TRUE);
    return GetCurrentThreadId();
}
static DWORD WINAPI waits_alertable(LPVOID argument) {
    struct alert *alert = (struct alert *)argument;
    HANDLE both[2] = {alert->object, alert->done};
    SetEvent(alert->started);
    alert->result = WaitForMultipleObjectsEx(2, both, TRUE, INFINITE, TRUE);
    return 0;
}
static DWORD WINAPI waits_deaf(LPVOID argument) {
    struct alert *alert = (struct alert *)argument;
    SetEvent(alert->started);
    alert->result = WaitForSingleObjectEx(alert->object, INFINITE, FALSE);
    return 0;
}

static void a_call_ends_an_alertable_sleep(void) {
    struct alert alert;
    HANDLE thread;
    DWORD code = 0;
    new_alert(&alert);
    thread = start_blocking(sleeps, &alert, alert.started);
    CHECK(QueueUserAPC(adds, thread, 5) != 0);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    EQUAL(alert.result, WAIT_IO_COMPLETION);
    EQUAL(sum, 5);
    CHECK(GetExitCodeThread(thread, &code));
    EQUAL((DWORD)ran_in, code);
    /* It has ended: nobody would run it. */
    CHECK(QueueUserAPC(adds, thread, 5) == 0);
    CloseHandle(thread);
}

static void a_call_ends_a_wait_for_all_and_takes_nothing(void) {
    struct alert alert;
    HANDLE thread;
    new_alert(&alert);
    thread = start_blocking(waits_alertable, &alert, alert.started);
    SetEvent(alert.object);
    CHECK(QueueUserAPC(adds, thread, 7) != 0);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    EQUAL(alert.result, WAIT_IO_COMPLETION);
    EQUAL(sum, 7);
    EQUAL(WaitForSingleObject(alert.object, 0), WAIT_OBJECT_0);
    CloseHandle(thread);
}

static void other_waits_leave_calls_queued(void) {
    struct alert alert;
    HANDLE thread;
    new_alert(&alert);
    thread = start_blocking(waits_deaf, &alert, alert.started);
    CHECK(QueueUserAPC(adds, thread, 9) != 0);
    EQUAL(WaitForSingleObject(thread, SILENCE), WAIT_TIMEOUT);
    SetEvent(alert.object);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    EQUAL(alert.result, WAIT_OBJECT_0);
    EQUAL(sum, 0);
    CloseHandle(thread);
}

static void own_calls_run_in_the_next_alertable_wait(void) {
    HANDLE event = new_event(FALSE);
    sum = 0;
    CHECK(QueueUserAPC(adds, GetCurrentThread(), 1) != 0);
    CHECK(QueueUserAPC(adds, GetCurrentThread(), 2) != 0);
    Sleep(0);
    EQUAL(SleepEx(0, FALSE), 0);
    EQUAL(sum, 0);
    EQUAL(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
    EQUAL(sum, 3);
    EQUAL(SleepEx(0, TRUE), 0);
    EQUAL(WaitForSingleObjectEx(event, 0, TRUE), WAIT_TIMEOUT);
    CloseHandle(event);
}

static void what_is_signalled_wins_over_a_call(void) {
    HANDLE event = new_event(FALSE);
    sum = 0;
    SetEvent(event);
    CHECK(QueueUserAPC(adds, GetCurrentThread(), 4) != 0);
    EQUAL(WaitForSingleObjectEx(event, SOON, TRUE), WAIT_OBJECT_0);
    EQUAL(sum, 0);
    EQUAL(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
    EQUAL(sum, 4);
    CloseHandle(event);
}

static LARGE_INTEGER in_ms(LONGLONG milliseconds) {
    LARGE_INTEGER due;
    due.QuadPart = -milliseconds * 10000;
    return due;
}

static void a_timer_is_signalled_when_its_time_has_come(void) {
    HANDLE timer = CreateWaitableTimerA(NULL, FALSE, NULL);
    LARGE_INTEGER due = in_ms(50);
    ULONGLONG start = GetTickCount64();
    CHECK(timer != NULL);
    EQUAL(WaitForSingleObject(timer, 0), WAIT_TIMEOUT);
    CHECK(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    EQUAL(WaitForSingleObject(timer, SOON), WAIT_OBJECT_0);
    CHECK(GetTickCount64() - start >= 40);
    EQUAL(WaitForSingleObject(timer, 0), WAIT_TIMEOUT);
    CloseHandle(timer);
}

static void a_periodic_timer_comes_again(void) {
    HANDLE timer = CreateWaitableTimerA(NULL, FALSE, NULL);
    LARGE_INTEGER due = in_ms(1);
    CHECK(SetWaitableTimer(timer, &due, 5, NULL, NULL, FALSE));
    for (int i = 0; i < 4; i++)
        EQUAL(WaitForSingleObject(timer, SOON), WAIT_OBJECT_0);
    CHECK(CancelWaitableTimer(timer));
    WaitForSingleObject(timer, 0);
    EQUAL(WaitForSingleObject(timer, SILENCE), WAIT_TIMEOUT);
    CloseHandle(timer);
}

static void a_timer_that_is_set_again_is_reset(void) {
    HANDLE timer = CreateWaitableTimerA(NULL, TRUE, NULL);
    LARGE_INTEGER due = in_ms(1), late = in_ms(100000);
    CHECK(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    EQUAL(WaitForSingleObject(timer, SOON), WAIT_OBJECT_0);
    EQUAL(WaitForSingleObject(timer, 0), WAIT_OBJECT_0);
    CHECK(SetWaitableTimer(timer, &late, 0, NULL, NULL, FALSE));
    EQUAL(WaitForSingleObject(timer, 0), WAIT_TIMEOUT);
    CloseHandle(timer);
}

static void a_time_that_has_passed_is_at_once(void) {
    HANDLE timer = CreateWaitableTimerA(NULL, TRUE, NULL);
    LARGE_INTEGER due;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    due.LowPart = now.dwLowDateTime;
    due.HighPart = (LONG)now.dwHighDateTime;
    due.QuadPart -= 10000;
    CHECK(SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    EQUAL(WaitForSingleObject(timer, SOON), WAIT_OBJECT_0);
    CloseHandle(timer);
}

static void CALLBACK rings(LPVOID argument, DWORD low, DWORD high) {
    *(LONG *)argument += low != 0 && high != 0;
}
static void a_timers_routine_is_a_call(void) {
    HANDLE timer = CreateWaitableTimerA(NULL, FALSE, NULL);
    LARGE_INTEGER due = in_ms(10);
    LONG rung = 0;
    CHECK(SetWaitableTimer(timer, &due, 0, rings, &rung, FALSE));
    EQUAL(SleepEx(SOON, TRUE), WAIT_IO_COMPLETION);
    EQUAL(rung, 1);
    CloseHandle(timer);
}

static DWORD WINAPI waits_for_event(LPVOID argument) { return WaitForSingleObject((HANDLE)argument, INFINITE); }
static void a_pulse_leaves_the_event_reset(void) {
    HANDLE event = new_event(TRUE), thread = start_thread(waits_for_event, event);
    /* The thread may not wait yet. */
    do
        CHECK(PulseEvent(event));
    while (WaitForSingleObject(thread, 1) == WAIT_TIMEOUT);
    EQUAL(WaitForSingleObject(event, 0), WAIT_TIMEOUT);
    CloseHandle(thread);
    CloseHandle(event);
}

static DWORD WINAPI answers_once(LPVOID argument) {
    HANDLE *events = (HANDLE *)argument;
    return SignalObjectAndWait(events[1], events[0], INFINITE, FALSE);
}
static void one_is_signalled_and_another_waited_for(void) {
    HANDLE events[2] = {new_event(FALSE), new_event(FALSE)}, thread = start_thread(answers_once, events);
    EQUAL(SignalObjectAndWait(events[0], events[1], SOON, FALSE), WAIT_OBJECT_0);
    EQUAL(exit_code(thread), 0);
    EQUAL(SignalObjectAndWait(NULL, events[0], 0, FALSE), WAIT_FAILED);
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
}

static DWORD WINAPI takes_and_ends(LPVOID argument) {
    HANDLE *handles = (HANDLE *)argument;
    WaitForSingleObject(handles[0], SOON);
    WaitForSingleObject(handles[0], SOON);
    SetEvent(handles[1]);
    return 0;
}
static void a_wait_for_all_tells_of_an_abandoned_mutex(void) {
    HANDLE handles[2];
    HANDLE thread;
    handles[0] = CreateMutexA(NULL, FALSE, NULL);
    handles[1] = new_event(TRUE);
    thread = start_thread(takes_and_ends, handles);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    EQUAL(WaitForMultipleObjects(2, handles, TRUE, SOON), WAIT_ABANDONED_0);
    EQUAL(WaitForMultipleObjects(2, handles, TRUE, SOON), WAIT_OBJECT_0);
    CHECK(ReleaseMutex(handles[0]));
    CHECK(ReleaseMutex(handles[0]));
    CHECK(!ReleaseMutex(handles[0]));
    CloseHandle(thread);
    CloseHandle(handles[0]);
}

static DWORD WINAPI is_current(LPVOID argument) {
    HANDLE copy = NULL;
    (void)argument;
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
    return GetThreadId(copy) == GetCurrentThreadId() && WaitForSingleObject(copy, 0) == WAIT_TIMEOUT && CloseHandle(copy);
}
static void a_thread_can_open_itself(void) {
    HANDLE copy = NULL;
    DWORD code = 0;
    EQUAL(exit_code(start_thread(is_current, NULL)), 1);
    /* This one was not started by CreateThread. */
    CHECK(DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
    EQUAL(GetThreadId(copy), GetCurrentThreadId());
    CHECK(GetExitCodeThread(copy, &code));
    EQUAL(code, STILL_ACTIVE);
    CHECK(CloseHandle(copy));
    CHECK(CloseHandle(GetCurrentThread()));
}

static void __cdecl sets(void *event) {
    SetEvent((HANDLE)event);
    _endthread();
}
static void a_plain_thread_closes_its_handle_itself(void) {
    HANDLE event = new_event(TRUE);
    CHECK(_beginthread(sets, 0, event) != (uintptr_t)-1);
    EQUAL(WaitForSingleObject(event, SOON), WAIT_OBJECT_0);
    CloseHandle(event);
}

static void priorities_are_remembered(void) {
    HANDLE event = new_event(TRUE), thread = start_thread(waits_for_event, event);
    EQUAL(GetThreadPriority(thread), THREAD_PRIORITY_NORMAL);
    CHECK(SetThreadPriority(thread, THREAD_PRIORITY_BELOW_NORMAL));
    EQUAL(GetThreadPriority(thread), THREAD_PRIORITY_BELOW_NORMAL);
    CHECK(!SetThreadPriority(NULL, THREAD_PRIORITY_NORMAL));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    SetEvent(event);
    EQUAL(WaitForSingleObject(thread, SOON), WAIT_OBJECT_0);
    CloseHandle(thread);
}

static void what_is_told_to_end_ends(void) {
    HANDLE event = new_event(TRUE), thread = start_thread(waits_for_event, event);
    EQUAL(WaitForSingleObject(thread, 20), WAIT_TIMEOUT);
    CHECK(TerminateThread(thread, 44));
    EQUAL(exit_code(thread), 44);
}

static const struct test tests[] = {
    TEST("2", a_call_ends_an_alertable_sleep),
    TEST("2", a_call_ends_a_wait_for_all_and_takes_nothing),
    TEST("2", other_waits_leave_calls_queued),
    TEST("2", own_calls_run_in_the_next_alertable_wait),
    TEST("2", what_is_signalled_wins_over_a_call),
    TEST("19", a_timer_is_signalled_when_its_time_has_come),
    TEST("19", a_periodic_timer_comes_again),
    TEST("19", a_timer_that_is_set_again_is_reset),
    TEST("19", a_time_that_has_passed_is_at_once),
    TEST("19", a_timers_routine_is_a_call),
    TEST("19", a_pulse_leaves_the_event_reset),
    TEST("19", one_is_signalled_and_another_waited_for),
    TEST("19", a_wait_for_all_tells_of_an_abandoned_mutex),
    TEST("19", a_thread_can_open_itself),
    TEST("19", a_plain_thread_closes_its_handle_itself),
    TEST("19", priorities_are_remembered),
    TEST("19", what_is_told_to_end_ends),
};
SUITE(tests)
