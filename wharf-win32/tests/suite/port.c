/* Rules 1, 2 and 8: the port by itself, and what is associated with it. */
#include "suite.h"

static void a_posted_packet_comes_as_it_was_posted(void) {
    HANDLE port = new_port();
    OVERLAPPED overlapped;
    struct packet packet;
    memset(&overlapped, 0x55, sizeof overlapped);
    CHECK(PostQueuedCompletionStatus(port, 123456789, (ULONG_PTR)-3, &overlapped));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 123456789);
    EQUAL(packet.key, (ULONG_PTR)-3);
    CHECK(packet.overlapped == &overlapped);
    /* Nothing is written into what was posted. */
    EQUAL(overlapped.Internal, 0x5555555555555555);
    CloseHandle(port);
}

static void zero_and_null_can_be_posted(void) {
    HANDLE port = new_port();
    struct packet packet;
    CHECK(PostQueuedCompletionStatus(port, 0, 0, NULL));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 0);
    EQUAL(packet.key, 0);
    CHECK(packet.overlapped == NULL);
    CloseHandle(port);
}

static void any_address_can_be_posted(void) {
    HANDLE port = new_port();
    struct packet packet;
    CHECK(PostQueuedCompletionStatus(port, 0xffffffff, 7, (OVERLAPPED *)(ULONG_PTR)0xdead));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 0xffffffff);
    CHECK(packet.overlapped == (OVERLAPPED *)(ULONG_PTR)0xdead);
    CloseHandle(port);
}

static void success_leaves_the_last_error(void) {
    HANDLE port = new_port();
    CHECK(PostQueuedCompletionStatus(port, 1, 2, NULL));
    EQUAL(take(port, SOON).error, UNTOUCHED_ERROR);
    CloseHandle(port);
}

static void packets_come_in_order(void) {
    HANDLE port = new_port();
    for (DWORD i = 0; i < 1000; i++)
        CHECK(PostQueuedCompletionStatus(port, i, i, NULL));
    for (DWORD i = 0; i < 1000; i++)
        EQUAL(take(port, SOON).bytes, i);
    CloseHandle(port);
}

static void a_time_out_touches_only_the_overlapped(void) {
    HANDLE port = new_port();
    struct packet packet = take(port, 20);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, WAIT_TIMEOUT);
    EQUAL(packet.bytes, UNTOUCHED_BYTES);
    EQUAL(packet.key, UNTOUCHED_KEY);
    CHECK(packet.overlapped == NULL);
    packet = take(port, 0);
    EQUAL(packet.error, WAIT_TIMEOUT);
    CHECK(packet.overlapped == NULL);
    CloseHandle(port);
}

static void a_time_out_is_as_long_as_asked(void) {
    HANDLE port = new_port();
    ULONGLONG start = GetTickCount64();
    EQUAL(take(port, 150).error, WAIT_TIMEOUT);
    /* A tick of Windows is up to 16 ms. */
    CHECK(GetTickCount64() - start >= 130);
    CloseHandle(port);
}

struct waiter {
    HANDLE port;
    HANDLE ready;
    struct packet packet;
};
static DWORD WINAPI wait_for_a_packet(LPVOID argument) {
    struct waiter *waiter = (struct waiter *)argument;
    SetEvent(waiter->ready);
    waiter->packet = take(waiter->port, INFINITE);
    return 0;
}
static HANDLE start_waiter(struct waiter *waiter, HANDLE port) {
    waiter->port = port;
    waiter->ready = new_event(FALSE);
    return start_blocking(wait_for_a_packet, waiter, waiter->ready);
}

static void closing_the_port_wakes_its_waiters(void) {
    struct waiter waiters[3];
    HANDLE threads[3], port = new_port();
    NOT_JUDGED_UNDER_WINE("Wine 8 leaves them waiting");
    for (int i = 0; i < 3; i++)
        threads[i] = start_waiter(&waiters[i], port);
    Sleep(50);
    CHECK(CloseHandle(port));
    for (int i = 0; i < 3; i++) {
        join(threads[i]);
        EQUAL(waiters[i].packet.ok, FALSE);
        EQUAL(waiters[i].packet.error, ERROR_ABANDONED_WAIT_0);
        EQUAL(waiters[i].packet.bytes, UNTOUCHED_BYTES);
        EQUAL(waiters[i].packet.key, UNTOUCHED_KEY);
        CHECK(waiters[i].packet.overlapped == NULL);
        CloseHandle(waiters[i].ready);
    }
}

static void a_packet_wakes_one_waiter(void) {
    struct waiter waiter;
    HANDLE thread, port = new_port();
    thread = start_waiter(&waiter, port);
    CHECK(PostQueuedCompletionStatus(port, 9, 8, NULL));
    join(thread);
    EQUAL(waiter.packet.ok, TRUE);
    EQUAL(waiter.packet.bytes, 9);
    CloseHandle(waiter.ready);
    CloseHandle(port);
}

