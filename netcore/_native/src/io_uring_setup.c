/* How a ring comes and goes: the ways to set one up, and what is to be there before its first request. */

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
