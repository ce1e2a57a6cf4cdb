/*
 * Closed-loop load for a stream echo server: every connection keeps DEPTH messages under way and
 * sends the next one when a reply is complete.
 *
 * All connections send from one repeating pattern, each from a place of its own in it, so one memcmp
 * per recv finds a reply that is damaged, repeated, out of order or somebody else's. With --frames
 * each message is a frame of SIZE bytes behind four bytes of big-endian length.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define USAGE \
    "load_stream [--frames] HOST PORT CONNECTIONS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID]"

enum { BATCH = 256, CONNECT_TIMEOUT = 5 /* seconds */, LENGTH_FIELD = 4 };

struct connection {
    int fd; /* -1 once it has failed */
    bool wants_write;
    uint64_t index;
    uint64_t place;                  /* where in the pattern its stream begins */
    uint64_t queued, sent, received; /* bytes since the beginning; queued >= sent >= received */
    uint64_t started, completed;     /* messages since the beginning */
    uint64_t *started_at;            /* of the messages under way, a ring of depth */
};

static uint64_t connections, size, depth;
static uint64_t message; /* bytes on the wire */
static int epoll_fd;
static unsigned char inbound[LOAD_CHUNK];

static void fail(struct connection *connection, const char *reason)
{
    load_failed(connection->index, connection->completed, reason);
    close(connection->fd);
    connection->fd = -1;
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
        ssize_t sent = send(connection->fd, load_pattern_at(connection->place + connection->sent),
                            rest < LOAD_CHUNK ? rest : LOAD_CHUNK, MSG_NOSIGNAL);
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
        connection->started_at[connection->started++ % depth] = now;
        connection->queued += message;
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
    if (memcmp(inbound, load_pattern_at(connection->place + connection->received), (size_t)count) != 0) {
        fail(connection, "other bytes came back than were sent");
        return;
    }
    connection->received += (uint64_t)count;
    uint64_t now = load_now();
    uint64_t complete = connection->received / message - connection->completed;
    for (uint64_t i = 0; i < complete; i++)
        load_complete(now - connection->started_at[connection->completed++ % depth]);
    if (complete > 0)
        start(connection, complete, now);
}

static void open_connection(struct connection *connection, uint64_t index)
{
    struct sockaddr_in address = load_server();
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
    *connection = (struct connection){.fd = fd, .index = index, .place = load_place(index)};
    connection->started_at = calloc(depth, sizeof *connection->started_at);
    if (!connection->started_at)
        err(1, "calloc");
    watch(connection, EPOLL_CTL_ADD, false);
}

static void serve_events(uint64_t now, uint64_t until)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, load_milliseconds(now, until));
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

int main(int argc, char **argv)
{
    bool frames = argc > 1 && strcmp(argv[1], "--frames") == 0;
    const struct load_argument arguments[] = {
        {"CONNECTIONS", 1000000, &connections}, {"SIZE", 1 << 30, &size}, {"DEPTH", 1 << 20, &depth}};
    load_parse(argc - frames, argv + frames, USAGE, arguments, 3);
    message = frames ? size + LENGTH_FIELD : size;

    load_fill_pattern(frames ? size : 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    struct connection *all = calloc(connections, sizeof *all);
    if (!all)
        err(1, "calloc");
    for (uint64_t i = 0; i < connections; i++)
        open_connection(&all[i], i);
    load_begin(connections);
    uint64_t now = load_now();
    for (uint64_t i = 0; i < connections; i++)
        start(&all[i], depth, now);
    load_measure(serve_events, NULL);
    return 0;
}
