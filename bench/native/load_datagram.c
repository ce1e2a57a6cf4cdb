/*
 * Closed-loop load for a datagram echo server: every socket keeps DEPTH datagrams under way and sends
 * the next one when a reply has come; receives and sends go in batches.
 *
 * A datagram names its slot among the DEPTH and which use of that slot it is; the rest of it depends on both,
 * so a reply that is damaged, cut or somebody else's is found. Datagrams may be lost: one not
 * answered within RESEND_AFTER counts as lost and its slot is used anew; an answer that comes later is ignored.
 *
 * Prints one line of JSON. The first failure of each socket goes to stderr and is counted.
 */
#define _GNU_SOURCE
#include "load.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE "load_datagram HOST PORT SOCKETS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID...]"

enum { BATCH = 64, LARGEST = 65507 /* of an IPv4 datagram */, RECEIVE_BUFFER = 1 << 20 };

static const uint64_t RESEND_AFTER = 200000000, SWEEP_INTERVAL = 50000000; /* nanoseconds */

struct stamp {
    uint32_t slot, use;
};

struct slot {
    uint32_t use;
    uint64_t started_at;
};

struct endpoint {
    int fd; /* -1 once it has failed */
    uint64_t index, place, completed;
    struct slot *slots;
};

static uint64_t sockets, size, depth;
static uint64_t lost;
static int epoll_fd;
static struct endpoint *endpoints;
static unsigned char *inbound, *outbound; /* BATCH datagrams each */
static struct mmsghdr received[BATCH], sending[BATCH];
static struct iovec inbound_at[BATCH], outbound_at[BATCH];

static void fail(struct endpoint *endpoint, const char *reason)
{
    load_failed(endpoint->index, endpoint->completed, reason);
    close(endpoint->fd);
    endpoint->fd = -1;
}

static const unsigned char *content(const struct endpoint *endpoint, struct stamp stamp)
{
    return load_pattern_at(endpoint->place + (uint64_t)stamp.use * 31 + stamp.slot);
}

static void compose(struct endpoint *endpoint, uint32_t slot, unsigned char *datagram, uint64_t now)
{
    struct stamp stamp = {.slot = slot, .use = ++endpoint->slots[slot].use};
    endpoint->slots[slot].started_at = now;
    memcpy(datagram, &stamp, sizeof stamp);
    memcpy(datagram + sizeof stamp, content(endpoint, stamp), size - sizeof stamp);
}

/* What the socket does not take counts as lost when its time has come. */
static void send_composed(struct endpoint *endpoint, unsigned count)
{
    if (count > 0 && sendmmsg(endpoint->fd, sending, count, MSG_DONTWAIT) < 0 && errno != EAGAIN)
        fail(endpoint, strerror(errno));
}

/* Returns whether the reply is the one its slot waits for. */
static bool check(struct endpoint *endpoint, int i, uint32_t *slot)
{
    const unsigned char *datagram = inbound + (size_t)i * size;
    struct stamp stamp;
    if (received[i].msg_len != size || received[i].msg_hdr.msg_flags & MSG_TRUNC) {
        fail(endpoint, "a reply of another size came back");
        return false;
    }
    memcpy(&stamp, datagram, sizeof stamp);
    if (stamp.slot >= depth || stamp.use > endpoint->slots[stamp.slot].use ||
        memcmp(datagram + sizeof stamp, content(endpoint, stamp), size - sizeof stamp) != 0) {
        fail(endpoint, "other bytes came back than were sent");
        return false;
    }
    *slot = stamp.slot;
    return stamp.use == endpoint->slots[stamp.slot].use;
}

static void receive(struct endpoint *endpoint)
{
    int count = recvmmsg(endpoint->fd, received, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count < 0) {
        fail(endpoint, strerror(errno));
        return;
    }
    uint64_t now = load_now();
    unsigned next = 0;
    for (int i = 0; i < count; i++) {
        uint32_t slot;
        if (check(endpoint, i, &slot)) {
            endpoint->completed++;
            load_complete(now - endpoint->slots[slot].started_at);
            compose(endpoint, slot, outbound + next++ * size, now);
        }
        if (endpoint->fd < 0)
            return;
    }
    send_composed(endpoint, next);
}

static void sweep(uint64_t now)
{
    for (uint64_t i = 0; i < sockets; i++) {
        struct endpoint *endpoint = &endpoints[i];
        unsigned next = 0;
        for (uint32_t slot = 0; endpoint->fd >= 0 && slot < depth; slot++) {
            if (now - endpoint->slots[slot].started_at < RESEND_AFTER)
                continue;
            lost += load_measuring() && endpoint->slots[slot].use > 0;
            compose(endpoint, slot, outbound + next++ * size, now);
            if (next == BATCH) {
                send_composed(endpoint, next);
                next = 0;
            }
        }
        if (endpoint->fd >= 0)
            send_composed(endpoint, next);
    }
}

static void serve_events(uint64_t now, uint64_t until)
{
    static uint64_t next_sweep;
    struct epoll_event events[BATCH];
    if (now >= next_sweep) {
        sweep(now);
        next_sweep = now + SWEEP_INTERVAL;
    }
    int count = epoll_wait(epoll_fd, events, BATCH, load_milliseconds(now, until < next_sweep ? until : next_sweep));
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
}

static void open_endpoint(struct endpoint *endpoint, uint64_t index)
{
    struct sockaddr_in address = load_server();
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = endpoint};
    int room = RECEIVE_BUFFER; /* the kernel takes as much of it as net.core.rmem_max allows */
    *endpoint = (struct endpoint){.index = index, .place = load_place(index)};
    endpoint->slots = calloc(depth, sizeof *endpoint->slots); /* started at 0: the first sweep sends them all */
    endpoint->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (!endpoint->slots || endpoint->fd < 0)
        err(1, "socket");
    if (setsockopt(endpoint->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) < 0)
        err(1, "SO_RCVBUF");
    if (connect(endpoint->fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, endpoint->fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void prepare_batches(void)
{
    inbound = malloc(BATCH * size);
    outbound = malloc(BATCH * size);
    if (!inbound || !outbound)
        err(1, "malloc");
    for (size_t i = 0; i < BATCH; i++) {
        inbound_at[i] = (struct iovec){inbound + i * size, size};
        outbound_at[i] = (struct iovec){outbound + i * size, size};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &inbound_at[i], .msg_iovlen = 1};
        sending[i].msg_hdr = (struct msghdr){.msg_iov = &outbound_at[i], .msg_iovlen = 1};
    }
}

int main(int argc, char **argv)
{
    const struct load_argument arguments[] = {
        {"SOCKETS", 10000, &sockets}, {"SIZE", LARGEST, &size}, {"DEPTH", 1 << 16, &depth}};
    load_parse(argc, argv, USAGE, arguments, 3);
    if (size < sizeof(struct stamp))
        errx(2, "SIZE must be at least %zu", sizeof(struct stamp));
    load_fill_pattern(LOAD_BYTES, 0);
    prepare_batches();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    endpoints = calloc(sockets, sizeof *endpoints);
    if (!endpoints)
        err(1, "calloc");
    for (uint64_t i = 0; i < sockets; i++)
        open_endpoint(&endpoints[i], i);
    load_begin(sockets);
    load_run(serve_events);
    const struct load_figure figures[] = {{"lost", (double)lost}};
    load_answer(figures, 1);
    return 0;
}
