/* The ring behind the io_uring backend: the state of each descriptor, and the requests made for it.
 *
 * Each descriptor has at most one poll request and one multishot receive under way.
 * Each of the two is idle, armed, or cancelled; a cancelled one has ended only when its last completion has
 * been seen, and until then it holds the kernel's file open and may still use a buffer. What arrived is
 * held in the ring's provided buffers until it is asked for.
 */

#include <liburing.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_io_uring_register
#define SYS_io_uring_register 427 /* headers older than the kernel that will run this lack it */
#endif

enum {
    URING_SUBMISSIONS = 512,
    URING_COMPLETIONS = 4096,
    URING_BUFFERS = 512,       /* a power of two */
    URING_BUFFER_SIZE = 4096,  /* longer messages cost less in a plain recv: see `direct` */
    URING_GROUP = 0,           /* the provided buffers' number */
    URING_PAGE = 1024,         /* descriptors whose state is allocated at once */
    URING_PAGES = 16384,
    URING_PATIENCE = 64        /* attempts to submit while the kernel is short of memory */
};

/* What a completion belongs to: the low byte of its user data. The high half is the descriptor, or of a
 * send its place in the batch, whose number is in between. */
enum { URING_WAKE = 1, URING_POLL, URING_STREAM, URING_SEND, URING_CANCEL };

enum { URING_BATCHES = 0xffffff };

enum { URING_IDLE, URING_ARMED, URING_CANCELLED };

/* A listener is a plain descriptor: what the ring accepted ahead would be open beyond every limit, and would be
 * lost to who takes the listener over when this process ends. */
enum { URING_UNKNOWN, URING_PLAIN, URING_CONNECTION };

typedef struct {
    uint8_t registered;
    uint8_t interest;
    uint8_t role;
    uint8_t poll;   /* state of the poll request */
    uint8_t stream; /* state of the multishot request */
    uint8_t direct; /* read by poll and recv, since the buffers ran out */
    uint8_t ended;  /* `result` is to be told once the held bytes are gone */
    uint8_t halved; /* the peer has shut down its half, as a poll has told that was not for reading */
    uint8_t ready;  /* what the next wait reports */
    uint8_t on_ready, on_later;
    int16_t mask;   /* what the poll request is for */
    int32_t result;
    int32_t first, last; /* held buffers; -1 is none */
    int32_t held;
    int32_t next_ready, next_later;
    uint32_t batch; /* the batch of sends that it was last part of */
} uring_watch;

typedef struct {
    int32_t first, last;
} uring_list;

/* A provided buffer that waits to be asked for. */
typedef struct {
    int32_t next;
    int32_t start;
    int32_t size;  /* 0 of one that holds nothing */
} uring_held;

typedef struct {
    int first, last; /* chunks */
    size_t total;
    intptr_t result;
    int state;
    struct msghdr message;
} uring_sending;

enum { URING_NOTED, URING_SENT, URING_WITHDRAWN };

/* Lies in memory that a fork leaves empty in the child (MADV_WIPEONFORK): the ring is the parent's. */
typedef struct {
    int open;
    int enabled;
    struct io_uring ring;
    int waker;
    struct io_uring_buf_ring *group;
    char *buffers;
    uring_held held[URING_BUFFERS];
    uring_list ready; /* to be reported */
    uring_list later; /* to be looked at before the next wait */
    int under_way;    /* requests whose last completion is to come */
    int woken;        /* a wake has come that no wait has ended for yet */
    uint32_t batch;
    int sending;
    int parts;
    uring_sending sends[URING_SUBMISSIONS];
    struct iovec vector[URING_SUBMISSIONS];
    uring_watch *pages[URING_PAGES];
} uring;

static uring *uring__of(const nc_poller *poller)
{
    uring *u = (uring *)(intptr_t)poller->handle;
    return poller->handle > 0 && u->open ? u : NULL;
}

/* Returns the state of a descriptor; NULL where there is none yet. */
static uring_watch *uring__find(uring *u, nc_socket socket)
{
    if (socket < 0 || socket >= (nc_socket)URING_PAGE * URING_PAGES || !u->pages[socket / URING_PAGE])
        return NULL;
    return &u->pages[socket / URING_PAGE][socket % URING_PAGE];
}

static uring_watch *uring__make(uring *u, nc_socket socket)
{
    uring_watch *page;

    if (socket < 0 || socket >= (nc_socket)URING_PAGE * URING_PAGES)
        return NULL;
    if (!u->pages[socket / URING_PAGE]) {
        page = calloc(URING_PAGE, sizeof *page);
        if (!page)
            return NULL;
        for (int i = 0; i < URING_PAGE; i++)
            page[i].first = page[i].last = -1;
        u->pages[socket / URING_PAGE] = page;
    }
    return uring__find(u, socket);
}

static void uring__later(uring *u, uring_watch *w, int32_t fd)
{
    if (w->on_later)
        return;
    w->on_later = 1;
    w->next_later = -1;
    if (u->later.first < 0)
        u->later.first = fd;
    else
        uring__find(u, u->later.last)->next_later = fd;
    u->later.last = fd;
}

static void uring__report_later(uring *u, uring_watch *w, int32_t fd, int readiness)
{
    w->ready |= (uint8_t)readiness;
    if (w->on_ready)
        return;
    w->on_ready = 1;
    w->next_ready = -1;
    if (u->ready.first < 0)
        u->ready.first = fd;
    else
        uring__find(u, u->ready.last)->next_ready = fd;
    u->ready.last = fd;
}

/* Reports what the multishot request has brought and nobody has asked for. Its error is one of the socket where
 * reading is not wanted: the request has taken it from the socket, so that no poll will find it. */
