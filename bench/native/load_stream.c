/*
 * Closed-loop load for a stream echo server: every connection keeps DEPTH messages under way and
 * sends the next one when a reply is complete.
 *
 * All connections send from one repeating pattern, each from a place of its own in it, so the bytes
 * due back at any stream offset are known without keeping them: one memcmp per recv finds a reply
 * that is damaged, repeated, out of order or somebody else's.
 *
 * With SERVER_PID the server's CPU time is read here, at the very moments the window opens and
 * closes: a parent told through a pipe would read it late, because both CPUs are busy.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 *
 * usage: load_stream HOST PORT CONNECTIONS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 256,
    CHUNK = 64 * 1024,        /* most bytes per send or recv */
    PATTERN_PERIOD = 4093,    /* prime: no usual message size divides it, so a slip always shows */
    CONNECTION_STRIDE = 1009, /* distance of two neighbours' places in the pattern */
    CONNECT_TIMEOUT = 5,      /* seconds */
    SUB_BUCKETS = 64,         /* per power of two: latencies are kept to 1.6 % */
    BUCKETS = 60 * SUB_BUCKETS,
};

static const uint64_t NANOSECONDS = 1000000000;

struct connection {
    int fd; /* -1 once it has failed */
    bool wants_write;
    uint64_t place;              /* where in the pattern its stream begins */
    uint64_t queued, sent, received; /* bytes since the beginning; queued >= sent >= received */
    uint64_t started, completed; /* messages since the beginning */
    uint64_t *started_at;        /* of the messages under way, a ring of depth */
};

static struct {
    struct in_addr host;
    uint16_t port;
    uint64_t connections, size, depth;
    uint64_t warmup, window; /* nanoseconds */
    pid_t server;            /* 0: not given */
} settings;

static int epoll_fd;
static uint64_t live, errors;
static bool measuring;
static uint64_t messages;
static uint64_t histogram[BUCKETS];
/* Long enough to take any CHUNK from any place as one piece. */
static unsigned char pattern[PATTERN_PERIOD + CHUNK];
static unsigned char inbound[CHUNK];

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        err(1, "clock_gettime");
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

/* The process's CPU clock counts all its threads, also those that have ended. For a thread that is
 * running it lags by up to one scheduler tick, at both ends of the window alike. */
static uint64_t server_cpu(void)
{
    clockid_t clock;
    if (settings.server == 0)
        return 0;
    int error = clock_getcpuclockid(settings.server, &clock);
    if (error)
        errx(1, "CPU clock of process %d: %s", (int)settings.server, strerror(error));
    return read_clock(clock);
}

/* Latencies: exact below 2 * SUB_BUCKETS ns, then SUB_BUCKETS equal steps for each power of two. */

static unsigned bucket_of(uint64_t nanoseconds)
{
    if (nanoseconds < 2 * SUB_BUCKETS)
        return (unsigned)nanoseconds;
    unsigned shift = 63u - (unsigned)__builtin_clzll(nanoseconds / SUB_BUCKETS);
    return shift * SUB_BUCKETS + (unsigned)(nanoseconds >> shift);
}

static double middle_of(unsigned bucket)
{
    if (bucket < 2 * SUB_BUCKETS)
        return bucket;
    unsigned shift = bucket / SUB_BUCKETS - 1;
    return ldexp(bucket - shift * SUB_BUCKETS + 0.5, (int)shift);
}

static double percentile_us(double share)
{
    uint64_t rank = (uint64_t)ceil(share * (double)messages), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram[bucket];
        if (seen >= rank && seen > 0)
            return middle_of(bucket) / 1e3;
    }
    return 0;
}

static void fill_pattern(void)
{
    uint32_t state = 1;
    for (size_t i = 0; i < PATTERN_PERIOD; i++) {
        state = state * 1664525u + 1013904223u; /* the generator of Numerical Recipes */
        pattern[i] = (unsigned char)(state >> 24);
    }
    for (size_t i = PATTERN_PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PATTERN_PERIOD];
}

static const unsigned char *pattern_at(const struct connection *connection, uint64_t offset)
{
    return pattern + (connection->place + offset) % PATTERN_PERIOD;
}

static void fail(struct connection *connection, const char *reason)
{
    warnx("connection %" PRIu64 ": %s after %" PRIu64 " replies", connection->place / CONNECTION_STRIDE, reason,
          connection->completed);
    close(connection->fd);
    connection->fd = -1;
    live--;
    errors++;
}

static void watch(struct connection *connection, int operation, bool wants_write)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0)
        err(1, "epoll_ctl");
    connection->wants_write = wants_write;
}

static void flush(struct connection *connection)
{
    while (connection->sent < connection->queued) {
        uint64_t rest = connection->queued - connection->sent;
        ssize_t sent = send(connection->fd, pattern_at(connection, connection->sent),
                            rest < CHUNK ? rest : CHUNK, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!connection->wants_write)
                watch(connection, EPOLL_CTL_MOD, true);
            return;
        }
        if (sent < 0) {
            fail(connection, strerror(errno));
            return;
        }
        connection->sent += (uint64_t)sent;
    }
    if (connection->wants_write)
        watch(connection, EPOLL_CTL_MOD, false);
}