/* Windows releases the waiter that came last. Each of them posts on which it was released, by its place in the row. */
static void waiters_are_released_last_in_first_out(void) {
    struct waiter waiters[3];
    HANDLE threads[3], port = new_port();
    NOT_JUDGED_UNDER_WINE("Wine 8 releases them first in, first out");
    for (int i = 0; i < 3; i++) {
        threads[i] = start_waiter(&waiters[i], port);
        Sleep(50);
    }
    for (int i = 2; i >= 0; i--) {
        CHECK(PostQueuedCompletionStatus(port, (DWORD)i, 0, NULL));
        join(threads[i]);
        EQUAL(waiters[i].packet.bytes, i);
        CloseHandle(waiters[i].ready);
    }
    CloseHandle(port);
}

/* With a concurrency value of 1 a second worker is released only when the first blocks or waits again. */
struct busy {
    HANDLE port;
    HANDLE go;
    volatile LONG running;
    volatile LONG most;
};
static DWORD WINAPI spin(LPVOID argument) {
    struct busy *busy = (struct busy *)argument;
    for (;;) {
        struct packet packet = take(busy->port, INFINITE);
        ULONGLONG start = GetTickCount64();
        LONG now;
        if (packet.key == 1)
            return 0;
        now = InterlockedIncrement(&busy->running);
        if (now > busy->most)
            busy->most = now;
        while (GetTickCount64() - start < 30) {
        }
        InterlockedDecrement(&busy->running);
    }
}
static void no_more_run_than_the_concurrency_value(void) {
    struct busy busy;
    HANDLE threads[3];
    NOT_JUDGED_UNDER_WINE("Wine ignores the concurrency value");
    memset(&busy, 0, sizeof busy);
    busy.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(spin, &busy);
    for (int i = 0; i < 6; i++)
        CHECK(PostQueuedCompletionStatus(busy.port, 0, 0, NULL));
    for (int i = 0; i < 3; i++)
        CHECK(PostQueuedCompletionStatus(busy.port, 0, 1, NULL));
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    EQUAL(busy.most, 1);
    CloseHandle(busy.port);
}

static DWORD WINAPI block(LPVOID argument) {
    struct busy *busy = (struct busy *)argument;
    struct packet packet = take(busy->port, INFINITE);
    return packet.key == 1 ? !SetEvent(busy->go) : WaitForSingleObject(busy->go, SOON);
}
static void a_worker_that_blocks_gives_its_place_away(void) {
    struct busy busy;
    HANDLE threads[2];
    memset(&busy, 0, sizeof busy);
    busy.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    busy.go = new_event(FALSE);
    for (int i = 0; i < 2; i++)
        threads[i] = start_thread(block, &busy);
    /* Who gets 0 waits for the one who gets 1. */
    CHECK(PostQueuedCompletionStatus(busy.port, 0, 0, NULL));
    CHECK(PostQueuedCompletionStatus(busy.port, 0, 1, NULL));
    for (int i = 0; i < 2; i++)
        EQUAL(exit_code(threads[i]), 0);
    CloseHandle(busy.go);
    CloseHandle(busy.port);
}

static void what_is_no_port_is_told(void) {
    HANDLE event = new_event(FALSE);
    struct packet packet = take(event, 0);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_INVALID_HANDLE);
    CHECK(packet.overlapped == NULL);
    EQUAL(packet.bytes, UNTOUCHED_BYTES);
    EQUAL(packet.key, UNTOUCHED_KEY);
    EQUAL(take((HANDLE)(ULONG_PTR)0x7ffffff0, 0).error, ERROR_INVALID_HANDLE);
    EQUAL(take(NULL, 0).error, ERROR_INVALID_HANDLE);
    CHECK(!PostQueuedCompletionStatus(event, 0, 0, NULL));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CloseHandle(event);
}

static void a_closed_port_is_none(void) {
    HANDLE port = new_port();
    CHECK(CloseHandle(port));
    EQUAL(take(port, 0).error, ERROR_INVALID_HANDLE);
    CHECK(!CloseHandle(port));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
}

static void many_are_taken_at_once(void) {
    HANDLE port = new_port();
    OVERLAPPED_ENTRY entries[8];
    ULONG count = 0;
    memset(entries, 0x55, sizeof entries);
    for (DWORD i = 0; i < 5; i++)
        CHECK(PostQueuedCompletionStatus(port, i, 100 + i, (OVERLAPPED *)(ULONG_PTR)(16 * i)));
    CHECK(GetQueuedCompletionStatusEx(port, entries, 3, &count, SOON, FALSE));
    EQUAL(count, 3);
    CHECK(GetQueuedCompletionStatusEx(port, entries + 3, 5, &count, SOON, FALSE));
    EQUAL(count, 2);
    for (DWORD i = 0; i < 5; i++) {
        EQUAL(entries[i].dwNumberOfBytesTransferred, i);
        EQUAL(entries[i].lpCompletionKey, 100 + i);
        EQUAL((ULONG_PTR)entries[i].lpOverlapped, 16 * i);
        EQUAL((DWORD)entries[i].Internal, 0);
    }
    CloseHandle(port);
}

