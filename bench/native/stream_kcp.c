#define _GNU_SOURCE
#include "kcp.h"
#include "load.h"
#include "replies.h"
#include "stream.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    BATCH = 64,
    LARGEST = 1500, /* bytes of a datagram: what no peer is told to exceed */
    SOCKET_BUFFER = 4 << 20, /* the kernel takes as much of it as net.core.rmem_max and wmem_max allow */
};

static const uint64_t MILLISECOND = 1000000; /* nanoseconds */

struct session {
    struct kcp kcp;
    struct stream *stream;
    bool is_receiving; /* what is to be sent waits for the end of what has come */
};

static int epoll_fd;
static struct session **sessions; /* by the index of the stream */
static uint64_t session_count;
static uint32_t first_conversation;
static unsigned char inbound[BATCH][LARGEST], outbound[BATCH][KCP_MTU];
static struct mmsghdr received[BATCH], sending[BATCH];
static struct iovec inbound_at[BATCH], outbound_at[BATCH];
static unsigned batched; /* datagrams in `sending`, of the session that is flushed */

static uint32_t milliseconds_now(void)
{
    return (uint32_t)(load_now() / MILLISECOND);
}

static void fail(struct stream *stream, const char *reason)
{
    load_failed(stream->index, stream->completed, reason);
    wire_close(&stream->wire);
}

/* What the socket does not take is lost, and sent again when its time has come. */
static void send_batch(struct stream *stream)
{
    if (batched > 0 && stream->wire.fd >= 0 && sendmmsg(stream->wire.fd, sending, batched, MSG_DONTWAIT) < 0 &&
        errno != EAGAIN)
        fail(stream, strerror(errno));
    batched = 0;
}

static void add_to_batch(struct kcp *kcp, const unsigned char *datagram, size_t size)
{
    memcpy(outbound[batched], datagram, size);
    outbound_at[batched].iov_len = size;
    if (++batched == BATCH)
        send_batch(((struct session *)kcp)->stream); /* its first member */
}

static void flush(struct session *session)
{
    struct stream *stream = session->stream;
    kcp_flush(&session->kcp, stream->queued, milliseconds_now());
    stream->sent = session->kcp.cut;
    send_batch(stream);
}

static bool take(struct kcp *kcp, const unsigned char *payload, uint32_t length)
{
    struct stream *stream = ((struct session *)kcp)->stream;
    const char *wrong = replies_take(stream, payload, length);
    if (wrong)
        fail(stream, wrong);
    return !wrong;
}

static void receive(struct session *session)
{
    struct stream *stream = session->stream;
    int count = recvmmsg(stream->wire.fd, received, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count < 0) {
        fail(stream, strerror(errno));
        return;
    }
    uint32_t now = milliseconds_now();
    session->is_receiving = true;
    for (int i = 0; i < count && stream->wire.fd >= 0; i++)
        if (!kcp_input(&session->kcp, inbound[i], received[i].msg_len, now) && stream->wire.fd >= 0)
            fail(stream, "what came back is not of the session");
    session->is_receiving = false;
    if (stream->wire.fd >= 0)
        flush(session);
}

static void prepare_batches(void)
{
    for (size_t i = 0; i < BATCH; i++) {
        inbound_at[i] = (struct iovec){inbound[i], LARGEST};
        outbound_at[i] = (struct iovec){outbound[i], 0};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &inbound_at[i], .msg_iovlen = 1};
        sending[i].msg_hdr = (struct msghdr){.msg_iov = &outbound_at[i], .msg_iovlen = 1};
    }
}

void stream_setup(void (*on_replies)(struct stream *stream, uint64_t count, uint64_t now))
{
    wire_setup(false);
    replies_setup(on_replies);
    kcp_setup(take, add_to_batch);
    prepare_batches();
    first_conversation = (uint32_t)load_now(); /* other than those of a run before */
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
}

static int open_socket(void)
{
    struct sockaddr_in address = load_server();
    int room = SOCKET_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0)
        err(1, "SO_RCVBUF, SO_SNDBUF");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect");
    return fd;
}

/* Nothing is sent for it, since KCP has no handshake. */
void stream_open(struct stream *stream, uint64_t index, uint64_t message)
{
    *stream = (struct stream){.index = index, .place = load_place(index), .message = message};
    wire_open(&stream->wire, open_socket());
    if (index >= session_count) {
        session_count = index + 1;
        sessions = realloc(sessions, session_count * sizeof *sessions);
    }
    struct session *session = malloc(sizeof *session);
    if (!sessions || !session)
        err(1, "malloc");
    session->stream = stream;
    session->is_receiving = false;
    kcp_open(&session->kcp, first_conversation + (uint32_t)index, stream->place);
    sessions[index] = session;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, stream->wire.fd, &event) < 0)
        err(1, "epoll_ctl");
}

void stream_send(struct stream *stream, uint64_t count)
{
    struct session *session = sessions[stream->index];
    if (stream->wire.fd < 0)
        return;
    stream->queued += count * stream->message;
    if (!session->is_receiving)
        flush(session);
}

static void sweep(void)
{
    for (uint64_t i = 0; i < session_count; i++)
        if (sessions[i]->stream->wire.fd >= 0)
            flush(sessions[i]);
}

void stream_wait(int milliseconds)
{
    static uint64_t next_sweep;
    struct epoll_event events[BATCH];
    uint64_t now = load_now();
    if (now >= next_sweep) {
        next_sweep = now + KCP_INTERVAL * MILLISECOND;
        sweep();
    }
    int rest = load_milliseconds(now, next_sweep);
    int count = epoll_wait(epoll_fd, events, BATCH, milliseconds < rest ? milliseconds : rest);
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++) {
        struct session *session = events[i].data.ptr;
        if (session->stream->wire.fd >= 0)
            receive(session);
    }
}