static void start(struct connection *connection, uint64_t count, uint64_t now)
{
    for (; count > 0; count--) {
        connection->started_at[connection->started++ % settings.depth] = now;
        connection->queued += settings.size;
    }
    flush(connection);
}

static void receive(struct connection *connection)
{
    ssize_t count = recv(connection->fd, inbound, sizeof inbound, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        fail(connection, count == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    if ((uint64_t)count > connection->sent - connection->received) {
        fail(connection, "more bytes came back than were sent");
        return;
    }
    if (memcmp(inbound, pattern_at(connection, connection->received), (size_t)count) != 0) {
        fail(connection, "other bytes came back than were sent");
        return;
    }
    connection->received += (uint64_t)count;
    uint64_t now = read_clock(CLOCK_MONOTONIC);
    uint64_t complete = connection->received / settings.size - connection->completed;
    for (uint64_t i = 0; i < complete; i++) {
        uint64_t started_at = connection->started_at[connection->completed++ % settings.depth];
        if (measuring) {
            messages++;
            histogram[bucket_of(now - started_at)]++;
        }
    }
    if (complete > 0)
        start(connection, complete, now);
}

static void open_connection(struct connection *connection, uint64_t index)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(settings.port), .sin_addr = settings.host};
    struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT}; /* SO_SNDTIMEO bounds connect too: socket(7) */
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        err(1, "SO_SNDTIMEO");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        err(1, "TCP_NODELAY");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        err(1, "O_NONBLOCK");
    *connection = (struct connection){.fd = fd, .place = index * CONNECTION_STRIDE};
    connection->started_at = calloc(settings.depth, sizeof *connection->started_at);
    if (!connection->started_at)
        err(1, "calloc");
    watch(connection, EPOLL_CTL_ADD, false);
}

static void serve_events(uint64_t now, uint64_t until)
{
    struct epoll_event events[BATCH];
    /* Rounded up: a sleep that ends early would be followed by a spin. */
    int milliseconds = (int)((until - now + 999999) / 1000000);
    int count = epoll_wait(epoll_fd, events, BATCH, milliseconds);
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(connection);
        if (connection->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT)
            receive(connection);
    }
}

static void run_until(uint64_t until)
{
    uint64_t now;
    while (live > 0 && (now = read_clock(CLOCK_MONOTONIC)) < until)
        serve_events(now, until);
}

static void print_cpu(const char *name, uint64_t nanoseconds)
{
    printf(", \"%s\": %.9f", name, (double)nanoseconds / 1e9);
}

static void measure(void)
{
    run_until(read_clock(CLOCK_MONOTONIC) + settings.warmup);
    measuring = true;
    uint64_t server = server_cpu(), load = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t begin = read_clock(CLOCK_MONOTONIC);
    run_until(begin + settings.window);
    double seconds = (double)(read_clock(CLOCK_MONOTONIC) - begin) / 1e9;
    load = read_clock(CLOCK_PROCESS_CPUTIME_ID) - load;
    server = server_cpu() - server;

    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.6f, \"messages_per_second\": %.1f", messages, seconds,
           (double)messages / seconds);
    printf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"errors\": %" PRIu64,
           percentile_us(0.50), percentile_us(0.99), percentile_us(0.999), errors);
    print_cpu("load_cpu_seconds", load);
    if (settings.server)
        print_cpu("server_cpu_seconds", server);
    printf("}\n");
}

static uint64_t whole_number(const char *name, const char *text, uint64_t maximum)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || value < 1 || value > maximum)
        errx(2, "%s must be from 1 to %" PRIu64 ", not %s", name, maximum, text);
    return value;
}

static uint64_t duration(const char *name, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= 3600))
        errx(2, "%s must be from 0 to 3600 seconds, not %s", name, text);
    return (uint64_t)(seconds * 1e9);
}

int main(int argc, char **argv)
{
    if (argc != 8 && argc != 9)
        errx(2, "usage: load_stream HOST PORT CONNECTIONS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID]");
    if (inet_pton(AF_INET, argv[1], &settings.host) != 1)
        errx(2, "HOST must be an IPv4 address, not %s", argv[1]);
    settings.port = (uint16_t)whole_number("PORT", argv[2], 65535);
    settings.connections = whole_number("CONNECTIONS", argv[3], 1000000);
    settings.size = whole_number("SIZE", argv[4], 1 << 30);
    settings.depth = whole_number("DEPTH", argv[5], 1 << 20);
    settings.warmup = duration("WARMUP_SECONDS", argv[6]);
    settings.window = duration("SECONDS", argv[7]);
    if (argc == 9)
        settings.server = (pid_t)whole_number("SERVER_PID", argv[8], INT32_MAX);

    fill_pattern();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    struct connection *connections = calloc(settings.connections, sizeof *connections);
    if (!connections)
        err(1, "calloc");
    for (uint64_t i = 0; i < settings.connections; i++)
        open_connection(&connections[i], i);
    live = settings.connections;
    uint64_t now = read_clock(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < settings.connections; i++)
        start(&connections[i], settings.depth, now);
    measure();
    return 0;
}