static void a_time_out_of_many_says_one(void) {
    HANDLE port = new_port();
    OVERLAPPED_ENTRY entries[2];
    ULONG count = 7;
    CHECK(!GetQueuedCompletionStatusEx(port, entries, 2, &count, 10, FALSE));
    EQUAL(GetLastError(), WAIT_TIMEOUT);
    EQUAL(count, 1);
    CloseHandle(port);
}

static void association_returns_the_same_port(void) {
    HANDLE port = new_port();
    SOCKET s = new_socket();
    CHECK(CreateIoCompletionPort((HANDLE)s, port, 5, 99) == port);
    closesocket(s);
    CloseHandle(port);
}

static void association_is_once_and_for_good(void) {
    HANDLE port = new_port(), other = new_port();
    SOCKET s = new_socket();
    associate(s, port, 1);
    CHECK(CreateIoCompletionPort((HANDLE)s, other, 2, 0) == NULL);
    EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK(CreateIoCompletionPort((HANDLE)s, port, 2, 0) == NULL);
    closesocket(s);
    CloseHandle(port);
    CloseHandle(other);
}

static void a_port_is_made_and_a_socket_associated_in_one(void) {
    struct pair pair = new_pair();
    HANDLE port = CreateIoCompletionPort((HANDLE)pair.ours, NULL, 77, 0);
    CHECK(port != NULL);
    EQUAL(receive_abc(port, pair.ours, pair.peer), 77);
    close_pair(pair);
    CloseHandle(port);
}

static void what_can_not_be_associated_is_told(void) {
    HANDLE port = new_port(), event = new_event(FALSE);
    CHECK(CreateIoCompletionPort((HANDLE)(ULONG_PTR)0x7ffffff0, port, 0, 0) == NULL);
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CHECK(CreateIoCompletionPort(event, port, 0, 0) == NULL);
    CHECK(CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 0, 0) == NULL);
    EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
    CloseHandle(event);
    CloseHandle(port);
}

static void sockets_live_on_when_their_port_is_closed(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    char data[8];
    associate(pair.ours, port, 1);
    CHECK(CloseHandle(port));
    EQUAL(send(pair.peer, "abcd", 4, 0), 4);
    EQUAL(recv(pair.ours, data, sizeof data, 0), 4);
    EQUAL(send(pair.ours, "xy", 2, 0), 2);
    EQUAL(recv(pair.peer, data, sizeof data, 0), 2);
    close_pair(pair);
}

static void what_is_pending_ends_in_its_overlapped_when_the_port_is_closed(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    char data[8];
    memset(&overlapped, 0, sizeof overlapped);
    associate(pair.ours, port, 1);
    EQUAL(start_receive(pair.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    CHECK(CloseHandle(port));
    EQUAL(send(pair.peer, "abcd", 4, 0), 4);
    UNTIL(HasOverlappedIoCompleted(&overlapped));
    EQUAL(overlapped.Internal, 0);
    EQUAL(overlapped.InternalHigh, 4);
    close_pair(pair);
}

static const struct test tests[] = {
    TEST("1", a_posted_packet_comes_as_it_was_posted),
    TEST("1", zero_and_null_can_be_posted),
    TEST("1", any_address_can_be_posted),
    TEST("1", success_leaves_the_last_error),
    TEST("1", packets_come_in_order),
    TEST("1", a_time_out_touches_only_the_overlapped),
    TEST("1", a_time_out_is_as_long_as_asked),
    TEST("1", closing_the_port_wakes_its_waiters),
    TEST("1", a_packet_wakes_one_waiter),
    TEST("1", waiters_are_released_last_in_first_out),
    TEST("1", no_more_run_than_the_concurrency_value),
    TEST("9", a_worker_that_blocks_gives_its_place_away),
    TEST("1", what_is_no_port_is_told),
    TEST("1", a_closed_port_is_none),
    TEST("2", many_are_taken_at_once),
    TEST("2", a_time_out_of_many_says_one),
    TEST("8", association_returns_the_same_port),
    TEST("8", association_is_once_and_for_good),
    TEST("8", a_port_is_made_and_a_socket_associated_in_one),
    TEST("8", what_can_not_be_associated_is_told),
    TEST("8", sockets_live_on_when_their_port_is_closed),
    TEST("8", what_is_pending_ends_in_its_overlapped_when_the_port_is_closed),
};
SUITE(tests)
