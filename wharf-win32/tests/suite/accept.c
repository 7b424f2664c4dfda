/* Rule 13: AcceptEx. */
#include "suite.h"

#ifdef __linux__
#include <sys/resource.h>
#endif

enum { ADDRESS = sizeof(struct sockaddr_in) + 16 };

/* A listener of a port, a socket to accept into, and what the call needs. It moves only before the call. */
struct accepting {
    HANDLE port;
    struct sockaddr_in address;
    SOCKET listener;
    SOCKET accepted;
    OVERLAPPED overlapped;
    char buffer[2 * ADDRESS + 64];
};
enum { LISTENER_KEY = 1, ACCEPTED_KEY = 2 };

static struct accepting new_accepting(void) {
    struct accepting a;
    memset(&a, 0, sizeof a);
    a.port = new_port();
    a.listener = new_listener(&a.address);
    a.accepted = new_socket();
    associate(a.listener, a.port, LISTENER_KEY);
    return a;
}
static void end_accepting(struct accepting *a) {
    closesocket(a->listener);
    closesocket(a->accepted);
    CloseHandle(a->port);
}
static int start_accept(struct accepting *a, DWORD data) {
    DWORD bytes = 0;
    return error_of(!AcceptEx(a->listener, a->accepted, a->buffer, data, ADDRESS, ADDRESS, &bytes, &a->overlapped));
}

static void a_connection_completes_it(void) {
    struct accepting a = new_accepting();
    struct packet packet;
    SOCKET client;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    EQUAL(a.overlapped.Internal, STATUS_PENDING);
    NOTHING(a.port);
    client = new_client(&a.address);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 0);
    EQUAL(packet.key, LISTENER_KEY);
    CHECK(packet.overlapped == &a.overlapped);
    closesocket(client);
    end_accepting(&a);
}

static void a_connection_that_waits_already_completes_it(void) {
    struct accepting a = new_accepting();
    SOCKET client = new_client(&a.address);
    struct packet packet;
    CHECK(begun(start_accept(&a, 0)));
    packet = take(a.port, SOON);
    EQUAL(packet.ok, TRUE);
    CHECK(packet.overlapped == &a.overlapped);
    NOTHING(a.port);
    closesocket(client);
    end_accepting(&a);
}

static void the_given_socket_becomes_the_connection(void) {
    struct accepting a = new_accepting();
    char data[8];
    SOCKET client;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(take(a.port, SOON).ok, TRUE);
    EQUAL(setsockopt(a.accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&a.listener, sizeof a.listener), 0);
    associate(a.accepted, a.port, ACCEPTED_KEY);
    EQUAL(receive_abc(a.port, a.accepted, client), ACCEPTED_KEY);
    EQUAL(send(a.accepted, "you", 3, 0), 3);
    EQUAL(recv(client, data, sizeof data, 0), 3);
    closesocket(client);
    end_accepting(&a);
}

static void the_given_socket_may_be_of_the_port_before(void) {
    struct accepting a = new_accepting();
    SOCKET client;
    associate(a.accepted, a.port, ACCEPTED_KEY);
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(take(a.port, SOON).key, LISTENER_KEY);
    EQUAL(receive_abc(a.port, a.accepted, client), ACCEPTED_KEY);
    closesocket(client);
    end_accepting(&a);
}

