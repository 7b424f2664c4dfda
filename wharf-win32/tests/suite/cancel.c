/* Rule 15: cancelling, and asking for a result. */
#include "suite.h"

static void all_of_a_socket_are_cancelled(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    OVERLAPPED overlapped[3];
    char data[3][4];
    memset(overlapped, 0, sizeof overlapped);
    associate(pair.ours, port, 9);
    for (int i = 0; i < 3; i++)
        EQUAL(start_receive(pair.ours, data[i], 4, &overlapped[i]), WSA_IO_PENDING);
    CHECK(CancelIoEx((HANDLE)pair.ours, NULL));
    for (int i = 0; i < 3; i++) {
        struct packet packet = take(port, SOON);
        EQUAL(packet.ok, FALSE);
        EQUAL(packet.error, ERROR_OPERATION_ABORTED);
        EQUAL(packet.bytes, 0);
        EQUAL(packet.key, 9);
        EQUAL((DWORD)packet.overlapped->Internal, 0xC0000120);
    }
    NOTHING(port);
    /* The socket goes on. */
    EQUAL(receive_abc(port, pair.ours, pair.peer), 9);
    close_pair(pair);
    CloseHandle(port);
}

static void one_is_cancelled_and_the_others_stay(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    OVERLAPPED overlapped[2];
    char data[2][4];
    struct packet packet;
    memset(overlapped, 0, sizeof overlapped);
    associate(pair.ours, port, 9);
    for (int i = 0; i < 2; i++)
        EQUAL(start_receive(pair.ours, data[i], 4, &overlapped[i]), WSA_IO_PENDING);
    CHECK(CancelIoEx((HANDLE)pair.ours, &overlapped[0]));
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_OPERATION_ABORTED);
    CHECK(packet.overlapped == &overlapped[0]);
    EQUAL(send(pair.peer, "abc", 3, 0), 3);
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    CHECK(packet.overlapped == &overlapped[1]);
    EQUAL(memcmp(data[1], "abc", 3), 0);
    close_pair(pair);
    CloseHandle(port);
}

static void with_nothing_to_cancel_it_is_not_found(void) {
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    CHECK(CancelIo((HANDLE)pair.ours));
    CHECK(!CancelIoEx((HANDLE)pair.ours, &overlapped));
    EQUAL(GetLastError(), ERROR_NOT_FOUND);
    NOT_JUDGED_UNDER_WINE("Wine finds something where nothing is pending; the page of CancelIoEx says 1168");
    CHECK(!CancelIoEx((HANDLE)pair.ours, NULL));
    EQUAL(GetLastError(), ERROR_NOT_FOUND);
    close_pair(pair);
}

/* Its calls have ended when they return. */
static void a_file_has_nothing_to_cancel(void) {
    HANDLE file;
    char name[40];
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    snprintf(name, sizeof name, "cancel-%lu.tmp", (unsigned long)GetCurrentProcessId());
    file = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    CHECK(file != INVALID_HANDLE_VALUE);
    CHECK(CancelIo(file));
    CHECK(!CancelIoEx(file, &overlapped));
    EQUAL(GetLastError(), ERROR_NOT_FOUND);
    NOT_JUDGED_UNDER_WINE("Wine finds something where nothing is pending; the page of CancelIoEx says 1168");
    CHECK(!CancelIoEx(file, NULL));
    EQUAL(GetLastError(), ERROR_NOT_FOUND);
    CHECK(CloseHandle(file));
    CHECK(!CancelIoEx(file, NULL));
    EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
}

struct beginning {
    SOCKET s;
    OVERLAPPED overlapped;
    char data[4];
    int error;
};
static DWORD WINAPI begin_a_receive(LPVOID argument) {
    struct beginning *beginning = (struct beginning *)argument;
    beginning->error = start_receive(beginning->s, beginning->data, sizeof beginning->data, &beginning->overlapped);
    return 0;
}

