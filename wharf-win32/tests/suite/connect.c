/* Rule 14: ConnectEx and DisconnectEx. */
#include "suite.h"

/* Writes a pointer to the function. */
static void find_extension(SOCKET s, GUID id, void *function) {
    DWORD bytes = 0;
    MUST(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, function, sizeof(void *), &bytes, NULL, NULL) == 0);
}
static LPFN_CONNECTEX connect_ex(SOCKET s) {
    GUID id = WSAID_CONNECTEX;
    LPFN_CONNECTEX function = NULL;
    find_extension(s, id, &function);
    return function;
}
static LPFN_DISCONNECTEX disconnect_ex(SOCKET s) {
    GUID id = WSAID_DISCONNECTEX;
    LPFN_DISCONNECTEX function = NULL;
    find_extension(s, id, &function);
    return function;
}
/* These return the call's error. */
static int start_connect(SOCKET s, const struct sockaddr_in *address, OVERLAPPED *overlapped) {
    return error_of(!connect_ex(s)(s, (const struct sockaddr *)address, sizeof *address, NULL, 0, NULL, overlapped));
}
static int start_disconnect(SOCKET s, OVERLAPPED *overlapped, DWORD flags) { return error_of(!disconnect_ex(s)(s, overlapped, flags, 0)); }

static void it_needs_a_bound_socket(void) {
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket();
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    EQUAL(start_connect(s, &address, &overlapped), WSAEINVAL);
    closesocket(s);
    closesocket(listener);
}

static void it_connects_and_gives_its_packet(void) {
    HANDLE port = new_port();
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket(), accepted;
    OVERLAPPED overlapped;
    struct packet packet;
    char data[4];
    memset(&overlapped, 0, sizeof overlapped);
    bind_any(s);
    associate(s, port, 4);
    EQUAL(start_connect(s, &address, &overlapped), ERROR_IO_PENDING);
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 0);
    EQUAL(packet.key, 4);
    CHECK(packet.overlapped == &overlapped);
    EQUAL(setsockopt(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0), 0);
    accepted = accept(listener, NULL, NULL);
    CHECK(accepted != INVALID_SOCKET);
    EQUAL(send(s, "abc", 3, 0), 3);
    EQUAL(recv(accepted, data, sizeof data, 0), 3);
    closesocket(accepted);
    closesocket(s);
    closesocket(listener);
    CloseHandle(port);
}

static void it_sends_its_data_whole(void) {
    HANDLE port = new_port();
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket(), accepted;
    OVERLAPPED overlapped;
    DWORD bytes = 0;
    char data[8];
    memset(&overlapped, 0, sizeof overlapped);
    bind_any(s);
    associate(s, port, 4);
    CHECK(!connect_ex(s)(s, (struct sockaddr *)&address, sizeof address, (void *)"greeting", 8, &bytes, &overlapped));
    EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
    EQUAL(take(port, SOON).bytes, 8);
    accepted = accept(listener, NULL, NULL);
    EQUAL(read_whole(accepted, data, 8), 8);
    EQUAL(memcmp(data, "greeting", 8), 0);
    closesocket(accepted);
    closesocket(s);
    closesocket(listener);
    CloseHandle(port);
}

static void a_refusal_is_told_by_the_packet(void) {
    HANDLE port = new_port();
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket();
    OVERLAPPED overlapped;
    struct packet packet;
    closesocket(listener);
    memset(&overlapped, 0, sizeof overlapped);
    bind_any(s);
    associate(s, port, 4);
    EQUAL(start_connect(s, &address, &overlapped), ERROR_IO_PENDING);
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_CONNECTION_REFUSED);
    CHECK(packet.overlapped == &overlapped);
    EQUAL((DWORD)overlapped.Internal, 0xC0000236);
    closesocket(s);
    CloseHandle(port);
}

