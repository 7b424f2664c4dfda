// libuv 1.44 (Debian 12's), after its guide's page "Networking" (the TCP echo server) and the API pages `uv_stream_t`,
// `uv_tcp_t` and `uv_loop_t`.
//
// Readiness from epoll, and callbacks. What is special:
// - `uv_try_write` first, as the API page has it for what can be written at once: nothing is allocated for a message. Only
//   what the socket does not take goes to `uv_write`, and the connection is not read from until that is done.
// - `alloc_cb` gives the loop's one buffer. libuv asks for it right before it reads, and is done with it after `read_cb`.
// - A loop belongs to one thread. With several threads each is a server of its own: its loop and, as this libuv can't have
//   loops share a port, a listener made by hand. A connection stays where it was accepted.
// - Work is done in `read_cb`, where it holds up the whole loop. That is libuv's model: a handler must not block.

#define _GNU_SOURCE
#include "../common.h"

#include <signal.h>
#include <uv.h>

// One thread.
struct server {
    uv_loop_t loop;
    uv_tcp_t listener;
    char buffer[BUFFER_BYTES];
};

struct connection {
    uv_tcp_t tcp;
    uv_write_t write;
    // What the socket did not take, `unsent_length` bytes. NULL if it took all.
    char *unsent;
    size_t unsent_length;
    // The beginning of a frame whose rest has not arrived.
    size_t begun_length;
    char begun[FRAME_BYTES - 1];
};

static struct arguments arguments;
// A connection with this descriptor or one above it is one too many.
static size_t descriptors_max;

static void check(const char *what, int result) {
    if (result < 0) {
        fprintf(stderr, "error: %s: %s\n", what, uv_strerror(result));
        exit(1);
    }
}

static void closed(uv_handle_t *handle) {
    struct connection *connection = (struct connection *)handle;
    free(connection->unsent);
    free(connection);
}

static void end(struct connection *connection) {
    // A failed write ends a connection that may be closing already.
    if (!uv_is_closing((uv_handle_t *)connection)) {
        uv_close((uv_handle_t *)connection, closed);
    }
}

// A frame that has begun goes before what is read, so that it is in one piece.
static void alloc_buffer(uv_handle_t *handle, size_t suggested_size, uv_buf_t *buf) {
    (void)suggested_size;
    struct server *server = handle->loop->data;
    size_t begun = ((struct connection *)handle)->begun_length;
    *buf = uv_buf_init(server->buffer + begun, (unsigned)(BUFFER_BYTES - begun));
}

// Writes, and keeps what the socket does not take. Returns false if the connection is broken.
static bool write_or_keep(struct connection *connection, char *bytes, size_t length) {
    if (connection->unsent == NULL) {
        uv_buf_t buf = uv_buf_init(bytes, (unsigned)length);
        int written = uv_try_write((uv_stream_t *)connection, &buf, 1);
        if (written == (int)length) {
            return true;
        }
        if (written < 0) {
            if (written != UV_EAGAIN) {
                return false;
            }
            written = 0;
        }
        bytes += written;
        length -= (size_t)written;
        // No more is read until all of it is written. So this holds what one read may still give: no more than it gave.
        connection->unsent = malloc(BUFFER_BYTES);
        if (connection->unsent == NULL) {
            return false;
        }
        connection->unsent_length = 0;
    }
    memcpy(connection->unsent + connection->unsent_length, bytes, length);
    connection->unsent_length += length;
    return true;
}

// Serves the frames that are whole, and keeps the beginning of the next. Returns false if the connection is to end.
static bool work(struct connection *connection, char *bytes, size_t length) {
    for (; length >= FRAME_BYTES; bytes += FRAME_BYTES, length -= FRAME_BYTES) {
        if (!serve((const uint8_t *)bytes) || !write_or_keep(connection, bytes, FRAME_BYTES)) {
            return false;
        }
    }
    memcpy(connection->begun, bytes, length);
    connection->begun_length = length;
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);

static void on_written(uv_write_t *request, int status) {
    struct connection *connection = (struct connection *)request->handle;
    free(connection->unsent);
    connection->unsent = NULL;
    if (status < 0 || uv_read_start(request->handle, alloc_buffer, on_read) < 0) {
        end(connection);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    (void)buf;
    struct connection *connection = (struct connection *)stream;
    struct server *server = stream->loop->data;
    if (count < 0) {
        end(connection);
        return;
    }
    if (count == 0) {
        // There was nothing to read after all.
        return;
    }
    size_t length = connection->begun_length + (size_t)count;
    memcpy(server->buffer, connection->begun, connection->begun_length);
    bool good = arguments.work ? work(connection, server->buffer, length)
                               : write_or_keep(connection, server->buffer, length);
    if (good && connection->unsent != NULL) {
        uv_buf_t rest = uv_buf_init(connection->unsent, (unsigned)connection->unsent_length);
        uv_read_stop(stream);
        good = uv_write(&connection->write, stream, &rest, 1, on_written) == 0;
    }
    if (!good) {
        end(connection);
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0) {
        // libuv goes on listening.
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        fail("no memory", ENOMEM);
    }
    uv_tcp_init(listener->loop, &connection->tcp);
    uv_stream_t *stream = (uv_stream_t *)connection;
    uv_os_fd_t fd;
    // What is accepted above the limit is closed at once. Where no descriptor is free at all, libuv does the same by
    // itself, with one that it holds in reserve; but two loops can take it from each other, and then it would try for ever.
    if (uv_accept(listener, stream) < 0 || uv_fileno((uv_handle_t *)connection, &fd) < 0 ||
        (size_t)fd >= descriptors_max || uv_tcp_nodelay(&connection->tcp, 1) < 0 ||
        uv_read_start(stream, alloc_buffer, on_read) < 0) {
        end(connection);
    }
}

static struct server *new_server(int listener) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fail("no memory", ENOMEM);
    }
    check("uv_loop_init", uv_loop_init(&server->loop));
    server->loop.data = server;
    check("uv_tcp_init", uv_tcp_init(&server->loop, &server->listener));
    check("uv_tcp_open", uv_tcp_open(&server->listener, listener));
    check("uv_listen", uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection));
    return server;
}

static void run(void *argument) {
    struct server *server = argument;
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

int main(int count, char **values) {
    arguments = parse_arguments(count, values);
    // Each loop may have accepted one more before any of them is closed.
    descriptors_max = raise_file_limit() - (size_t)arguments.threads;
    // A client that is gone is an error of a write, not the end of the process.
    signal(SIGPIPE, SIG_IGN);
    int *listeners = listen_for_each_thread(&arguments, SOCK_NONBLOCK);
    // The main thread is one of them, so that with one thread the process has no other.
    struct server *first = new_server(listeners[0]);
    for (int i = 1; i < arguments.threads; i++) {
        uv_thread_t thread;
        check("can't start a thread", uv_thread_create(&thread, run, new_server(listeners[i])));
    }
    announce(&arguments);
    run(first);
}
