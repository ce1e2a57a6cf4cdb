/* io_uring(7): readiness, and bytes, from completions.
 *
 * Descriptors are watched by poll requests: single ones, asked again before the next wait, are
 * level-triggered; multishot ones are edges. A poll tells of POLLRDHUP unasked (IO_POLL_UNMASK in the kernel's
 * io_uring/poll.c): once the peer has shut down its half, a single one that is not for reading would end at once
 * and for ever. Such a descriptor is watched by a multishot one, which is made anew after each report. Sockets that were adopted (see io_uring_sockets.c) are read by
 * a multishot request instead, and are readable while what it brought has not been asked for.
 *
 * NC_EXCLUSIVE is not passed on: a poll request takes an exclusive wake for itself though nobody waits on the ring
 * (io_poll_wake there), so that one busy process would keep what comes from all those that are idle.
 *
 * The waker is an eventfd(2) under a multishot poll: each write to it is one more edge, so it is never read.
 */

/* Seconds until what the kernel had no memory for is tried again. */
#define URING_SOON 0.01

static int uring__add(uring *u, nc_socket socket, int interest, int role)
{
    uring_watch *w = uring__make(u, socket);
    int result;

    if (!w)
        return socket < 0 ? -EBADF : -ENOMEM;
    if (w->registered)
        return -EEXIST;
    result = platform__check_descriptor(socket);
    if (result < 0)
        return result;
    w->registered = 1;
    w->interest = (uint8_t)interest;
    w->role = (uint8_t)role;
    w->ready = 0;
    w->halved = 0;
    uring__report_streamed(u, w, (int32_t)socket);
    result = uring__update(u, w, (int32_t)socket);
    if (result < 0)
        w->registered = 0;
    return result;
}

static int uring__modify(uring *u, uring_watch *w, int32_t fd, int interest)
{
    /* An edge is told once; to ask again, even for the same, is to be told again. */
    int result = (interest | w->interest) & NC_EDGE ? uring__cancel_poll(u, w, fd) : 0;

    if (result < 0)
        return result;
    w->interest = (uint8_t)interest;
    w->ready = 0;
    uring__report_streamed(u, w, fd);
    return uring__update(u, w, fd);
}

/* Ends what is under way. An adopted socket is released before it is closed, many at once; of another
 * descriptor the ring must hold nothing when this returns. */
static int uring__remove(uring *u, uring_watch *w, int32_t fd)
{
    w->registered = 0;
    w->ready = 0;
    uring__cancel_all(u, w, fd);
    if (w->role != URING_PLAIN)
        return 0;
    w->role = URING_UNKNOWN; /* a socket that has been dialled is adopted next */
    return uring__settle(u, w);
}

int nc_io_uring_control(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    uring *u = uring__of(poller);
    uring_watch *w;

    if (!u)
        return -EBADF;
    if (operation == NC_ADD)
        return uring__add(u, socket, interest, URING_PLAIN);
    w = uring__find(u, socket);
    if (!w || !w->registered)
        return -ENOENT;
    if (operation == NC_MODIFY)
        return uring__modify(u, w, (int32_t)socket, interest);
    return uring__remove(u, w, (int32_t)socket);
}

/* Looks again at what the last wait has reported: what is still held is still ready, and polls that have
 * fired are asked again. What cannot be, for want of memory, is left for the next time. */
static int uring__look_again(uring *u)
{
    int32_t fd = u->later.first;
    int result = 0;

    u->later.first = -1;
    while (fd >= 0) {
        uring_watch *w = uring__find(u, fd);
        int32_t next = w->next_later;
        w->on_later = 0;
        if (w->registered && result == 0) {
            if (!(w->interest & NC_EDGE)) {
                uring__report_streamed(u, w, fd);
                if (w->halved)
                    result = uring__cancel_poll(u, w, fd);
            }
            if (result == 0)
                result = uring__update(u, w, fd);
        }
        if (result < 0)
            uring__later(u, w, fd);
        fd = next;
    }
    return result;
}

/* Submits what is noted, and waits for a completion unless `timeout` is 0; below 0 it is no limit. */
static int uring__enter(uring *u, double timeout)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec spec;
    double bounded = timeout < 1e9 ? timeout : 1e9;

    if (timeout == 0)
        return io_uring_submit_and_get_events(&u->ring);
    if (timeout < 0)
        return io_uring_submit_and_wait(&u->ring, 1);
    spec.tv_sec = (int64_t)bounded;
    spec.tv_nsec = (int64_t)((bounded - (double)spec.tv_sec) * 1e9);
    if (spec.tv_nsec < 999999999)
        spec.tv_nsec++; /* rounded up */
    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &spec, NULL);
}

/* The kernel works off about twenty completions and leaves the rest for the next call, unless more are
 * asked for. As many as are here already can be asked for without waiting. */
static void uring__enter_for_more(uring *u, int capacity)
{
    unsigned here = io_uring_cq_ready(&u->ring);

    while (here && here < (unsigned)capacity && *u->ring.sq.kflags & IORING_SQ_TASKRUN) {
        if (io_uring_submit_and_wait(&u->ring, here) < 0)
            return;
        if (io_uring_cq_ready(&u->ring) == here)
            return;
        here = io_uring_cq_ready(&u->ring);
    }
}

static int uring__report(uring *u, nc_poller *poller, int capacity, nc_socket *sockets, int *readiness)
{
    int count = 0;

    poller->seen = 0;

    while (count < capacity && u->ready.first >= 0) {
        int32_t fd = u->ready.first;
        uring_watch *w = uring__find(u, fd);
        u->ready.first = w->next_ready;
        w->on_ready = 0;
        if (!w->registered || !w->ready)
            continue;
        sockets[count] = fd;
        readiness[count++] = w->ready;
        poller->seen |= w->ready;
        w->ready = 0;
        uring__later(u, w, fd);
    }
    return count;
}

int nc_io_uring_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness)
{
    uring *u = uring__of(poller);
    int result = u ? uring__enable(u) : -EBADF;

    if (result < 0)
        return result;
    /* Twice, where all that came is a request that has to be made anew. */
    for (int pass = 0; pass < 2; pass++) {
        int count;
        result = uring__look_again(u);
        if (result < 0 && !uring__has_failed(result) && (timeout < 0 || timeout > URING_SOON))
            timeout = URING_SOON;
        if (!uring__has_failed(result))
            result = uring__enter(u, pass || u->woken || u->ready.first >= 0 ? 0 : timeout);
        if (uring__has_failed(result))
            return result;
        uring__enter_for_more(u, capacity);
        uring__reap(u);
        u->woken = 0;
        count = uring__report(u, poller, capacity, sockets, readiness);
        if (count || u->later.first < 0)
            return count;
    }
    return 0;
}

/* A ring is readable while it has completions; what has been taken out of it already makes it readable by a wake. */
int nc_io_uring_fileno(nc_poller *poller)
{
    uring *u = uring__of(poller);
    int result = u ? uring__make_pollable(u, poller) : -EBADF;

    if (result == 0)
        result = uring__enable(u);
    if (result == 0)
        result = uring__look_again(u);
    if (result == 0)
        result = io_uring_submit(&u->ring);
    if (!uring__has_failed(result))
        result = u->woken || u->ready.first >= 0 ? nc_io_uring_wake(poller) : 0;
    return result < 0 ? result : u->ring.ring_fd;
}

int nc_io_uring_wake(nc_poller *poller)
{
    uint64_t one = 1;
    return write((int)poller->waker, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}
