// The plainest server on a raw io_uring: the other yardstick, for what Linux allows since 6.1.
//
// It follows the manual pages of liburing 2.3: io_uring_setup(2), io_uring_prep_multishot_accept(3),
// io_uring_register_buf_ring(3) and io_uring_prep_send(3). What is special:
// - One ring to a thread (`SINGLE_ISSUER`, `DEFER_TASKRUN`), and one system call to a turn, which submits and waits.
// - A connection has one operation under way at a time: receive, send, receive. So nothing can overtake, and it ends when
//   that operation has failed.
// - A receive takes its buffer from the ring of buffers when there is something to receive: an idle connection has none.
// - A connection is its descriptor: what must be remembered of it stands in a table, at that index.
// - With several threads each is a server of its own, with its own listener; a connection stays where it was accepted.

#define _GNU_SOURCE
#include "../common.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/mman.h>

enum {
    SUBMISSIONS = 1024,
    // More would wait in the kernel, in a list that is slower.
    COMPLETIONS = 4096,
    // Buffers are made as they are needed, so many at once. Those of connections that do not read stay away for long.
    BLOCK_BUFFERS = 128,
    // No thread has more buffers. A power of two, as it is the size of the ring of buffers.
    BUFFERS_MAX = 4096,
    BUFFER_GROUP = 0,
    // Free before each buffer, so that the beginning of a frame can be put there. A cache line.
    HEADROOM_BYTES = 64,
    STRIDE_BYTES = HEADROOM_BYTES + BUFFER_BYTES,
};

// What a completion is of. It is the lowest byte of what the ring hands back; the descriptor is above it.
enum operation { ACCEPT, ACCEPT_PAUSE, RECEIVE, SEND, CLOSE };

// What must be remembered of a connection between two completions.
struct connection {
    // What has been received and not sent back yet.
    uint8_t *bytes;
    uint32_t length;
    // The bytes of it that are being sent.
    uint32_t sending;
    // The next connection that waits for a buffer.
    int starved_next;
    // Where `bytes` are.
    uint16_t buffer;
    // The beginning of a frame whose rest has not arrived.
    uint8_t begun_length;
    uint8_t begun[FRAME_BYTES - 1];
};

// One thread.
struct server {
    struct io_uring ring;
    int listener;
    // The buffers that receives may take.
    struct io_uring_buf_ring *buffers;
    uint8_t *blocks[BUFFERS_MAX / BLOCK_BUFFERS];
    unsigned buffer_count;
    // How many of them are with connections.
    unsigned buffers_held;
    // The connections that wait for a buffer, first come first served. -1: none.
    int starved_first;
    int starved_last;
};

// By descriptor, for all threads. Only the thread that owns a connection looks at its place; it clears it before it closes
// the descriptor, for then the place may become another's.
static struct connection *connections;
static struct arguments arguments;
// All threads pass it when each has its ring.
static pthread_barrier_t ready;

static const struct __kernel_timespec accept_pause = {.tv_nsec = ACCEPT_PAUSE_MS * 1000000L};

static void submit(struct server *server) {
    int result = io_uring_submit(&server->ring);
    // The kernel is short of memory, or was interrupted: what it has not taken is still there for the next time.
    if (result < 0 && result != -EAGAIN && result != -EBUSY && result != -EINTR) {
        fail("io_uring_enter", -result);
    }
}

static struct io_uring_sqe *new_submission(struct server *server) {
    for (;;) {
        struct io_uring_sqe *submission = io_uring_get_sqe(&server->ring);
        if (submission != NULL) {
            return submission;
        }
        submit(server);
    }
}

// To be called last: preparing an operation would clear it.
static void label(struct io_uring_sqe *submission, enum operation operation, int fd) {
    io_uring_sqe_set_data64(submission, (uint64_t)fd << 8 | operation);
}

static void start_accept(struct server *server) {
    struct io_uring_sqe *submission = new_submission(server);
    // The sockets block: of one that does not, io_uring would not wait for readiness.
    io_uring_prep_multishot_accept(submission, server->listener, NULL, NULL, SOCK_CLOEXEC);
    label(submission, ACCEPT, server->listener);
}

static void start_accept_pause(struct server *server) {
    struct io_uring_sqe *submission = new_submission(server);
    io_uring_prep_timeout(submission, (struct __kernel_timespec *)&accept_pause, 0, 0);
    label(submission, ACCEPT_PAUSE, server->listener);
}