static void skipping_packets_does_not_skip_this_one(void) {
    HANDLE port = new_port();
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket();
    OVERLAPPED overlapped;
    memset(&overlapped, 0, sizeof overlapped);
    bind_any(s);
    associate(s, port, 4);
    CHECK(SetFileCompletionNotificationModes((HANDLE)s, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
    EQUAL(start_connect(s, &address, &overlapped), ERROR_IO_PENDING);
    CHECK(take(port, SOON).overlapped == &overlapped);
    closesocket(s);
    closesocket(listener);
    CloseHandle(port);
}

static void a_disconnect_gives_its_packet_and_an_end(void) {
    HANDLE port = new_port();
    struct pair pair = new_pair();
    OVERLAPPED overlapped;
    struct packet packet;
    char data[4];
    memset(&overlapped, 0, sizeof overlapped);
    associate(pair.ours, port, 6);
    CHECK(begun(start_disconnect(pair.ours, &overlapped, 0)));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.key, 6);
    CHECK(packet.overlapped == &overlapped);
    EQUAL(recv(pair.peer, data, sizeof data, 0), 0);
    close_pair(pair);
    CloseHandle(port);
}

static void a_disconnect_without_an_overlapped_waits(void) {
    struct pair pair = new_pair();
    char data[4];
    EQUAL(start_disconnect(pair.ours, NULL, 0), 0);
    EQUAL(recv(pair.peer, data, sizeof data, 0), 0);
    close_pair(pair);
}

static void a_disconnect_needs_a_connection(void) {
    SOCKET s = new_socket();
    EQUAL(start_disconnect(s, NULL, 0), WSAENOTCONN);
    closesocket(s);
}

static void other_flags_of_a_disconnect_are_refused(void) {
    struct pair pair = new_pair();
    NOT_JUDGED_UNDER_WINE("Wine takes any flags");
    EQUAL(start_disconnect(pair.ours, NULL, 0x80), WSAEINVAL);
    close_pair(pair);
}

static void a_disconnected_socket_accepts_again(void) {
    enum { ADDRESS = sizeof(struct sockaddr_in) + 16 };
    HANDLE port = new_port();
    struct sockaddr_in address;
    SOCKET listener = new_listener(&address), s = new_socket(), client;
    OVERLAPPED overlapped;
    char buffer[2 * ADDRESS], data[4];
    DWORD bytes = 0;
    NOT_JUDGED_UNDER_WINE("Wine 8 does not make a socket usable again");
    associate(listener, port, 1);
    associate(s, port, 2);
    for (int round = 0; round < 3; round++) {
        memset(&overlapped, 0, sizeof overlapped);
        CHECK(!AcceptEx(listener, s, buffer, 0, ADDRESS, ADDRESS, &bytes, &overlapped));
        EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
        client = new_client(&address);
        EQUAL(take(port, SOON).key, 1);
        EQUAL(send(client, "abc", 3, 0), 3);
        memset(&overlapped, 0, sizeof overlapped);
        CHECK(begun(start_receive(s, data, sizeof data, &overlapped)));
        EQUAL(take(port, SOON).bytes, 3);
        memset(&overlapped, 0, sizeof overlapped);
        CHECK(begun(start_disconnect(s, &overlapped, TF_REUSE_SOCKET)));
        EQUAL(recv(client, data, sizeof data, 0), 0);
        closesocket(client);
        EQUAL(take(port, SOON).ok, TRUE);
    }
    closesocket(s);
    closesocket(listener);
    CloseHandle(port);
}

static const struct test tests[] = {
    TEST("14", it_needs_a_bound_socket),
    TEST("14", it_connects_and_gives_its_packet),
    TEST("14", it_sends_its_data_whole),
    TEST("14", a_refusal_is_told_by_the_packet),
    TEST("7", skipping_packets_does_not_skip_this_one),
    TEST("14", a_disconnect_gives_its_packet_and_an_end),
    TEST("14", a_disconnect_without_an_overlapped_waits),
    TEST("14", a_disconnect_needs_a_connection),
    TEST("14", other_flags_of_a_disconnect_are_refused),
    TEST("14", a_disconnected_socket_accepts_again),
};
SUITE(tests)
