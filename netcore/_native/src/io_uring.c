/* io_uring(7): readiness, and bytes, from completions.
 *
 * Descriptors are watched by poll requests: single ones, asked again before the next wait, are
 * level-triggered; multishot ones are edges. Sockets that were adopted (see io_uring_sockets.c) are read by
 * a multishot request instead, and are readable while what it brought has not been asked for.
 *
 * The waker is an eventfd(2) under a multishot poll: each write to it is one more edge, so it is never read.
 */

/* From the most that is known to the least: one thread submits, and completions are worked off only when
 * that thread asks for them (Linux 6.1), or at its system calls (5.19), or by interrupting it. */
static const unsigned uring__modes[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

enum { URING_MODES = sizeof uring__modes / sizeof *uring__modes };

static int uring__open_ring(uring *u, int mode)
{
    int result = -EINVAL;

    for (; mode < URING_MODES && result == -EINVAL; mode++) {
        struct io_uring_params params = {.flags = uring__modes[mode] | IORING_SETUP_R_DISABLED |
                                                  IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
                                         .cq_entries = URING_COMPLETIONS};
        result = io_uring_queue_init_params(URING_SUBMISSIONS, &u->ring, &params);
    }
    return result == -EINVAL ? -ENOSYS : result;
}

/* Multishot receive has no probe of its own; it came with SEND_ZC, in Linux 6.0. */
static int uring__is_recent(uring *u)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(&u->ring);
    int recent = probe && probe->last_op >= IORING_OP_SEND_ZC;

    io_uring_free_probe(probe);
    return recent && u->ring.features & IORING_FEAT_EXT_ARG && u->ring.features & IORING_FEAT_NODROP;
}

static int uring__open_buffers(uring *u)
{
    size_t group = URING_BUFFERS * sizeof(struct io_uring_buf);
    size_t size = group + (size_t)URING_BUFFERS * URING_BUFFER_SIZE;
    struct io_uring_buf_reg registration = {.ring_entries = URING_BUFFERS, .bgid = URING_GROUP};
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int result;

    if (memory == MAP_FAILED)
        return -errno;
    u->group = memory;
    u->buffers = (char *)memory + group;
    registration.ring_addr = (uint64_t)(uintptr_t)memory;
    result = io_uring_register_buf_ring(&u->ring, &registration, 0);
    if (result < 0)
        return result;
    io_uring_buf_ring_init(u->group);
    for (int32_t i = 0; i < URING_BUFFERS; i++)
        uring__recycle(u, i);
    return 0;
}

static int uring__open(uring *u, int mode)
{
    int result = uring__open_ring(u, mode);

    if (result < 0)
        return result;
    u->open = 1;
    io_uring_ring_dontfork(&u->ring);
    if (!uring__is_recent(u))
        return -ENOSYS;
    result = uring__open_buffers(u);
    if (result < 0)
        return result;
    u->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->waker < 0)
        return -errno;
    return uring__poll(u, URING_WAKE, u->waker, POLLIN, 1);
}

int nc_io_uring_open_as(nc_poller *poller, int mode)
{
    int result;
    uring *u = mmap(NULL, sizeof *u, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    poller->handle = poller->waker = -1;
    if (u == MAP_FAILED)
        return -errno;
    madvise(u, sizeof *u, MADV_WIPEONFORK);
    u->waker = -1;
    u->accepted_free = -1;
    u->batch = 1;
    u->ready.first = u->later.first = -1;
    poller->handle = (nc_socket)(intptr_t)u;
    result = uring__open(u, mode);
    if (result < 0)
        nc_io_uring_close(poller);
    else
        poller->waker = u->waker;
    return result;
}

int nc_io_uring_open(nc_poller *poller)
{
    return nc_io_uring_open_as(poller, 0);
}

int nc_io_uring_descriptor(nc_poller *poller)
{
    const uring *u = uring__of(poller);
    return u ? u->ring.ring_fd : -EBADF;
}

int nc_io_uring_built(void)
{
    return 1;
}

static int uring__add(uring *u, nc_socket socket, int interest, int role)
{
    uring_watch *w = uring__make(u, socket);

    if (!w)
        return socket < 0 ? -EBADF : -EMFILE;
    if (w->registered)
        return -EEXIST;
    if (fcntl((int)socket, F_GETFD) < 0)
        return -errno;
    w->registered = 1;
    w->interest = (uint8_t)interest;
    w->role = (uint8_t)role;
    w->ready = 0;
    uring__report_streamed(u, w, (int32_t)socket);
    return uring__update(u, w, (int32_t)socket);
}

static int uring__modify(uring *u, uring_watch *w, int32_t fd, int interest)
{
    /* An edge is told once; to ask again, even for the same, is to be told again. */
    if (w->poll == URING_ARMED && (interest | w->interest) & NC_EDGE && uring__cancel(u, URING_POLL, fd) == 0)
        w->poll = URING_CANCELLED;
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
 * fired are asked again. */
static int uring__look_again(uring *u)
{
    int32_t fd = u->later.first;

    u->later.first = -1;
    while (fd >= 0) {
        uring_watch *w = uring__find(u, fd);
        int result;
        w->on_later = 0;
        if (w->registered) {
            if (!(w->interest & NC_EDGE))
                uring__report_streamed(u, w, fd);
            result = uring__update(u, w, fd);
            if (result < 0)
                return result;
        }
        fd = w->next_later;
    }
    return 0;
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
        if (result == 0)
            result = uring__enter(u, pass || u->woken || u->ready.first >= 0 ? 0 : timeout);
        if (result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN && result != -EBUSY)
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

int nc_io_uring_wake(nc_poller *poller)
{
    uint64_t one = 1;
    return write((int)poller->waker, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}

/* Ends all requests, so that the ring holds no file open when it is gone: the kernel would let go of them
 * only some time later. */
static void uring__end_requests(uring *u)
{
    struct io_uring_sqe *sqe;
    int result = uring__enable(u);

    sqe = result < 0 ? NULL : uring__request(u, URING_CANCEL, 0);
    if (!sqe)
        return;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    while (u->under_way && (result >= 0 || result == -EINTR)) {
        result = io_uring_submit_and_wait(&u->ring, 1);
        uring__reap(u);
    }
}

void nc_io_uring_close(nc_poller *poller)
{
    uring *u = uring__of(poller);

    if (u) {
        if (u->waker >= 0)
            uring__end_requests(u);
        io_uring_queue_exit(&u->ring);
        if (u->group)
            munmap(u->group, URING_BUFFERS * (sizeof(struct io_uring_buf) + URING_BUFFER_SIZE));
        for (int i = 0; i < URING_PAGES; i++)
            free(u->pages[i]);
        free(u->accepted);
    }
    if (poller->handle > 0)
        munmap((void *)(intptr_t)poller->handle, sizeof(uring));
    if (poller->waker >= 0)
        close((int)poller->waker);
    poller->handle = poller->waker = -1;
}