static void the_addresses_lie_behind_the_data(void) {
    struct accepting a = new_accepting();
    struct sockaddr_in ours, *local = NULL, *remote = NULL;
    int length = sizeof ours, local_length = 0, remote_length = 0;
    SOCKET client;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(getsockname(client, (struct sockaddr *)&ours, &length), 0);
    EQUAL(take(a.port, SOON).ok, TRUE);
    GetAcceptExSockaddrs(a.buffer, 0, ADDRESS, ADDRESS, (struct sockaddr **)&local, &local_length, (struct sockaddr **)&remote, &remote_length);
    EQUAL(local_length, sizeof *local);
    EQUAL(remote_length, sizeof *remote);
    EQUAL(local->sin_family, AF_INET);
    EQUAL(local->sin_port, a.address.sin_port);
    EQUAL(local->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    EQUAL(remote->sin_family, AF_INET);
    EQUAL(remote->sin_port, ours.sin_port);
    EQUAL(remote->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    closesocket(client);
    end_accepting(&a);
}

static void with_data_it_waits_for_the_first_bytes(void) {
    struct accepting a = new_accepting();
    struct sockaddr_in *local = NULL, *remote = NULL;
    int local_length = 0, remote_length = 0;
    struct packet packet;
    SOCKET client;
    EQUAL(start_accept(&a, 64), ERROR_IO_PENDING);
    client = new_client(&a.address);
    NOTHING(a.port);
    EQUAL(send(client, "first", 5, 0), 5);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, TRUE);
    EQUAL(packet.bytes, 5);
    EQUAL(memcmp(a.buffer, "first", 5), 0);
    GetAcceptExSockaddrs(a.buffer, 64, ADDRESS, ADDRESS, (struct sockaddr **)&local, &local_length, (struct sockaddr **)&remote, &remote_length);
    EQUAL(local->sin_port, a.address.sin_port);
    closesocket(client);
    end_accepting(&a);
}

static void several_wait_at_once(void) {
    enum { COUNT = 5 };
    struct accepting a = new_accepting();
    SOCKET accepted[COUNT], clients[COUNT];
    OVERLAPPED overlapped[COUNT];
    char buffers[COUNT][2 * ADDRESS];
    int seen[COUNT] = {0};
    memset(overlapped, 0, sizeof overlapped);
    for (int i = 0; i < COUNT; i++) {
        DWORD bytes;
        accepted[i] = new_socket();
        CHECK(!AcceptEx(a.listener, accepted[i], buffers[i], 0, ADDRESS, ADDRESS, &bytes, &overlapped[i]));
        EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
    }
    for (int i = 0; i < COUNT; i++)
        clients[i] = new_client(&a.address);
    for (int i = 0; i < COUNT; i++) {
        struct packet packet = take(a.port, SOON);
        EQUAL(packet.ok, TRUE);
        seen[packet.overlapped - overlapped]++;
    }
    for (int i = 0; i < COUNT; i++) {
        EQUAL(seen[i], 1);
        closesocket(accepted[i]);
        closesocket(clients[i]);
    }
    end_accepting(&a);
}

static void peers_are_named_after_the_update(void) {
    struct accepting a = new_accepting();
    struct sockaddr_in ours, peer;
    int length = sizeof ours;
    SOCKET client;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(getsockname(client, (struct sockaddr *)&ours, &length), 0);
    EQUAL(take(a.port, SOON).ok, TRUE);
    EQUAL(setsockopt(a.accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&a.listener, sizeof a.listener), 0);
    length = sizeof peer;
    EQUAL(getpeername(a.accepted, (struct sockaddr *)&peer, &length), 0);
    EQUAL(peer.sin_port, ours.sin_port);
    EQUAL(peer.sin_family, AF_INET);
    EQUAL(shutdown(a.accepted, SD_BOTH), 0);
    closesocket(client);
    end_accepting(&a);
}

static void it_is_reached_by_ioctl_too(void) {
    struct accepting a = new_accepting();
    GUID accept_id = WSAID_ACCEPTEX, addresses_id = WSAID_GETACCEPTEXSOCKADDRS, unknown;
    LPFN_ACCEPTEX accept_ex = NULL;
    LPFN_GETACCEPTEXSOCKADDRS addresses = NULL;
    DWORD bytes = 0;
    void *none = NULL;
    EQUAL(WSAIoctl(a.listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &accept_id, sizeof accept_id, &accept_ex, sizeof accept_ex, &bytes, NULL, NULL), 0);
    EQUAL(bytes, sizeof accept_ex);
    EQUAL(WSAIoctl(a.listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &addresses_id, sizeof addresses_id, &addresses, sizeof addresses, &bytes, NULL,
                   NULL),
          0);
    CHECK(accept_ex != NULL && addresses != NULL);
    CHECK(!accept_ex(a.listener, a.accepted, a.buffer, 0, ADDRESS, ADDRESS, &bytes, &a.overlapped));
    EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
    memset(&unknown, 7, sizeof unknown);
    EQUAL(WSAIoctl(a.listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &unknown, sizeof unknown, &none, sizeof none, &bytes, NULL, NULL), SOCKET_ERROR);
    EQUAL(WSAGetLastError(), WSAEINVAL);
    end_accepting(&a);
}

static void wrong_arguments_are_refused(void) {
    struct accepting a = new_accepting();
    DWORD bytes = 0;
    CHECK(!AcceptEx(a.listener, a.accepted, a.buffer, 0, ADDRESS, ADDRESS, &bytes, NULL));
    EQUAL(WSAGetLastError(), ERROR_INVALID_PARAMETER);
    CHECK(!AcceptEx(a.listener, a.accepted, a.buffer, 0, ADDRESS, 0, &bytes, &a.overlapped));
    EQUAL(WSAGetLastError(), WSAEFAULT);
    CHECK(!AcceptEx(INVALID_SOCKET, a.accepted, a.buffer, 0, ADDRESS, ADDRESS, &bytes, &a.overlapped));
    EQUAL(WSAGetLastError(), WSAENOTSOCK);
    NOTHING(a.port);
    end_accepting(&a);
}

static void a_socket_in_use_is_refused(void) {
    struct accepting a = new_accepting();
    struct pair pair = new_pair();
    DWORD bytes = 0;
    NOT_JUDGED_UNDER_WINE("Wine takes any socket; Windows says 10022");
    CHECK(!AcceptEx(a.listener, pair.ours, a.buffer, 0, ADDRESS, ADDRESS, &bytes, &a.overlapped));
    EQUAL(WSAGetLastError(), WSAEINVAL);
    NOTHING(a.port);
    close_pair(pair);
    end_accepting(&a);
}

static void what_does_not_listen_accepts_nothing(void) {
    struct accepting a = new_accepting();
    SOCKET bound = new_socket();
    DWORD bytes = 0;
    NOT_JUDGED_UNDER_WINE("Wine lets it pend; the page of AcceptEx says 10022");
    bind_any(bound);
    CHECK(!AcceptEx(bound, a.accepted, a.buffer, 0, ADDRESS, ADDRESS, &bytes, &a.overlapped));
    EQUAL(WSAGetLastError(), WSAEINVAL);
    closesocket(bound);
    end_accepting(&a);
}

static void closing_the_listener_ends_it(void) {
    struct accepting a = new_accepting();
    struct packet packet;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    closesocket(a.listener);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_OPERATION_ABORTED);
    EQUAL(packet.bytes, 0);
    EQUAL(packet.key, LISTENER_KEY);
    CHECK(packet.overlapped == &a.overlapped);
    EQUAL((DWORD)a.overlapped.Internal, 0xC0000120);
    NOTHING(a.port);
    closesocket(a.accepted);
    CloseHandle(a.port);
}

