/* Rule 14: TransmitFile, the other of the extensions. */
#include "suite.h"

enum { LARGE = 3 << 20 };
static char content[LARGE], got[LARGE + 64];

static void move_to(HANDLE file, LONGLONG position) {
    LARGE_INTEGER distance;
    distance.QuadPart = position;
    MUST(SetFilePointerEx(file, distance, NULL, FILE_BEGIN));
}
static LONGLONG position(HANDLE file) {
    LARGE_INTEGER distance, now;
    distance.QuadPart = 0;
    MUST(SetFilePointerEx(file, distance, &now, FILE_CURRENT));
    return now.QuadPart;
}

/* A file with `size` bytes of the content, which goes with its handle. Its position is its beginning. */
static HANDLE new_file(DWORD size) {
    char name[300];
    static int count;
    const char *folder = getenv("TEMP");
    DWORD written = 0;
    HANDLE file;
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 13 + i / 4000);
    snprintf(name, sizeof name, "%s/wharf-transmit-%lu-%d", folder == NULL ? "/tmp" : folder, (unsigned long)GetCurrentProcessId(), count++);
    file = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    MUST(file != INVALID_HANDLE_VALUE);
    MUST(WriteFile(file, content, size, &written, NULL) && written == size);
    move_to(file, 0);
    return file;
}
static TRANSMIT_FILE_BUFFERS ends_of(const char *head, const char *tail) {
    TRANSMIT_FILE_BUFFERS ends;
    ends.Head = (void *)head;
    ends.HeadLength = (DWORD)strlen(head);
    ends.Tail = (void *)tail;
    ends.TailLength = (DWORD)strlen(tail);
    return ends;
}
static OVERLAPPED at(DWORD offset) {
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.Offset = offset;
    return overlapped;
}

static void a_file_goes_whole_between_its_ends(void) {
    struct pair pair = new_pair();
    HANDLE file = new_file(1000);
    TRANSMIT_FILE_BUFFERS ends = ends_of("<head>", "</tail>");
    EQUAL(TransmitFile(pair.ours, file, 0, 0, NULL, &ends, 0), TRUE);
    EQUAL(read_whole(pair.peer, got, 6 + 1000 + 7), 6 + 1000 + 7);
    EQUAL(memcmp(got, "<head>", 6), 0);
    EQUAL(memcmp(got + 6, content, 1000), 0);
    EQUAL(memcmp(got + 1006, "</tail>", 7), 0);
    EQUAL(position(file), 1000);
    CloseHandle(file);
    close_pair(pair);
}

static void without_an_overlapped_it_begins_at_the_position(void) {
    struct pair pair = new_pair();
    HANDLE file = new_file(1000);
    move_to(file, 100);
    EQUAL(TransmitFile(pair.ours, file, 50, 7, NULL, NULL, 0), TRUE);
    EQUAL(position(file), 150);
    EQUAL(TransmitFile(pair.ours, file, 0, 0, NULL, NULL, 0), TRUE);
    EQUAL(position(file), 1000);
    EQUAL(read_whole(pair.peer, got, 900), 900);
    EQUAL(memcmp(got, content + 100, 900), 0);
    CloseHandle(file);
    close_pair(pair);
}

static void an_overlapped_says_where_and_gets_a_packet(void) {
    HANDLE port = new_port(), file = new_file(1000);
    struct pair pair = new_pair();
    OVERLAPPED overlapped = at(300);
    TRANSMIT_FILE_BUFFERS ends = ends_of("ab", "cde");
    struct packet packet;
    associate(pair.ours, port, 9);
    CHECK(begun(error_of(!TransmitFile(pair.ours, file, 200, 0, &overlapped, &ends, 0))));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 205);
    EQUAL(packet.key, 9);
    CHECK(packet.overlapped == &overlapped);
    NOTHING(port);
    EQUAL(overlapped.InternalHigh, 205);
    EQUAL(read_whole(pair.peer, got, 205), 205);
    EQUAL(memcmp(got, "ab", 2), 0);
    EQUAL(memcmp(got + 2, content + 300, 200), 0);
    EQUAL(memcmp(got + 202, "cde", 3), 0);
    EQUAL(position(file), 0);
    CloseHandle(file);
    close_pair(pair);
    CloseHandle(port);
}

