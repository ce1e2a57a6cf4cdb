/* What completions of the ring mean for the descriptors that they belong to. */

/* What a poll has found of what was asked for; what it found besides is nobody's. */
static int uring__readiness(int events, int interest)
{
    int readiness = 0;

    if (events < 0) /* refused: the next operation will find out why */
        return NC_ERROR | (interest & NC_READ ? NC_READABLE : 0) | (interest & NC_WRITE ? NC_WRITABLE : 0);
    if (events & POLLIN && interest & NC_READ)
        readiness |= NC_READABLE;
    if (events & POLLOUT && interest & NC_WRITE)
        readiness |= NC_WRITABLE;
    if (events & POLLHUP)
        readiness |= NC_HANGUP;
    if (events & POLLERR)
        readiness |= NC_ERROR;
    return readiness;
}

static void uring__polled(uring *u, uring_watch *w, int32_t fd, const struct io_uring_cqe *cqe)
{
    int cancelled = w->poll == URING_CANCELLED;
    int readiness;

    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        w->poll = URING_IDLE;
        u->under_way--;
        if (w->registered)
            uring__later(u, w, fd);
    }
    if (cqe->res == -EBADF) /* closed before it was unregistered, which epoll forgives, and so do we */
        w->registered = w->role = 0;
    if (cqe->res == -ECANCELED || !w->registered || cancelled)
        return;
    readiness = uring__readiness(cqe->res, w->interest);
    if (cqe->res > 0 && cqe->res & POLLRDHUP && !(readiness & NC_READABLE))
        w->halved = 1;
    if (readiness)
        uring__report_later(u, w, fd, readiness);
}

static void uring__received(uring *u, uring_watch *w, const struct io_uring_cqe *cqe)
{
    int result = cqe->res;

    if (cqe->flags & IORING_CQE_F_BUFFER) {
        int32_t buffer = (int32_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        if (result > 0) {
            u->held[buffer].start = 0;
            u->held[buffer].size = result;
            uring__hold(u, w, buffer);
            return;
        }
        uring__recycle(u, buffer);
    }
    if (result == -ENOBUFS) {
        w->direct = 1;
    } else if (result != -ECANCELED && result != -EAGAIN && result != -EINTR) {
        w->ended = 1;
        w->result = result;
    }
}

static void uring__streamed(uring *u, uring_watch *w, int32_t fd, const struct io_uring_cqe *cqe)
{
    uring__received(u, w, cqe);
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        w->stream = URING_IDLE;
        u->under_way--;
    }
    if (!w->registered)
        return;
    uring__report_streamed(u, w, fd);
    if (w->interest & NC_READ && w->stream == URING_IDLE)
        uring__later(u, w, fd);
}

static void uring__complete(uring *u, const struct io_uring_cqe *cqe)
{
    int32_t subject = (int32_t)(cqe->user_data >> 32);
    uring_watch *w;

    switch (cqe->user_data & 0xff) {
    case URING_WAKE:
        u->woken = 1; /* kept for the next wait: whatever else awaits completions may be the first to see it */
        if (!(cqe->flags & IORING_CQE_F_MORE)) {
            u->under_way--;
            if (cqe->res != -ECANCELED)
                uring__poll(u, URING_WAKE, u->waker, POLLIN, 1);
        }
        break;
    case URING_SEND:
        u->under_way--;
        if ((cqe->user_data >> 8 & URING_BATCHES) == (u->batch & URING_BATCHES)) {
            u->sends[subject].result = cqe->res;
            u->sends[subject].state = URING_SENT;
        }
        break;
    case URING_POLL:
    case URING_STREAM:
        w = uring__find(u, subject);
        if (!w)
            break;
        if ((cqe->user_data & 0xff) == URING_POLL)
            uring__polled(u, w, subject, cqe);
        else
            uring__streamed(u, w, subject, cqe);
        break;
    }
}

static void uring__reap(uring *u)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&u->ring, head, cqe) {
        uring__complete(u, cqe);
        count++;
    }
    io_uring_cq_advance(&u->ring, count);
}

/* Submits what is noted and waits until the last completions of all that is cancelled for a descriptor have
 * come; a negative errno where this thread may not use the ring. */
static int uring__settle(uring *u, const uring_watch *w)
{
    while (w->poll == URING_CANCELLED || w->stream == URING_CANCELLED) {
        int result = uring__enable(u);
        if (result == 0)
            result = io_uring_submit_and_wait(&u->ring, 1);
        if (uring__has_failed(result))
            return result;
        uring__reap(u);
    }
    return 0;
}

/* Ends what is under way for a descriptor; `uring__settle` awaits its end. */
static void uring__cancel_all(uring *u, uring_watch *w, int32_t fd)
{
    uring__cancel_stream(u, w, fd);
    uring__cancel_poll(u, w, fd);
}
