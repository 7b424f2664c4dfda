/* Datagrams, by the rules of transfers: rules 3, 7 and 8 (errors). */
#include "suite.h"

struct ends {
    struct sockaddr_in address, peer_address;
    SOCKET ours, peer;
};
static struct ends new_ends(void) {
    struct ends ends;
    ends.ours = new_datagram_socket(&ends.address);
    ends.peer = new_datagram_socket(&ends.peer_address);
    return ends;
}
static void close_ends(struct ends ends) {
    closesocket(ends.ours);
    closesocket(ends.peer);
}
static int send_to_ours(struct ends ends, const char *data, int length) {
    return sendto(ends.peer, data, length, 0, (struct sockaddr *)&ends.address, sizeof ends.address);
}
static int start_receive_from(SOCKET s, void *buffer, ULONG length, struct sockaddr_in *from, int *from_length, OVERLAPPED *overlapped) {
    WSABUF part;
    DWORD bytes = 0, flags = 0;
    part.len = length;
    part.buf = (char *)buffer;
    return error_of(WSARecvFrom(s, &part, 1, &bytes, &flags, (struct sockaddr *)from, from_length, overlapped, NULL));
}

static void a_datagram_comes_with_its_sender(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    char data[16];
    struct sockaddr_in from;
    int length = sizeof from;
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    memset(&from, 0, sizeof from);
    associate(ends.ours, port, 3);
    EQUAL(start_receive_from(ends.ours, data, sizeof data, &from, &length, &overlapped), WSA_IO_PENDING);
    EQUAL(send_to_ours(ends, "hello", 5), 5);
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 5);
    EQUAL(packet.key, 3);
    EQUAL(from.sin_family, AF_INET);
    EQUAL(from.sin_port, ends.peer_address.sin_port);
    EQUAL(length, sizeof from);
    EQUAL(memcmp(data, "hello", 5), 0);
    close_ends(ends);
    CloseHandle(port);
}

static void a_datagram_is_sent_with_a_packet(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    WSABUF parts[2] = {{3, (char *)"abc"}, {2, (char *)"de"}};
    char data[16];
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    associate(ends.ours, port, 3);
    CHECK(begun(error_of(
        WSASendTo(ends.ours, parts, 2, NULL, 0, (struct sockaddr *)&ends.peer_address, sizeof ends.peer_address, &overlapped, NULL))));
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 5);
    EQUAL(recv(ends.peer, data, sizeof data, 0), 5);
    EQUAL(memcmp(data, "abcde", 5), 0);
    close_ends(ends);
    CloseHandle(port);
}

static void a_datagram_that_is_cut_fails_with_what_fitted(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    char data[4];
    struct sockaddr_in from;
    int length = sizeof from;
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    associate(ends.ours, port, 3);
    EQUAL(start_receive_from(ends.ours, data, sizeof data, &from, &length, &overlapped), WSA_IO_PENDING);
    EQUAL(send_to_ours(ends, "abcdefgh", 8), 8);
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_MORE_DATA);
    EQUAL(packet.bytes, 4);
    EQUAL((DWORD)overlapped.Internal, 0x80000005);
    EQUAL(memcmp(data, "abcd", 4), 0);
    close_ends(ends);
    CloseHandle(port);
}

static void a_plain_receive_tells_of_a_cut_datagram(void) {
    struct ends ends = new_ends();
    char data[4];
    EQUAL(send_to_ours(ends, "abcdefgh", 8), 8);
    EQUAL(recv(ends.ours, data, sizeof data, 0), SOCKET_ERROR);
    EQUAL(WSAGetLastError(), WSAEMSGSIZE);
    EQUAL(memcmp(data, "abcd", 4), 0);
    close_ends(ends);
}

static void an_empty_datagram_is_one(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    char data[4];
    struct sockaddr_in from;
    int length = sizeof from;
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    associate(ends.ours, port, 3);
    EQUAL(start_receive_from(ends.ours, data, sizeof data, &from, &length, &overlapped), WSA_IO_PENDING);
    EQUAL(send_to_ours(ends, "", 0), 0);
    packet = take(port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 0);
    EQUAL(from.sin_port, ends.peer_address.sin_port);
    close_ends(ends);
    CloseHandle(port);
}