static void without_a_file_only_the_ends_go(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    OVERLAPPED overlapped = at(0);
    TRANSMIT_FILE_BUFFERS ends = ends_of("head", "tail");
    associate(pair.ours, port, 9);
    EQUAL(TransmitFile(pair.ours, NULL, 0, 0, NULL, &ends, 0), TRUE);
    CHECK(begun(error_of(!TransmitFile(pair.ours, NULL, 0, 0, &overlapped, &ends, 0))));
    EQUAL(take(port, SOON).bytes, 8);
    EQUAL(read_whole(pair.peer, got, 16), 16);
    EQUAL(memcmp(got, "headtailheadtail", 16), 0);
    close_pair(pair);
    CloseHandle(port);
}

static void it_goes_in_its_place_among_the_sends_and_whole(void) {
    HANDLE port = new_port(), file = new_file(LARGE);
    struct pair pair = new_pair();
    OVERLAPPED first = at(0), whole = at(0), last = at(0);
    TRANSMIT_FILE_BUFFERS ends = ends_of("<", ">");
    DWORD bytes = 0;
    associate(pair.ours, port, 9);
    CHECK(begun(start_send(pair.ours, "first", 5, &first)));
    CHECK(begun(error_of(!TransmitFile(pair.ours, file, 0, 0, &whole, &ends, 0))));
    CHECK(begun(start_send(pair.ours, "last", 4, &last)));
    EQUAL(read_whole(pair.peer, got, LARGE + 11), LARGE + 11);
    EQUAL(memcmp(got, "first<", 6), 0);
    EQUAL(memcmp(got + 6, content, LARGE), 0);
    EQUAL(memcmp(got + 6 + LARGE, ">last", 5), 0);
    for (int i = 0; i < 3; i++) {
        struct packet packet = take(port, SOON);
        EQUAL(packet.ok, TRUE);
        bytes += packet.bytes;
    }
    EQUAL(bytes, LARGE + 11);
    EQUAL(whole.InternalHigh, LARGE + 2);
    CloseHandle(file);
    close_pair(pair);
    CloseHandle(port);
}

static void the_file_may_be_closed_meanwhile(void) {
    HANDLE port = new_port(), file = new_file(LARGE);
    struct pair pair = new_pair();
    OVERLAPPED overlapped = at(0);
    NOT_JUDGED_UNDER_WINE("Wine's file goes with its handle; on Windows an operation holds it");
    associate(pair.ours, port, 9);
    CHECK(begun(error_of(!TransmitFile(pair.ours, file, 0, 0, &overlapped, NULL, 0))));
    EQUAL(CloseHandle(file), TRUE);
    EQUAL(read_whole(pair.peer, got, LARGE), LARGE);
    EQUAL(memcmp(got, content, LARGE), 0);
    EQUAL(take(port, SOON).bytes, LARGE);
    close_pair(pair);
    CloseHandle(port);
}

struct sending {
    SOCKET s;
    HANDLE file;
};
static DWORD WINAPI transmit_whole(LPVOID argument) {
    const struct sending *sending = (const struct sending *)argument;
    return TransmitFile(sending->s, sending->file, 0, 0, NULL, NULL, 0) ? 0 : (DWORD)WSAGetLastError();
}
static void without_an_overlapped_it_waits_for_its_peer(void) {
    struct pair pair = new_pair();
    struct sending sending;
    HANDLE thread;
    sending.s = pair.ours;
    sending.file = new_file(LARGE);
    thread = start_thread(transmit_whole, &sending);
    EQUAL(read_whole(pair.peer, got, LARGE), LARGE);
    EQUAL(exit_code(thread), 0);
    EQUAL(memcmp(got, content, LARGE), 0);
    EQUAL(position(sending.file), LARGE);
    CloseHandle(sending.file);
    close_pair(pair);
}

