/*
 * Closed-loop load of short connections: CONNECTIONS are under way at any time, and each connects,
 * sends SIZE bytes, receives them back, closes, and is followed by the next one at once.
 *
 * The client closes first, as clients do, so TIME_WAIT is on this side and no server is spared its
 * part of an orderly end. For that many connections it takes many addresses: source.h.
 *
 * With TLS each connection makes a handshake first; with --resumed that begins with an earlier one's session.
 *
 * A message's latency goes from before connect to the last byte of the reply.
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#define _GNU_SOURCE
#include "load.h"
#include "source.h"
#include "wire.h"

#include <arpa/inet.h>
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

#define USAGE "load_connect [--resumed] HOST PORT CONNECTIONS SIZE WARMUP_SECONDS SECONDS [SERVER_PID...]"

enum { BATCH = 256, CONNECT_TIMEOUT = 5 /* seconds */ };

struct slot {
    struct wire wire; /* closed once it has failed */
    uint64_t index, place;
    bool sent;
    uint64_t received;
    uint64_t started_at;
    uint64_t completed;
};

static uint64_t connections, size;
static int epoll_fd;
static unsigned char inbound[LOAD_CHUNK];

static void fail(struct slot *slot, const char *reason)
{
    load_failed(slot->index, slot->completed, reason);
    wire_close(&slot->wire);
}

/* In a handshake it goes on when the server has answered. */
static void send_message(struct slot *slot)
{
    ssize_t sent = wire_send(&slot->wire, load_pattern_at(slot->place), size);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent != (ssize_t)size)
        fail(slot, sent < 0 ? strerror(errno) : "sent only in part");
    slot->sent = true;
}

/* connect blocks, but on the loopback device the handshake is over before it would sleep. */
static void begin(struct slot *slot)
{
    struct sockaddr_in address = load_server();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
    struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT}; /* SO_SNDTIMEO bounds connect too: socket(7) */
    slot->received = 0;
    slot->sent = false;
    slot->started_at = load_now();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    source_bind(fd, &address);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        err(1, "SO_SNDTIMEO");
    wire_open(&slot->wire, fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fail(slot, strerror(errno));
        return;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        err(1, "O_NONBLOCK");
    send_message(slot);
    if (slot->wire.fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void receive(struct slot *slot)
{
    if (!slot->sent) {
        send_message(slot);
        return;
    }
    ssize_t count = wire_receive(&slot->wire, inbound, sizeof inbound);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        fail(slot, count == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    if ((uint64_t)count > size - slot->received) {
        fail(slot, "more bytes came back than were sent");
        return;
    }
    if (memcmp(inbound, load_pattern_at(slot->place + slot->received), (size_t)count) != 0) {
        fail(slot, "other bytes came back than were sent");
        return;
    }
    slot->received += (uint64_t)count;
    if (slot->received < size)
        return;
    const char *fault = wire_fault(&slot->wire);
    if (fault) {
        fail(slot, fault);
        return;
    }
    slot->completed++;
    load_complete(load_now() - slot->started_at);
    wire_close(&slot->wire);
    begin(slot);
}

static void serve_events(uint64_t now, uint64_t until)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, load_milliseconds(now, until));
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    /* A slot has one event at most, also when its descriptor's number is taken again within the batch. */
    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
}

int main(int argc, char **argv)
{
    bool resumed = argc > 1 && strcmp(argv[1], "--resumed") == 0;
    const struct load_argument arguments[] = {{"CONNECTIONS", 100000, &connections}, {"SIZE", LOAD_CHUNK, &size}};
    load_parse(argc - resumed, argv + resumed, USAGE, arguments, 2);
    wire_setup(resumed);
    load_fill_pattern(LOAD_BYTES, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    struct slot *slots = calloc(connections, sizeof *slots);
    if (!slots)
        err(1, "calloc");
    load_begin(connections);
    for (uint64_t i = 0; i < connections; i++) {
        slots[i] = (struct slot){.index = i, .place = load_place(i)};
        begin(&slots[i]);
    }
    load_run(serve_events);
    load_answer(NULL, 0);
    return 0;
}
