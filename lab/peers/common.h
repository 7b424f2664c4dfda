// What the peers in C and C++ have in common: their arguments, their listeners, their first line and the work protocol.
// The Rust peers have the same in `common`.
//
// What makes one server different from another stays in its own file. Nothing here runs for a message, but for `serve`.

#ifndef LAB_PEERS_COMMON_H
#define LAB_PEERS_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    // The bytes of a buffer to read into.
    BUFFER_BYTES = 16 * 1024,
    // Connections that the system holds until they are accepted. Enough for a load that opens thousands at once.
    BACKLOG = 4096,
    // The bytes of a frame of the work protocol.
    FRAME_BYTES = 16,
    // No frame may ask for longer.
    SERVICE_US_MAX = 10 * 1000 * 1000,
    // How long to wait before accepting again when no more files may be opened: at once, it would only fail again.
    ACCEPT_PAUSE_MS = 100,
    // More threads than this are a mistake.
    THREADS_MAX = 1024,
};

// What every peer takes.
struct arguments {
    // As it was given.
    const char *listen;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    bool work;
    int threads;
};

// Ends the process because the system refuses something, and says what.
__attribute__((noreturn)) static inline void fail(const char *what, int error) {
    fprintf(stderr, "error: %s: %s\n", what, strerror(error));
    exit(1);
}

// Ends the process because of its arguments, and says which.
__attribute__((noreturn)) static inline void refuse_arguments(const char *what, const char *which) {
    fprintf(stderr, "error: %s%s\nusage: --listen ADDRESS:PORT [--app echo|work] [--threads N]\n", what, which);
    exit(2);
}

// Reads `127.0.0.1:21000` or `[::1]:21000`. Names are not looked up.
static inline void parse_address(const char *text, struct arguments *arguments) {
    char host[INET6_ADDRSTRLEN + 2] = "";
    const char *colon = strrchr(text, ':');
    size_t host_bytes = colon == NULL ? 0 : (size_t)(colon - text);
    if (host_bytes == 0 || host_bytes >= sizeof host) {
        refuse_arguments("--listen takes ADDRESS:PORT, not ", text);
    }
    bool bracketed = host_bytes > 2 && text[0] == '[' && text[host_bytes - 1] == ']';
    memcpy(host, text + bracketed, host_bytes - 2 * (size_t)bracketed);

    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > UINT16_MAX) {
        refuse_arguments("--listen takes a port from 0 to 65535, not ", colon + 1);
    }

    struct sockaddr_in *four = (struct sockaddr_in *)&arguments->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&arguments->address;
    if (!bracketed && inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        arguments->address_bytes = sizeof *four;
    } else if (bracketed && inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        arguments->address_bytes = sizeof *six;
    } else {
        refuse_arguments("--listen takes an address in numbers, an IPv6 one in brackets, not ", text);
    }
}

// Reads the arguments; ends the process if they are not understood.
static inline struct arguments parse_arguments(int count, char **values) {
    struct arguments arguments;
    memset(&arguments, 0, sizeof arguments);
    arguments.threads = 1;
    for (int i = 1; i < count; i += 2) {
        const char *name = values[i];
        bool listen = strcmp(name, "--listen") == 0;
        bool app = strcmp(name, "--app") == 0;
        bool threads = strcmp(name, "--threads") == 0;
        if (!listen && !app && !threads) {
            refuse_arguments("unknown argument ", name);
        }
        if (i + 1 == count) {
            refuse_arguments("a value is missing after ", name);
        }
        const char *value = values[i + 1];
        if (listen) {
            arguments.listen = value;
            parse_address(value, &arguments);
        } else if (app) {
            arguments.work = strcmp(value, "work") == 0;
            if (!arguments.work && strcmp(value, "echo") != 0) {
                refuse_arguments("--app takes echo or work, not ", value);
            }
        } else {
            char *end;
            long number = strtol(value, &end, 10);
            if (*value == '\0' || *end != '\0' || number < 1 || number > THREADS_MAX) {
                refuse_arguments("--threads takes a number from 1 to 1024, not ", value);
            }
            arguments.threads = (int)number;
        }
    }
    if (arguments.address_bytes == 0) {
        refuse_arguments("--listen is missing", "");
    }
    return arguments;
}