static void cancel_io_is_for_this_threads_alone(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    struct beginning beginning;
    OVERLAPPED overlapped;
    char data[4];
    struct packet packet;
    memset(&beginning, 0, sizeof beginning);
    memset(&overlapped, 0, sizeof overlapped);
    beginning.s = pair.ours;
    associate(pair.ours, port, 1);
    join(start_thread(begin_a_receive, &beginning));
    EQUAL(beginning.error, WSA_IO_PENDING);
    EQUAL(start_receive(pair.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    CHECK(CancelIo((HANDLE)pair.ours));
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_OPERATION_ABORTED);
    CHECK(packet.overlapped == &overlapped);
    NOTHING(port);
    close_pair(pair);
    CHECK(take(port, SOON).overlapped == &beginning.overlapped);
    CloseHandle(port);
}

/* Rule 19: what a thread began on an associated socket outlives it. */
static void a_threads_end_cancels_nothing(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    struct beginning beginning;
    struct packet packet;
    memset(&beginning, 0, sizeof beginning);
    beginning.s = pair.ours;
    associate(pair.ours, port, 1);
    join(start_thread(begin_a_receive, &beginning));
    NOTHING(port);
    EQUAL(send(pair.peer, "abc", 3, 0), 3);
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 3);
    close_pair(pair);
    CloseHandle(port);
}

