#define _GNU_SOURCE
#include "stream.h"
#include "load.h"
#include "replies.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { BATCH = 256, CONNECT_TIMEOUT = 5 /* seconds */ };

static int epoll_fd;
static unsigned char inbound[LOAD_CHUNK];

static void fail(struct stream *stream, const char *reason)
{
    load_failed(stream->index, stream->completed, reason);
    wire_close(&stream->wire);
}

static void watch(struct stream *stream, int operation, bool wants_write)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0), .data.ptr = stream};
    if (epoll_ctl(epoll_fd, operation, stream->wire.fd, &event) < 0)
        err(1, "epoll_ctl");
    stream->wants_write = wants_write;
}

static void flush(struct stream *stream)
{
    while (stream->sent < stream->queued) {
        uint64_t rest = stream->queued - stream->sent;
        ssize_t sent = wire_send(&stream->wire, load_pattern_at(stream->place + stream->sent),
                                 rest < LOAD_CHUNK ? rest : LOAD_CHUNK);
        if (sent < 0 && errno == EAGAIN) {
            if (!stream->wants_write)
                watch(stream, EPOLL_CTL_MOD, true);
            return;
        }
        if (sent < 0) {
            fail(stream, strerror(errno));
            return;
        }
        stream->sent += (uint64_t)sent;
    }
    if (stream->wants_write)
        watch(stream, EPOLL_CTL_MOD, false);
}

static void receive(struct stream *stream)
{
    ssize_t count = wire_receive(&stream->wire, inbound, sizeof inbound);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        fail(stream, count == 0 ? "closed by the server" : strerror(errno));
        return;
    }
    const char *wrong = replies_take(stream, inbound, (uint64_t)count);
    if (wrong)
        fail(stream, wrong);
}

void stream_setup(void (*on_replies)(struct stream *stream, uint64_t count, uint64_t now))
{
    wire_setup(false);
    replies_setup(on_replies);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
}

void stream_open(struct stream *stream, uint64_t index, uint64_t message)
{
    struct sockaddr_in address = load_server();
    struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT}; /* SO_SNDTIMEO bounds connect, too: socket(7) */
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
        err(1, "SO_SNDTIMEO, SO_RCVTIMEO");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        err(1, "TCP_NODELAY");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect");
    struct wire wire;
    wire_open(&wire, fd);
    if (!wire_greet(&wire))
        errx(1, "connection %" PRIu64 ": no handshake", index);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        err(1, "O_NONBLOCK");
    *stream = (struct stream){.wire = wire, .index = index, .place = load_place(index), .message = message};
    watch(stream, EPOLL_CTL_ADD, false);
}

void stream_send(struct stream *stream, uint64_t count)
{
    if (stream->wire.fd < 0)
        return;
    stream->queued += count * stream->message;
    flush(stream);
}

void stream_wait(int milliseconds)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, milliseconds);
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++) {
        struct stream *stream = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(stream);
        if (stream->wire.fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT)
            receive(stream);
    }
}