// Raises the soft limit of open files to the hard one. Returns what it is then: all descriptors are below it.
static inline size_t raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        fail("the limit of open files can't be read", errno);
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        fail("the limit of open files can't be raised", errno);
    }
    return (size_t)limit.rlim_cur;
}

// Listens `arguments->threads` times on one port; the system spreads the connections over the listeners. `flags` are
// those of `socket`. Connections have TCP_NODELAY from the listener. Afterwards, `arguments->address` has the real port.
static inline int *listen_for_each_thread(struct arguments *arguments, int flags) {
    int *listeners = (int *)calloc((size_t)arguments->threads, sizeof *listeners);
    if (listeners == NULL) {
        fail("no memory", ENOMEM);
    }
    struct sockaddr *address = (struct sockaddr *)&arguments->address;
    const int on = 1;
    for (int i = 0; i < arguments->threads; i++) {
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, IPPROTO_TCP);
        // A listener alone does not share its port: then nothing that was left running can take a part of the load.
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
            (arguments->threads > 1 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
            bind(fd, address, arguments->address_bytes) < 0 || listen(fd, BACKLOG) < 0 ||
            getsockname(fd, address, &arguments->address_bytes) < 0) {
            fprintf(stderr, "error: can't listen on %s: %s\n", arguments->listen, strerror(errno));
            exit(1);
        }
        listeners[i] = fd;
    }
    return listeners;
}

// Prints the first line, the only one, by which whoever started the peer knows that it serves, and where.
static inline void announce(const struct arguments *arguments) {
    char host[INET6_ADDRSTRLEN];
    char port[8];
    getnameinfo((const struct sockaddr *)&arguments->address, arguments->address_bytes, host, sizeof host, port,
                sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    bool six = arguments->address.ss_family == AF_INET6;
    printf("listening on %s%s%s:%s\n", six ? "[" : "", host, six ? "]" : "", port);
    fflush(stdout);
}

// Whether accepting is to be tried again at once after an error: where it is that of the one connection, which is gone.
// Otherwise (no file may be opened, no memory is left) it would only fail again, and has to wait.
static inline bool accept_again_at_once(int error) {
    static bool told;
    if (error == ECONNABORTED || error == EINTR) {
        return true;
    }
    if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED)) {
        fprintf(stderr, "warning: can't accept: %s; it is tried again, and not told again\n", strerror(error));
    }
    return false;
}

// The time that a frame of the work protocol asks for.
static inline uint32_t service_us(const uint8_t *frame) {
    return (uint32_t)frame[8] | (uint32_t)frame[9] << 8 | (uint32_t)frame[10] << 16 | (uint32_t)frame[11] << 24;
}

// The processor time that the calling thread has used. It stands still while another thread has the processor.
static inline int64_t processor_time_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Does what a frame of the work protocol asks for, on the calling thread: `id: u64`, `service_us: u32`, `kind: u8`
// (0 spin, 1 sleep) and 3 bytes that are zero, little-endian. Returns false if the frame is not of the protocol.
static inline bool serve(const uint8_t *frame) {
    const uint32_t us = service_us(frame);
    const uint8_t kind = frame[12];
    if (kind > 1 || (frame[13] | frame[14] | frame[15]) != 0 || us > SERVICE_US_MAX) {
        return false;
    }
    if (kind == 1) {
        // Else the kernel may make the sleep 50 us longer.
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
        struct timespec rest = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
        // Of no time at all, the system would make its shortest sleep, which is some 50 microseconds.
        while (us > 0 && nanosleep(&rest, &rest) < 0 && errno == EINTR) {
        }
        return true;
    }
    const int64_t end_ns = processor_time_ns() + (int64_t)us * 1000;
    while (processor_time_ns() < end_ns) {
    }
    return true;
}

#endif