static void a_connected_socket_takes_datagrams_of_its_peer(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    char data[8];
    memset(&overlapped, 0, sizeof overlapped);
    EQUAL(connect(ends.ours, (struct sockaddr *)&ends.peer_address, sizeof ends.peer_address), 0);
    associate(ends.ours, port, 3);
    EQUAL(start_receive(ends.ours, data, sizeof data, &overlapped), WSA_IO_PENDING);
    EQUAL(send_to_ours(ends, "abc", 3), 3);
    EQUAL(take(port, SOON).bytes, 3);
    EQUAL(send(ends.ours, "xy", 2, 0), 2);
    EQUAL(recv(ends.peer, data, sizeof data, 0), 2);
    close_ends(ends);
    CloseHandle(port);
}

/* An address of zeros is that of nobody. The socket keeps its own, which it got by connecting. */
static void a_connection_to_nobody_is_none(void) {
    struct ends ends = new_ends();
    SOCKET s = WSASocketA(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0, WSA_FLAG_OVERLAPPED);
    struct sockaddr_in nobody, before, after;
    int length = sizeof before;
    char data[8];
    memset(&nobody, 0, sizeof nobody);
    EQUAL(connect(s, (struct sockaddr *)&ends.peer_address, sizeof ends.peer_address), 0);
    EQUAL(getsockname(s, (struct sockaddr *)&before, &length), 0);
    EQUAL(send(s, "abc", 3, 0), 3);
    EQUAL(recv(ends.peer, data, sizeof data, 0), 3);
    EQUAL(connect(s, (struct sockaddr *)&nobody, sizeof nobody), 0);
    EQUAL(getpeername(s, (struct sockaddr *)&after, &length), SOCKET_ERROR);
    EQUAL(WSAGetLastError(), WSAENOTCONN);
    NOT_JUDGED_UNDER_WINE("Wine says 10022 of a send to nobody, and the socket's port goes with the connection");
    EQUAL(send(s, "abc", 3, 0), SOCKET_ERROR);
    EQUAL(WSAGetLastError(), WSAENOTCONN);
    length = sizeof after;
    EQUAL(getsockname(s, (struct sockaddr *)&after, &length), 0);
    EQUAL(after.sin_port, before.sin_port);
    /* And others than the peer reach it. */
    before.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EQUAL(sendto(ends.ours, "xy", 2, 0, (struct sockaddr *)&before, sizeof before), 2);
    EQUAL(recv(s, data, sizeof data, 0), 2);
    EQUAL(connect(s, (struct sockaddr *)&ends.peer_address, sizeof ends.peer_address), 0);
    EQUAL(send(s, "abc", 3, 0), 3);
    closesocket(s);
    close_ends(ends);
}

static void plain_calls_name_the_sender(void) {
    struct ends ends = new_ends();
    char data[8];
    struct sockaddr_in from;
    int length = sizeof from;
    EQUAL(send_to_ours(ends, "abc", 3), 3);
    EQUAL(recvfrom(ends.ours, data, sizeof data, 0, (struct sockaddr *)&from, &length), 3);
    EQUAL(from.sin_family, AF_INET);
    EQUAL(from.sin_port, ends.peer_address.sin_port);
    close_ends(ends);
}

static void closing_ends_what_is_pending(void) {
    HANDLE port = new_port();
    struct ends ends = new_ends();
    OVERLAPPED overlapped;
    char data[4];
    struct sockaddr_in from;
    int length = sizeof from;
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    associate(ends.ours, port, 3);
    EQUAL(start_receive_from(ends.ours, data, sizeof data, &from, &length, &overlapped), WSA_IO_PENDING);
    closesocket(ends.ours);
    packet = take(port, SOON);
    EQUAL(packet.ok, FALSE);
    CHECK(packet.overlapped == &overlapped);
    closesocket(ends.peer);
    CloseHandle(port);
}

static const struct test tests[] = {
    TEST("3", a_datagram_comes_with_its_sender),
    TEST("3", a_datagram_is_sent_with_a_packet),
    TEST("1", a_datagram_that_is_cut_fails_with_what_fitted),
    TEST("errors", a_plain_receive_tells_of_a_cut_datagram),
    TEST("11", an_empty_datagram_is_one),
    TEST("3", a_connected_socket_takes_datagrams_of_its_peer),
    TEST("18", a_connection_to_nobody_is_none),
    TEST("18", plain_calls_name_the_sender),
    TEST("10", closing_ends_what_is_pending),
};
SUITE(tests)