static void start_receive(struct server *server, int fd) {
    struct io_uring_sqe *submission = new_submission(server);
    io_uring_prep_recv(submission, fd, NULL, BUFFER_BYTES, 0);
    submission->flags |= IOSQE_BUFFER_SELECT;
    submission->buf_group = BUFFER_GROUP;
    label(submission, RECEIVE, fd);
}

static void start_send(struct server *server, int fd) {
    struct connection *connection = &connections[fd];
    struct io_uring_sqe *submission = new_submission(server);
    // With MSG_WAITALL, the kernel itself goes on when the socket takes more.
    io_uring_prep_send(submission, fd, connection->bytes, connection->sending, MSG_NOSIGNAL | MSG_WAITALL);
    label(submission, SEND, fd);
}

static void end(struct server *server, int fd) {
    memset(&connections[fd], 0, sizeof connections[fd]);
    struct io_uring_sqe *submission = new_submission(server);
    io_uring_prep_close(submission, fd);
    submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
    label(submission, CLOSE, fd);
}

static uint8_t *buffer_bytes(const struct server *server, unsigned buffer) {
    return server->blocks[buffer / BLOCK_BUFFERS] + (size_t)(buffer % BLOCK_BUFFERS) * STRIDE_BYTES + HEADROOM_BYTES;
}

static void put_buffer(struct server *server, unsigned buffer) {
    uint8_t *bytes = buffer_bytes(server, buffer);
    io_uring_buf_ring_add(server->buffers, bytes, BUFFER_BYTES, (unsigned short)buffer, BUFFERS_MAX - 1, 0);
    io_uring_buf_ring_advance(server->buffers, 1);
}

// Returns false if there may be no more buffers.
static bool add_buffers(struct server *server) {
    if (server->buffer_count == BUFFERS_MAX) {
        return false;
    }
    uint8_t *block = malloc((size_t)BLOCK_BUFFERS * STRIDE_BYTES);
    if (block == NULL) {
        return false;
    }
    server->blocks[server->buffer_count / BLOCK_BUFFERS] = block;
    for (int i = 0; i < BLOCK_BUFFERS; i++) {
        put_buffer(server, server->buffer_count++);
    }
    return true;
}

// Has a connection receive for which there was no buffer: at once, or when another connection gives one back.
static void starve(struct server *server, int fd) {
    // That may have happened since. If all are held, it is still to come: nobody waits for ever.
    if (server->buffers_held < server->buffer_count || add_buffers(server)) {
        start_receive(server, fd);
        return;
    }
    connections[fd].starved_next = -1;
    if (server->starved_first < 0) {
        server->starved_first = fd;
    } else {
        connections[server->starved_last].starved_next = fd;
    }
    server->starved_last = fd;
}

// Gives a buffer back, and has the first connection receive that waits for one.
static void release_buffer(struct server *server, unsigned buffer) {
    put_buffer(server, buffer);
    server->buffers_held--;
    int fd = server->starved_first;
    if (fd >= 0) {
        server->starved_first = connections[fd].starved_next;
        start_receive(server, fd);
    }
}

// Sends the next of what has been received, after the work for it; if nothing is left, receives.
static void serve_next(struct server *server, int fd) {
    struct connection *connection = &connections[fd];
    size_t part = arguments.work ? FRAME_BYTES : connection->length;
    if (connection->length == 0 || connection->length < part) {
        memcpy(connection->begun, connection->bytes, connection->length);
        connection->begun_length = (uint8_t)connection->length;
        release_buffer(server, connection->buffer);
        start_receive(server, fd);
        return;
    }
    if (arguments.work) {
        if (service_us(connection->bytes) > 0) {
            // What the others are to get does not wait until this work is done.
            submit(server);
        }
        if (!serve(connection->bytes)) {
            release_buffer(server, connection->buffer);
            end(server, fd);
            return;
        }
    }
    connection->sending = (uint32_t)part;
    start_send(server, fd);
}

static void accepted(struct server *server, int result, bool more) {
    if (result >= 0) {
        start_receive(server, result);
    }
    if (more) {
        return;
    }
    if (result >= 0 || accept_again_at_once(-result)) {
        start_accept(server);
    } else {
        start_accept_pause(server);
    }
}