static void uring__report_streamed(uring *u, uring_watch *w, int32_t fd)
{
    if (w->interest & NC_READ) {
        if (w->held || w->ended)
            uring__report_later(u, w, fd, NC_READABLE);
    } else if (w->role == URING_CONNECTION && w->ended && w->result < 0) {
        uring__report_later(u, w, fd, NC_ERROR);
    }
}

/* Held buffers. */

static void uring__hold(uring *u, uring_watch *w, int32_t buffer)
{
    u->held[buffer].next = -1;
    if (w->first < 0)
        w->first = buffer;
    else
        u->held[w->last].next = buffer;
    w->last = buffer;
    w->held++;
}

static int32_t uring__unhold(const uring *u, uring_watch *w)
{
    int32_t buffer = w->first;
    w->first = u->held[buffer].next;
    w->held--;
    return buffer;
}

static void uring__recycle(uring *u, int32_t buffer)
{
    u->held[buffer].size = 0;
    io_uring_buf_ring_add(u->group, u->buffers + (size_t)buffer * URING_BUFFER_SIZE, URING_BUFFER_SIZE,
                          (unsigned short)buffer, io_uring_buf_ring_mask(URING_BUFFERS), 0);
    io_uring_buf_ring_advance(u->group, 1);
}

/* Talking to the kernel. */

/* A ring that only one thread may submit to takes for that the one that enables it: the loop's own, which
 * need not be the one that opened it. */
static int uring__enable(uring *u)
{
    int result;

    if (u->enabled)
        return 0;
    /* Not by liburing's function, which 2.3 declares and does not export. */
    result = (int)syscall(SYS_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (result < 0)
        return -errno;
    u->enabled = 1;
    return 0;
}

/* Whether a call that talks to the kernel has failed for good; EAGAIN is want of memory (io_uring_enter(2)). */
static int uring__has_failed(int result)
{
    return result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN && result != -EBUSY;
}

/* Makes room for a request, submitting what is there if need be. */
static int uring__request(uring *u, int kind, uint32_t subject, struct io_uring_sqe **made)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    for (int attempt = 0; !sqe; attempt++) {
        int result = uring__enable(u);
        if (result == 0)
            result = io_uring_submit(&u->ring);
        if (uring__has_failed(result) || (result < 0 && attempt == URING_PATIENCE))
            return result;
        sqe = io_uring_get_sqe(&u->ring);
    }
    memset(sqe, 0, sizeof *sqe);
    sqe->user_data = (uint64_t)subject << 32 | (unsigned)kind;
    *made = sqe;
    return 0;
}

static int uring__cancel(uring *u, int kind, int32_t fd)
{
    struct io_uring_sqe *sqe;
    int result = uring__request(u, URING_CANCEL, 0, &sqe);

    if (result < 0)
        return result;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = (uint64_t)(uint32_t)fd << 32 | (unsigned)kind;
    return 0;
}

static int uring__cancel_poll(uring *u, uring_watch *w, int32_t fd)
{
    int result = w->poll == URING_ARMED ? uring__cancel(u, URING_POLL, fd) : 0;

    if (w->poll == URING_ARMED && result == 0)
        w->poll = URING_CANCELLED;
    return result;
}

static int uring__cancel_stream(uring *u, uring_watch *w, int32_t fd)
{
    int result = w->stream == URING_ARMED ? uring__cancel(u, URING_STREAM, fd) : 0;

    if (w->stream == URING_ARMED && result == 0)
        w->stream = URING_CANCELLED;
    return result;
}

static int uring__poll(uring *u, int kind, int32_t fd, int mask, int multishot)
{
    struct io_uring_sqe *sqe;
    int result = uring__request(u, kind, (uint32_t)fd, &sqe);

    if (result < 0)
        return result;
    /* Named, or the kernel drops them where it looks again before it reports. */
    io_uring_prep_poll_add(sqe, fd, (unsigned)mask | POLLERR | POLLHUP);
    sqe->len = multishot ? IORING_POLL_ADD_MULTI : 0;
    sqe->user_data = (uint64_t)(uint32_t)fd << 32 | (unsigned)kind;
    u->under_way++;
    return 0;
}

static int uring__start_stream(uring *u, uring_watch *w, int32_t fd)
{
    struct io_uring_sqe *sqe;
    int result = uring__request(u, URING_STREAM, (uint32_t)fd, &sqe);

    if (result < 0)
        return result;
    sqe->fd = fd;
    sqe->opcode = IORING_OP_RECV;
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_GROUP;
    w->stream = URING_ARMED;
    u->under_way++;
    return 0;
}

/* Brings what is under way for a descriptor in line with what is wanted of it. */
static int uring__update(uring *u, uring_watch *w, int32_t fd)
{
    int reads = w->registered && w->interest & NC_READ && w->role == URING_CONNECTION;
    int by_stream = reads && !w->direct && !w->ended;
    int mask = 0;
    int result = 0;

    if (w->registered && w->interest & NC_WRITE)
        mask |= POLLOUT;
    if (w->registered && w->interest & NC_READ && (!reads || (w->direct && !w->ended)))
        mask |= POLLIN;
    if (!by_stream)
        result = uring__cancel_stream(u, w, fd);
    else if (w->stream == URING_IDLE)
        result = uring__start_stream(u, w, fd);
    if (result < 0)
        return result;
    if (w->poll == URING_ARMED && w->mask != mask)
        return uring__cancel_poll(u, w, fd);
    if (w->poll == URING_IDLE && w->registered && (mask || !by_stream)) {
        result = uring__poll(u, URING_POLL, fd, mask, w->interest & NC_EDGE || w->halved);
        if (result == 0) {
            w->poll = URING_ARMED;
            w->mask = (int16_t)mask;
        }
    }
    return result;
}