static void the_connection_can_end_behind_it(void) {
    HANDLE port = new_port(), file = new_file(1000);
    struct pair pair = new_pair(), other = new_pair();
    OVERLAPPED overlapped = at(0);
    NOT_JUDGED_UNDER_WINE("Wine leaves the connection open; the page of TransmitFile says that TF_DISCONNECT ends it");
    associate(pair.ours, port, 9);
    CHECK(begun(error_of(!TransmitFile(pair.ours, file, 0, 0, &overlapped, NULL, TF_DISCONNECT))));
    EQUAL(take(port, SOON).ok, TRUE);
    EQUAL(read_whole(pair.peer, got, sizeof got), 1000);
    EQUAL(memcmp(got, content, 1000), 0);
    move_to(file, 0);
    EQUAL(TransmitFile(other.ours, file, 0, 0, NULL, NULL, TF_DISCONNECT), TRUE);
    EQUAL(read_whole(other.peer, got, sizeof got), 1000);
    CloseHandle(file);
    close_pair(pair);
    close_pair(other);
    CloseHandle(port);
}

static void the_socket_can_be_used_again(void) {
    enum { ADDRESS = sizeof(struct sockaddr_in) + 16 };
    HANDLE port = new_port(), file = new_file(1000);
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket(), client;
    char buffer[2 * ADDRESS];
    DWORD bytes = 0;
    NOT_JUDGED_UNDER_WINE("Wine 8 does not make a socket usable again");
    associate(listener, port, 1);
    associate(s, port, 2);
    for (int round = 0; round < 3; round++) {
        OVERLAPPED accepting = at(0), sending = at(0);
        CHECK(!AcceptEx(listener, s, buffer, 0, ADDRESS, ADDRESS, &bytes, &accepting));
        EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
        client = new_client(&address);
        EQUAL(take(port, SOON).key, 1);
        CHECK(begun(error_of(!TransmitFile(s, file, 0, 0, &sending, NULL, TF_DISCONNECT | TF_REUSE_SOCKET))));
        EQUAL(read_whole(client, got, sizeof got), 1000);
        EQUAL(take(port, SOON).ok, TRUE);
        closesocket(client);
    }
    closesocket(s);
    closesocket(listener);
    CloseHandle(file);
    CloseHandle(port);
}

static void a_file_that_ends_before_is_a_failure(void) {
    HANDLE port = new_port(), file = new_file(1000);
    struct pair pair = new_pair();
    OVERLAPPED overlapped = at(500);
    struct packet packet;
    NOT_JUDGED_UNDER_WINE("Wine calls it a success; the page of TransmitFile says that all bytes are sent, or there is an error");
    associate(pair.ours, port, 9);
    CHECK(begun(error_of(!TransmitFile(pair.ours, file, 501, 0, &overlapped, NULL, 0))));
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_HANDLE_EOF);
    CHECK(packet.overlapped == &overlapped);
    CloseHandle(file);
    close_pair(pair);
    CloseHandle(port);
}

static void closing_the_socket_ends_it(void) {
    HANDLE port = new_port(), file = new_file(LARGE);
    struct pair pair = new_pair();
    OVERLAPPED overlapped[8];
    NOT_JUDGED_UNDER_WINE("Wine says 6, as if it had not begun");
    associate(pair.ours, port, 9);
    for (int i = 0; i < 8; i++) {
        overlapped[i] = at(0);
        CHECK(begun(error_of(!TransmitFile(pair.ours, file, 0, 0, &overlapped[i], NULL, 0))));
    }
    closesocket(pair.ours);
    for (int i = 0; i < 8; i++) {
        struct packet packet = take(port, SOON);
        CHECK(packet.overlapped != NULL);
        CHECK(packet.ok || packet.error == ERROR_CONNECTION_ABORTED || packet.error == ERROR_NETNAME_DELETED);
    }
    NOTHING(port);
    closesocket(pair.peer);
    CloseHandle(file);
    CloseHandle(port);
}