static void received(struct server *server, int fd, int result, unsigned buffer) {
    struct connection *connection = &connections[fd];
    if (result == -ENOBUFS) {
        starve(server, fd);
    } else if (result <= 0) {
        end(server, fd);
    } else {
        // A frame that has begun goes before what is received, so that it is in one piece.
        size_t begun = connection->begun_length;
        server->buffers_held++;
        connection->buffer = (uint16_t)buffer;
        connection->bytes = buffer_bytes(server, buffer) - begun;
        connection->length = (uint32_t)(begun + (size_t)result);
        memcpy(connection->bytes, connection->begun, begun);
        serve_next(server, fd);
    }
}

static void sent(struct server *server, int fd, int result) {
    struct connection *connection = &connections[fd];
    if (result <= 0) {
        release_buffer(server, connection->buffer);
        end(server, fd);
        return;
    }
    connection->bytes += result;
    connection->length -= (uint32_t)result;
    connection->sending -= (uint32_t)result;
    if (connection->sending > 0) {
        start_send(server, fd);
    } else {
        serve_next(server, fd);
    }
}

static void complete(struct server *server, const struct io_uring_cqe *completion) {
    int fd = (int)(completion->user_data >> 8);
    switch ((enum operation)(completion->user_data & 0xFF)) {
    case ACCEPT:
        accepted(server, completion->res, (completion->flags & IORING_CQE_F_MORE) != 0);
        break;
    case ACCEPT_PAUSE:
        start_accept(server);
        break;
    case RECEIVE:
        received(server, fd, completion->res, completion->flags >> IORING_CQE_BUFFER_SHIFT);
        break;
    case SEND:
        sent(server, fd, completion->res);
        break;
    case CLOSE:
        // A close says what went wrong before it; the descriptor is gone all the same.
        break;
    }
}

// A ring belongs to the thread that makes it.
static struct server *new_server(int listener) {
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fail("no memory", ENOMEM);
    }
    server->listener = listener;
    server->starved_first = -1;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    int result = io_uring_queue_init_params(SUBMISSIONS, &server->ring, &params);
    if (result < 0) {
        fail("can't make a ring (it takes Linux 6.1, and io_uring must not be forbidden)", -result);
    }
    // Spares the kernel looking the ring up at each call. It does without if it can't.
    io_uring_register_ring_fd(&server->ring);
    size_t ring_bytes = BUFFERS_MAX * sizeof(struct io_uring_buf);
    server->buffers = mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (server->buffers == MAP_FAILED) {
        fail("no memory", errno);
    }
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)server->buffers,
        .ring_entries = BUFFERS_MAX,
        .bgid = BUFFER_GROUP,
    };
    result = io_uring_register_buf_ring(&server->ring, &registration, 0);
    if (result < 0) {
        fail("can't register a ring of buffers", -result);
    }
    if (!add_buffers(server)) {
        fail("no memory", ENOMEM);
    }
    return server;
}

static void *run(void *argument) {
    struct server *server = new_server(*(const int *)argument);
    start_accept(server);
    // One of them is told that it is the one.
    if (pthread_barrier_wait(&ready) == PTHREAD_BARRIER_SERIAL_THREAD) {
        announce(&arguments);
    }
    for (;;) {
        int result = io_uring_submit_and_wait(&server->ring, 1);
        if (result < 0 && result != -EAGAIN && result != -EBUSY && result != -EINTR) {
            fail("io_uring_enter", -result);
        }
        unsigned head;
        unsigned count = 0;
        struct io_uring_cqe *completion;
        io_uring_for_each_cqe(&server->ring, head, completion) {
            complete(server, completion);
            count++;
        }
        io_uring_cq_advance(&server->ring, count);
    }
    return NULL;
}

int main(int count, char **values) {
    arguments = parse_arguments(count, values);
    // Address space, of which the system gives memory to the pages that are used.
    size_t table_bytes = raise_file_limit() * sizeof *connections;
    connections = mmap(NULL, table_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (connections == MAP_FAILED) {
        fail("no address space for the table of connections", errno);
    }
    int *listeners = listen_for_each_thread(&arguments, 0);
    pthread_barrier_init(&ready, NULL, (unsigned)arguments.threads);
    // The main thread is one of them, so that with one thread the process has no other.
    for (int i = 1; i < arguments.threads; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, run, &listeners[i]);
        if (error != 0) {
            fail("can't start a thread", error);
        }
    }
    run(&listeners[0]);
}