static void closing_the_given_socket_ends_it(void) {
    struct accepting a = new_accepting();
    struct packet packet;
    NOT_JUDGED_UNDER_WINE("Wine goes on waiting");
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    closesocket(a.accepted);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, FALSE);
    CHECK(packet.error == ERROR_OPERATION_ABORTED || packet.error == ERROR_CONNECTION_ABORTED);
    CHECK(packet.overlapped == &a.overlapped);
    closesocket(a.listener);
    CloseHandle(a.port);
}

static void it_is_cancelled_by_the_listener(void) {
    struct accepting a = new_accepting();
    struct packet packet;
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    CHECK(CancelIoEx((HANDLE)a.listener, &a.overlapped));
    packet = take(a.port, SOON);
    EQUAL(packet.ok, FALSE);
    EQUAL(packet.error, ERROR_OPERATION_ABORTED);
    /* The given socket is free again. */
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    closesocket(a.listener);
    EQUAL(take(a.port, SOON).ok, FALSE);
    closesocket(a.accepted);
    CloseHandle(a.port);
}

static void the_time_of_a_connection_is_told(void) {
    struct accepting a = new_accepting();
    DWORD seconds = 0;
    int length = sizeof seconds;
    SOCKET client;
    EQUAL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length), 0);
    EQUAL(seconds, 0xffffffff);
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(take(a.port, SOON).ok, TRUE);
    EQUAL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length), 0);
    CHECK(seconds < 10);
    closesocket(client);
    end_accepting(&a);
}