static void a_result_that_is_not_there_is_incomplete(void) {
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    char data[4];
    DWORD bytes = 0, flags = 0;
    memset(&overlapped, 0, sizeof overlapped);
    EQUAL(start_receive(pair.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    CHECK(!GetOverlappedResult((HANDLE)pair.ours, &overlapped, &bytes, FALSE));
    EQUAL(GetLastError(), ERROR_IO_INCOMPLETE);
    CHECK(!WSAGetOverlappedResult(pair.ours, &overlapped, &bytes, FALSE, &flags));
    EQUAL(WSAGetLastError(), WSA_IO_INCOMPLETE);
    CHECK(CancelIoEx((HANDLE)pair.ours, &overlapped));
    CHECK(!GetOverlappedResult((HANDLE)pair.ours, &overlapped, &bytes, TRUE));
    EQUAL(GetLastError(), ERROR_OPERATION_ABORTED);
    CHECK(!WSAGetOverlappedResult(pair.ours, &overlapped, &bytes, FALSE, &flags));
    EQUAL(WSAGetLastError(), WSA_OPERATION_ABORTED);
    close_pair(pair);
}

static void a_wait_for_a_result_has_a_time_out(void) {
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    char data[4];
    DWORD bytes = 0;
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = new_event(TRUE);
    EQUAL(start_receive(pair.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    CHECK(!GetOverlappedResultEx((HANDLE)pair.ours, &overlapped, &bytes, 20, FALSE));
    EQUAL(GetLastError(), WAIT_TIMEOUT);
    CHECK(!GetOverlappedResultEx((HANDLE)pair.ours, &overlapped, &bytes, 0, FALSE));
    EQUAL(GetLastError(), ERROR_IO_INCOMPLETE);
    EQUAL(send(pair.peer, "abc", 3, 0), 3);
    CHECK(GetOverlappedResultEx((HANDLE)pair.ours, &overlapped, &bytes, SOON, FALSE));
    EQUAL(bytes, 3);
    CloseHandle(overlapped.hEvent);
    close_pair(pair);
}

static void a_reset_has_two_numbers(void) {
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    char data[4];
    DWORD bytes = 0, flags = 0;
    memset(&overlapped, 0, sizeof overlapped);
    EQUAL(start_receive(pair.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    reset(pair.peer);
    CHECK(!GetOverlappedResult((HANDLE)pair.ours, &overlapped, &bytes, TRUE));
    EQUAL(GetLastError(), ERROR_NETNAME_DELETED);
    CHECK(!WSAGetOverlappedResult(pair.ours, &overlapped, &bytes, FALSE, &flags));
    EQUAL(WSAGetLastError(), WSAECONNRESET);
    closesocket(pair.ours);
}

/* What an operation can end with, and its two numbers. */
static const struct status {
    DWORD status;
    DWORD windows;
    int sockets;
} statuses[] = {
        {0x80000005, 234, 10040}, {0xC0000001, 31, 10022}, {0xC0000002, 1, 10045}, {0xC0000005, 998, 10014}, {0xC0000007, 1454, 10055},
        {0xC0000008, 6, 10038}, {0xC000000D, 87, 10022}, {0xC000000E, 433, 10050}, {0xC000000F, 2, 10050}, {0xC0000011, 38, 10022},
        {0xC0000017, 8, 10055}, {0xC0000018, 487, 10055}, {0xC0000022, 5, 10013}, {0xC0000023, 122, 10014}, {0xC0000024, 6, 10038},
        {0xC0000034, 2, 10050}, {0xC000003A, 3, 10050}, {0xC0000043, 32, 10048}, {0xC0000044, 1816, 10055}, {0xC0000097, 8, 10055},
        {0xC000009A, 1450, 10055}, {0xC00000A1, 1453, 10055}, {0xC00000A3, 21, 10035}, {0xC00000B0, 233, 10058}, {0xC00000B5, 121, 10060},
        {0xC00000BB, 50, 10045}, {0xC00000BC, 51, 10061}, {0xC00000BE, 53, 10051}, {0xC00000BF, 54, 10050}, {0xC00000C3, 58, 10050},
        {0xC00000C4, 59, 10050}, {0xC00000D0, 71, 10035}, {0xC0000120, 995, 995}, {0xC000012D, 1455, 10055}, {0xC000013B, 64, 10053}, {0xC000013C, 64, 10054},
        {0xC000013D, 51, 10055}, {0xC000013E, 59, 10054}, {0xC000013F, 59, 10060}, {0xC0000140, 59, 10057}, {0xC0000141, 59, 10049},
        {0xC0000206, 1784, 10040}, {0xC0000207, 1214, 10049}, {0xC0000209, 68, 10055}, {0xC000020A, 52, 10048}, {0xC000020C, 64, 10054},
        {0xC000020D, 64, 10054}, {0xC000020F, 59, 10053}, {0xC0000236, 1225, 10061}, {0xC0000237, 1226, 10101}, {0xC000023B, 1230, 10056},
        {0xC000023C, 1231, 10051}, {0xC000023D, 1232, 10065}, {0xC000023E, 1233, 10051}, {0xC000023F, 1234, 10054}, {0xC0000240, 1235, 10004},
        {0xC0000241, 1236, 10053}, {0xC00002C5, 998, 10014}, {0xC0000350, 1256, 10064},
};

/* The result is read out of the OVERLAPPED alone. */
static OVERLAPPED ended_with(DWORD status) {
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.Internal = status;
    return overlapped;
}

static void every_status_has_its_numbers(void) {
    SOCKET s = new_socket();
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        OVERLAPPED overlapped = ended_with(statuses[i].status);
        DWORD bytes = 0, flags = 0;
        SetLastError(0);
        CHECK(!GetOverlappedResult((HANDLE)s, &overlapped, &bytes, FALSE));
        EQUAL(GetLastError(), statuses[i].windows);
        CHECK(!WSAGetOverlappedResult(s, &overlapped, &bytes, FALSE, &flags));
        EQUAL(WSAGetLastError(), statuses[i].sockets);
    }
    closesocket(s);
}

/* Every failure that is not listed above. */
static void a_status_that_winsock_does_not_know_is_an_invalid_argument(void) {
    static const DWORD ranges[][2] = {{0x80000000, 0x80000400}, {0xC0000000, 0xC0001000}, {0xC0020000, 0xC0020100}};
    SOCKET s = new_socket();
    size_t listed = 0;
    for (size_t range = 0; range < 3; range++) {
        for (DWORD status = ranges[range][0]; status < ranges[range][1]; status++) {
            OVERLAPPED overlapped = ended_with(status);
            DWORD bytes = 0, flags = 0;
            if (listed < sizeof statuses / sizeof statuses[0] && statuses[listed].status == status) {
                listed++;
                continue;
            }
            CHECK(!WSAGetOverlappedResult(s, &overlapped, &bytes, FALSE, &flags));
            EQUAL(WSAGetLastError(), WSAEINVAL);
        }
    }
    EQUAL(listed, sizeof statuses / sizeof statuses[0]);
    closesocket(s);
}

static void a_result_of_a_closed_socket_is_none(void) {
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    DWORD bytes = 0, flags = 0;
    memset(&overlapped, 0, sizeof overlapped);
    close_pair(pair);
    CHECK(!WSAGetOverlappedResult(pair.ours, &overlapped, &bytes, FALSE, &flags));
    EQUAL(WSAGetLastError(), WSAENOTSOCK);
}

static const struct test tests[] = {
    TEST("15", all_of_a_socket_are_cancelled),
    TEST("15", one_is_cancelled_and_the_others_stay),
    TEST("15", with_nothing_to_cancel_it_is_not_found),
    TEST("15", a_file_has_nothing_to_cancel),
    TEST("15", cancel_io_is_for_this_threads_alone),
    TEST("19", a_threads_end_cancels_nothing),
    TEST("15", a_result_that_is_not_there_is_incomplete),
    TEST("15", a_wait_for_a_result_has_a_time_out),
    TEST("15", a_reset_has_two_numbers),
    TEST("errors", every_status_has_its_numbers),
    TEST("errors", a_status_that_winsock_does_not_know_is_an_invalid_argument),
    TEST("15", a_result_of_a_closed_socket_is_none),
};
SUITE(tests)
