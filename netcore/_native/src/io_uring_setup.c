/* How a ring comes and goes: the ways to set one up, and what is to be there before its first request. */

/* From the most that is known to the least: one thread submits, and completions are worked off only when
 * that thread asks for them (Linux 6.1), or at its system calls (5.19), or by interrupting it. */
static const unsigned uring__modes[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

enum { URING_MODES = sizeof uring__modes / sizeof *uring__modes, URING_FIRST_POLLABLE_MODE = 1 };

static int uring__open_ring(struct io_uring *ring, int mode)
{
    int result = -EINVAL;

    for (; mode < URING_MODES && result == -EINVAL; mode++) {
        struct io_uring_params params = {.flags = uring__modes[mode] | IORING_SETUP_R_DISABLED |
                                                  IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
                                         .cq_entries = URING_COMPLETIONS};
        result = io_uring_queue_init_params(URING_SUBMISSIONS, ring, &params);
    }
    if (result >= 0)
        io_uring_ring_dontfork(ring);
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

/* Gives the kernel all buffers that hold nothing. */
static int uring__offer_buffers(uring *u)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)u->group, .ring_entries = URING_BUFFERS, .bgid = URING_GROUP};
    int result = io_uring_register_buf_ring(&u->ring, &registration, 0);

    if (result < 0)
        return result;
    io_uring_buf_ring_init(u->group);
    for (int32_t i = 0; i < URING_BUFFERS; i++)
        if (!u->held[i].size)
            uring__recycle(u, i);
    return 0;
}

static int uring__open_buffers(uring *u)
{
    size_t group = URING_BUFFERS * sizeof(struct io_uring_buf);
    size_t size = group + (size_t)URING_BUFFERS * URING_BUFFER_SIZE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    u->group = memory;
    u->buffers = (char *)memory + group;
    return uring__offer_buffers(u);
}

static int uring__open(uring *u, nc_poller *poller, int mode)
{
    int result = uring__open_ring(&u->ring, mode);

    if (result < 0)
        return result;
    u->open = 1;
    poller->ring = u->ring.ring_fd;
    if (!uring__is_recent(u))
        return -ENOSYS;
    result = uring__open_buffers(u);
    if (result < 0)
        return result;
    poller->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->waker < 0)
        return -errno;
    u->waker = (int)poller->waker;
    return uring__poll(u, URING_WAKE, u->waker, POLLIN, 1);
}

int nc_io_uring_open_as(nc_poller *poller, int mode)
{
    int result;
    uring *u = mmap(NULL, sizeof *u, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    poller->handle = poller->waker = poller->ring = -1;
    if (u == MAP_FAILED)
        return -errno;
    madvise(u, sizeof *u, MADV_WIPEONFORK);
    u->waker = -1;
    u->batch = 1;
    u->ready.first = u->later.first = -1;
    poller->handle = (nc_socket)(intptr_t)u;
    result = uring__open(u, poller, mode);
    if (result < 0)
        nc_io_uring_close(poller);
    return result;
}

int nc_io_uring_open(nc_poller *poller)
{
    return nc_io_uring_open_as(poller, 0);
}

int nc_io_uring_built(void)
{
    return 1;
}

/* Ends all requests, so that the ring holds no file open when it is gone: the kernel would let go of them
 * only some time later. */
static int uring__end_requests(uring *u)
{
    struct io_uring_sqe *sqe;
    int result = uring__enable(u);

    if (result < 0)
        return result;
    result = uring__request(u, URING_CANCEL, 0, &sqe);
    if (result < 0)
        return result;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->cancel_flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
    while (u->under_way && !uring__has_failed(result)) {
        result = io_uring_submit_and_wait(&u->ring, 1);
        uring__reap(u);
    }
    return u->under_way ? result : 0;
}

/* Replaces a ring that defers its work until this thread asks for it: that there is such work does not end a
 * poll(2) of the ring's descriptor. What was under way is made anew by the look before the next wait. */
static int uring__make_pollable(uring *u, nc_poller *poller)
{
    struct io_uring other;
    int result;

    if (!(u->ring.flags & IORING_SETUP_DEFER_TASKRUN))
        return 0;
    result = uring__open_ring(&other, URING_FIRST_POLLABLE_MODE);
    if (result < 0)
        return result;
    result = uring__end_requests(u);
    if (result < 0) {
        io_uring_queue_exit(&other);
        return result;
    }
    io_uring_queue_exit(&u->ring);
    u->ring = other;
    u->enabled = 0;
    poller->ring = other.ring_fd;
    result = uring__offer_buffers(u);
    return result < 0 ? result : uring__poll(u, URING_WAKE, u->waker, POLLIN, 1);
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
    } else if (poller->ring >= 0) { /* a copy, in the child of a fork */
        close((int)poller->ring);
    }
    if (poller->handle > 0)
        munmap((void *)(intptr_t)poller->handle, sizeof(uring));
    if (poller->waker >= 0)
        close((int)poller->waker);
    poller->handle = poller->waker = poller->ring = -1;
}