/* Descriptors of Linux until there are no more, under a low limit; on Windows, where sockets have none, nothing. */
enum { LIMIT = 64 };
struct shortage {
    int taken[LIMIT];
    int count;
};
static struct shortage new_shortage(void) {
    struct shortage shortage;
    memset(&shortage, 0, sizeof shortage);
#ifdef __linux__
    struct rlimit limit;
    int descriptor;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (shortage.count < LIMIT && (descriptor = dup(0)) >= 0)
        shortage.taken[shortage.count++] = descriptor;
#endif
    return shortage;
}
static void end_shortage(const struct shortage *shortage) {
#ifdef __linux__
    struct rlimit limit;
    for (int i = 0; i < shortage->count; i++)
        close(shortage->taken[i]);
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
#else
    (void)shortage;
#endif
}
static void connect_to(SOCKET s, const struct sockaddr_in *address) { MUST(connect(s, (const struct sockaddr *)address, sizeof *address) == 0); }

static void it_needs_no_other_socket_than_the_given_one(void) {
    struct accepting a = new_accepting();
    SOCKET clients[2] = {new_socket(), new_socket()}, second = new_socket(), spare = new_socket();
    OVERLAPPED overlapped;
    char buffer[2 * ADDRESS];
    DWORD bytes = 0;
    struct shortage shortage;
    struct packet packet;
    memset(&overlapped, 0, sizeof overlapped);
    /* What a thread needs to wait it has from now on. */
    close_pair(new_pair());
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    EQUAL(AcceptEx(a.listener, second, buffer, 0, ADDRESS, ADDRESS, &bytes, &overlapped), FALSE);
    EQUAL(WSAGetLastError(), ERROR_IO_PENDING);
    shortage = new_shortage();
    connect_to(clients[0], &a.address);
    connect_to(clients[1], &a.address);
#ifdef __linux__
    /* It waits, and fails not. */
    packet = take(a.port, SILENCE);
    EQUAL(packet.error, WAIT_TIMEOUT);
    EQUAL(a.overlapped.Internal, STATUS_PENDING);
#endif
    closesocket(spare);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, TRUE);
    CHECK(packet.overlapped == &a.overlapped);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, TRUE);
    CHECK(packet.overlapped == &overlapped);
    end_shortage(&shortage);
    EQUAL(send(clients[1], "x", 1, 0), 1);
    EQUAL(recv(second, buffer, sizeof buffer, 0), 1);
    closesocket(clients[0]);
    closesocket(clients[1]);
    closesocket(second);
    end_accepting(&a);
}

static int int_option(SOCKET s, int level, int name) {
    int value = -1, length = sizeof value;
    return getsockopt(s, level, name, (char *)&value, &length) == 0 ? value : -1;
}