static void it_is_reached_by_ioctl_too(void) {
    struct pair pair = new_pair();
    HANDLE file = new_file(10);
    GUID id = WSAID_TRANSMITFILE;
    LPFN_TRANSMITFILE transmit = NULL;
    DWORD bytes = 0;
    EQUAL(WSAIoctl(pair.ours, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &transmit, sizeof transmit, &bytes, NULL, NULL), 0);
    CHECK(transmit != NULL);
    EQUAL(transmit(pair.ours, file, 0, 0, NULL, NULL, TF_USE_KERNEL_APC), TRUE);
    EQUAL(read_whole(pair.peer, got, 10), 10);
    EQUAL(memcmp(got, content, 10), 0);
    CloseHandle(file);
    close_pair(pair);
}

static void wrong_handles_are_refused(void) {
    HANDLE port = new_port(), file = new_file(10);
    struct pair pair = new_pair();
    SOCKET s = new_socket();
    OVERLAPPED overlapped = at(0);
    associate(pair.ours, port, 9);
    EQUAL(error_of(!TransmitFile(INVALID_SOCKET, file, 0, 0, NULL, NULL, 0)), WSAENOTSOCK);
    EQUAL(error_of(!TransmitFile(s, file, 0, 0, NULL, NULL, 0)), WSAENOTCONN);
    EQUAL(error_of(!TransmitFile(pair.ours, port, 0, 0, NULL, NULL, 0)), WSAENOTSOCK);
    EQUAL(error_of(!TransmitFile(pair.ours, (HANDLE)0x7ffffffc, 0, 0, &overlapped, NULL, 0)), WSAENOTSOCK);
    NOTHING(port);
    closesocket(s);
    CloseHandle(file);
    close_pair(pair);
    CloseHandle(port);
}

static void what_the_page_calls_invalid_is_refused(void) {
    HANDLE port = new_port(), file = new_file(10);
    struct pair pair = new_pair();
    SOCKET datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    OVERLAPPED overlapped = at(11);
    TRANSMIT_FILE_BUFFERS ends = ends_of("", "");
    NOT_JUDGED_UNDER_WINE("Wine looks for none of these; the page of TransmitFile lists them with WSAEINVAL");
    associate(pair.ours, port, 9);
    EQUAL(error_of(!TransmitFile(datagrams, file, 0, 0, NULL, NULL, 0)), WSAEINVAL);
    EQUAL(error_of(!TransmitFile(pair.ours, file, 0, 0, NULL, NULL, TF_REUSE_SOCKET)), WSAEINVAL);
    EQUAL(error_of(!TransmitFile(pair.ours, file, 0, 0, &overlapped, NULL, 0)), WSAEINVAL);
    EQUAL(error_of(!TransmitFile(pair.ours, file, 0x7fffffff, 0, NULL, NULL, 0)), WSAEINVAL);
    ends.TailLength = 0x80000000;
    EQUAL(error_of(!TransmitFile(pair.ours, file, 0, 0, NULL, &ends, 0)), WSAEINVAL);
    EQUAL(shutdown(pair.ours, SD_SEND), 0);
    EQUAL(error_of(!TransmitFile(pair.ours, file, 0, 0, NULL, NULL, 0)), WSAESHUTDOWN);
    NOTHING(port);
    closesocket(datagrams);
    CloseHandle(file);
    close_pair(pair);
    CloseHandle(port);
}

static const struct test tests[] = {
    TEST("14", a_file_goes_whole_between_its_ends),
    TEST("14", without_an_overlapped_it_begins_at_the_position),
    TEST("14", an_overlapped_says_where_and_gets_a_packet),
    TEST("14", without_a_file_only_the_ends_go),
    TEST("12", it_goes_in_its_place_among_the_sends_and_whole),
    TEST("14", the_file_may_be_closed_meanwhile),
    TEST("14", without_an_overlapped_it_waits_for_its_peer),
    TEST("14", the_connection_can_end_behind_it),
    TEST("14", the_socket_can_be_used_again),
    TEST("14", a_file_that_ends_before_is_a_failure),
    TEST("10", closing_the_socket_ends_it),
    TEST("14", it_is_reached_by_ioctl_too),
    TEST("14", wrong_handles_are_refused),
    TEST("14", what_the_page_calls_invalid_is_refused),
};
SUITE(tests)
