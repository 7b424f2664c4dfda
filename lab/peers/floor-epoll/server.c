// The plainest server that Linux allows: the yardstick, beside which a server's own cost shows.
//
// It follows epoll(7): level-triggered, one epoll to a thread, one `recv` and one `send` to a message. What is special:
// - Nothing is allocated for a message: a thread has one buffer, and a connection owns memory only while a send of its is
//   cut short.
// - A connection is its descriptor: what must be remembered of it stands in a table, at that index.
// - With several threads each is a server of its own, with its own listener; a connection stays where it was accepted.

#define _GNU_SOURCE
#include "../common.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>

enum { EVENTS_MAX = 256 };

// What must be remembered of a connection between two events. All zero: nothing.
struct connection {
    // What the socket did not take, `unsent_length` bytes from `unsent_begin` on. NULL if it took all.
    uint8_t *unsent;
    uint32_t unsent_begin;
    uint32_t unsent_length;
    // The beginning of a frame whose rest has not arrived.
    uint8_t begun[FRAME_BYTES - 1];
    uint8_t begun_length;
};

// One thread.
struct server {
    int listener;
    int epoll;
    // When to accept again, after it failed. 0: it did not.
    int64_t accept_at_ms;
    uint8_t buffer[BUFFER_BYTES];
};

// By descriptor, for all threads. Only the thread that owns a connection looks at its place; it clears it before it closes
// the descriptor, for then the place may become another's.
static struct connection *connections;
static struct arguments arguments;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Has a descriptor that the epoll knows watched for other events.
static void watch(struct server *server, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, fd, &event) < 0) {
        fail("epoll_ctl", errno);
    }
}

static void end(int fd) {
    struct connection *connection = &connections[fd];
    free(connection->unsent);
    memset(connection, 0, sizeof *connection);
    close(fd);
}

static void accept_all(struct server *server) {
    for (;;) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
            if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
                close(fd);
            }
        } else if (errno == EAGAIN) {
            return;
        } else if (!accept_again_at_once(errno)) {
            // The listener stays ready, and would wake us for nothing meanwhile.
            watch(server, server->listener, 0);
            server->accept_at_ms = now_ms() + ACCEPT_PAUSE_MS;
            return;
        }
    }
}

// Sends, and keeps what the socket does not take. Returns false if the connection is broken.
static bool send_or_keep(struct connection *connection, int fd, const uint8_t *bytes, size_t length) {
    if (connection->unsent == NULL) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent == (ssize_t)length) {
            return true;
        }
        if (sent < 0) {
            if (errno != EAGAIN) {
                return false;
            }
            sent = 0;
        }
        bytes += sent;
        length -= (size_t)sent;
        // No more is read until all of it is sent. So this holds what one read may still give: no more than it gave.
        connection->unsent = malloc(BUFFER_BYTES);
        if (connection->unsent == NULL) {
            return false;
        }
        connection->unsent_begin = 0;
        connection->unsent_length = 0;
    }
    memcpy(connection->unsent + connection->unsent_length, bytes, length);
    connection->unsent_length += (uint32_t)length;
    return true;
}

// Serves the frames that are whole, and keeps the beginning of the next. Returns false if the connection is to end.
static bool work(struct connection *connection, int fd, const uint8_t *bytes, size_t length) {
    for (; length >= FRAME_BYTES; bytes += FRAME_BYTES, length -= FRAME_BYTES) {
        if (!serve(bytes) || !send_or_keep(connection, fd, bytes, FRAME_BYTES)) {
            return false;
        }
    }
    memcpy(connection->begun, bytes, length);
    connection->begun_length = (uint8_t)length;
    return true;
}

static void receive(struct server *server, int fd) {
    struct connection *connection = &connections[fd];
    // A frame that has begun goes before what is received, so that it is in one piece.
    size_t begun = connection->begun_length;
    memcpy(server->buffer, connection->begun, begun);
    ssize_t received = recv(fd, server->buffer + begun, BUFFER_BYTES - begun, 0);
    if (received <= 0) {
        if (received == 0 || errno != EAGAIN) {
            end(fd);
        }
        return;
    }
    size_t length = begun + (size_t)received;
    bool good = arguments.work ? work(connection, fd, server->buffer, length)
                               : send_or_keep(connection, fd, server->buffer, length);
    if (!good) {
        end(fd);
    } else if (connection->unsent != NULL) {
        watch(server, fd, EPOLLOUT);
    }
}

static void send_unsent(struct server *server, int fd) {
    struct connection *connection = &connections[fd];
    const uint8_t *bytes = connection->unsent + connection->unsent_begin;
    ssize_t sent = send(fd, bytes, connection->unsent_length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) {
            end(fd);
        }
        return;
    }
    connection->unsent_begin += (uint32_t)sent;
    connection->unsent_length -= (uint32_t)sent;
    if (connection->unsent_length == 0) {
        free(connection->unsent);
        connection->unsent = NULL;
        watch(server, fd, EPOLLIN);
    }
}

static void *run(void *argument) {
    struct server *server = argument;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, server->accept_at_ms != 0 ? ACCEPT_PAUSE_MS : -1);
        if (count < 0 && errno != EINTR) {
            fail("epoll_wait", errno);
        }
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == server->listener) {
                accept_all(server);
            } else if (connections[fd].unsent != NULL) {
                send_unsent(server, fd);
            } else {
                receive(server, fd);
            }
        }
        if (server->accept_at_ms != 0 && now_ms() >= server->accept_at_ms) {
            server->accept_at_ms = 0;
            watch(server, server->listener, EPOLLIN);
        }
    }
    return NULL;
}

static struct server *new_server(int listener) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fail("no memory", ENOMEM);
    }
    server->listener = listener;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (server->epoll < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        fail("can't prepare an epoll", errno);
    }
    return server;
}

static void *sleep_until_a_signal(void *nothing) {
    pause();
    return nothing;
}

// With `--sleeping yes` the process has a thread besides, which does nothing: then the kernel counts the references of a descriptor
// in each call, as it does for every server that has threads. The argument is taken out.
static void take_sleeping(int *count, char **values) {
    for (int i = 1; i + 1 < *count; i += 2) {
        if (strcmp(values[i], "--sleeping") != 0) {
            continue;
        }
        if (strcmp(values[i + 1], "yes") != 0) {
            refuse_arguments("--sleeping takes yes, not ", values[i + 1]);
        }
        pthread_t thread;
        int error = pthread_create(&thread, NULL, sleep_until_a_signal, NULL);
        if (error != 0) {
            fail("can't start a thread", error);
        }
        memmove(&values[i], &values[i + 2], (size_t)(*count - i - 2) * sizeof *values);
        *count -= 2;
        return;
    }
}

int main(int count, char **values) {
    take_sleeping(&count, values);
    arguments = parse_arguments(count, values);
    // Address space, of which the system gives memory to the pages that are used.
    size_t table_bytes = raise_file_limit() * sizeof *connections;
    connections = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (connections == MAP_FAILED) {
        fail("no address space for the table of connections", errno);
    }
    int *listeners = listen_for_each_thread(&arguments, SOCK_NONBLOCK);
    // The main thread is one of them, so that with one thread the process has no other.
    struct server *first = new_server(listeners[0]);
    for (int i = 1; i < arguments.threads; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, run, new_server(listeners[i]));
        if (error != 0) {
            fail("can't start a thread", error);
        }
    }
    announce(&arguments);
    run(first);
}