static void what_was_set_on_the_given_socket_stays(void) {
    struct accepting a = new_accepting();
    int on = 1, off = 0, room = 30000;
    struct linger linger = {1, 7}, is = {0, 0};
    int length = sizeof is;
    SOCKET client;
    EQUAL(setsockopt(a.accepted, IPPROTO_TCP, TCP_NODELAY, (const char *)&off, sizeof off), 0);
    EQUAL(setsockopt(a.accepted, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on), 0);
    EQUAL(setsockopt(a.accepted, SOL_SOCKET, SO_KEEPALIVE, (const char *)&on, sizeof on), 0);
    EQUAL(setsockopt(a.accepted, SOL_SOCKET, SO_RCVBUF, (const char *)&room, sizeof room), 0);
    EQUAL(setsockopt(a.accepted, SOL_SOCKET, SO_LINGER, (const char *)&linger, sizeof linger), 0);
    EQUAL(start_accept(&a, 0), ERROR_IO_PENDING);
    client = new_client(&a.address);
    EQUAL(take(a.port, SOON).ok, TRUE);
    EQUAL(!!int_option(a.accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    EQUAL(!!int_option(a.accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    EQUAL(int_option(a.accepted, SOL_SOCKET, SO_RCVBUF), room);
    closesocket(client);
    EQUAL(getsockopt(a.accepted, SOL_SOCKET, SO_LINGER, (char *)&is, &length), 0);
    end_accepting(&a);
    NOT_JUDGED_UNDER_WINE("it keeps all but how long closesocket waits");
    EQUAL(is.l_onoff, 1);
    EQUAL(is.l_linger, 7);
}

/* The documented way to find clients that connect and send nothing. */
static void it_tells_for_how_long_a_connection_has_sent_nothing(void) {
    struct accepting a = new_accepting();
    DWORD seconds = 0;
    int length = sizeof seconds;
    struct packet packet;
    SOCKET client;
    char data[4];
    EQUAL(start_accept(&a, 64), ERROR_IO_PENDING);
    EQUAL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length), 0);
    EQUAL(seconds, 0xffffffff);
    client = new_client(&a.address);
    UNTIL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length) == 0 && seconds != 0xffffffff);
    UNTIL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length) == 0 && seconds >= 2);
    CHECK(seconds < 10);
    NOTHING(a.port);
    /* It is the connection's time, also once the bytes are there. */
    EQUAL(send(client, "abc", 3, 0), 3);
    EQUAL(take(a.port, SOON).bytes, 3);
    EQUAL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length), 0);
    CHECK(seconds >= 2 && seconds < 10);
    closesocket(client);
    closesocket(a.accepted);
    /* And what to do with such a client. */
    a.accepted = new_socket();
    EQUAL(start_accept(&a, 64), ERROR_IO_PENDING);
    client = new_client(&a.address);
    UNTIL(getsockopt(a.accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length) == 0 && seconds != 0xffffffff);
    EQUAL(closesocket(a.accepted), 0);
    packet = take(a.port, SOON);
    EQUAL(packet.ok, FALSE);
    CHECK(packet.overlapped == &a.overlapped);
    CHECK(packet.error == ERROR_OPERATION_ABORTED || packet.error == ERROR_CONNECTION_ABORTED);
    CHECK(recv(client, data, sizeof data, 0) <= 0);
    closesocket(client);
    end_accepting(&a);
}

static const struct test tests[] = {
    /* First: the ports of others would give descriptors back while it runs. */
    TEST("13", it_needs_no_other_socket_than_the_given_one),
    TEST("13", a_connection_completes_it),
    TEST("13", a_connection_that_waits_already_completes_it),
    TEST("13", the_given_socket_becomes_the_connection),
    TEST("13", the_given_socket_may_be_of_the_port_before),
    TEST("13", the_addresses_lie_behind_the_data),
    TEST("13", with_data_it_waits_for_the_first_bytes),
    TEST("13", several_wait_at_once),
    TEST("13", peers_are_named_after_the_update),
    TEST("13", it_is_reached_by_ioctl_too),
    TEST("13", wrong_arguments_are_refused),
    TEST("13", a_socket_in_use_is_refused),
    TEST("13", what_does_not_listen_accepts_nothing),
    TEST("10", closing_the_listener_ends_it),
    TEST("10", closing_the_given_socket_ends_it),
    TEST("13", it_is_cancelled_by_the_listener),
    TEST("16", what_was_set_on_the_given_socket_stays),
    TEST("16", the_time_of_a_connection_is_told),
    TEST("16", it_tells_for_how_long_a_connection_has_sent_nothing),
};
SUITE(tests)
