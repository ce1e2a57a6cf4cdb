/* The sockets that go with the ring: multishot receive, and the sends of a turn submitted together.
 *
 * A socket that is not registered for reading is read in the plain way, and so is one that the provided
 * buffers ran out for, or that has brought much at once, until it has little to read: bulk data is dearer in small
 * buffers than in recv(2).
 */

/* Bytes in one receive that count as much. */
#define URING_MUCH 16384

/* Calls in which the kernel works off what it has put aside, about twenty completions each. */
#define URING_CATCHING_UP 1024

static int uring__role(nc_socket socket)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof type;

    if (getsockopt((int)socket, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return URING_PLAIN;
    size = sizeof listens;
    getsockopt((int)socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens ? URING_PLAIN : URING_CONNECTION;
}

int nc_io_uring_adopt(nc_poller *poller, nc_socket socket, int interest)
{
    uring *u = uring__of(poller);
    const uring_watch *w = u ? uring__find(u, socket) : NULL;

    if (!u)
        return -EBADF;
    return uring__add(u, socket, interest, w && w->role ? w->role : uring__role(socket));
}

/* Copies what is held, up to `cap` bytes. */
static intptr_t uring__take_held(uring *u, uring_watch *w, int32_t socket, char *arena, size_t cap)
{
    size_t used = 0;

    while (w->held && used < cap) {
        uring_held *held = &u->held[w->first];
        size_t size = (size_t)held->size < cap - used ? (size_t)held->size : cap - used;
        memcpy(arena + used, u->buffers + (size_t)w->first * URING_BUFFER_SIZE + held->start, size);
        used += size;
        held->start += (int32_t)size;
        held->size -= (int32_t)size;
        if (!held->size)
            uring__recycle(u, uring__unhold(u, w));
    }
    if (used >= URING_MUCH && !w->direct && w->registered) {
        w->direct = 1;
        uring__later(u, w, socket);
    }
    return (intptr_t)used;
}

static intptr_t uring__receive(uring *u, nc_socket socket, char *arena, size_t cap)
{
    uring_watch *w = u ? uring__find(u, socket) : NULL;
    intptr_t n;

    if (!w || w->role != URING_CONNECTION)
        return nc_receive_one(socket, arena, cap);
    if (!w->held && w->stream == URING_CANCELLED && uring__settle(u, w) < 0)
        return -EIO;
    if (w->held)
        return uring__take_held(u, w, (int32_t)socket, arena, cap);
    if (w->ended) {
        n = w->result;
        w->result = 0; /* after an error, as after the end, there is nothing but the end */
        return n;
    }
    if (w->stream == URING_ARMED)
        return -EAGAIN;
    n = nc_receive_one(socket, arena, cap);
    if (w->direct && n < URING_BUFFER_SIZE) {
        w->direct = 0;
        uring__later(u, w, (int32_t)socket);
    }
    return n;
}

/* Works off what the kernel has put aside until it comes to this socket, and returns whether it has. A wait leaves
 * some of it where more is ready than it reports; who asks for one socket, as before a deadline of its own, is to get
 * what is there. */
static int uring__catch_up(uring *u, nc_socket socket)
{
    const uring_watch *w = u ? uring__find(u, socket) : NULL;

    if (!w || w->role != URING_CONNECTION)
        return 0;
    for (int i = 0; i < URING_CATCHING_UP && w->stream == URING_ARMED && !w->held && !w->ended; i++) {
        unsigned aside = *u->ring.sq.kflags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
        if (!io_uring_cq_ready(&u->ring) && (!aside || io_uring_get_events(&u->ring) < 0))
            return 0;
        uring__reap(u);
    }
    return w->held || w->ended || w->stream != URING_ARMED;
}

intptr_t nc_io_uring_receive_one(nc_poller *poller, nc_socket socket, char *arena, size_t cap)
{
    uring *u = uring__of(poller);
    intptr_t n = uring__receive(u, socket, arena, cap);

    return n == -EAGAIN && uring__catch_up(u, socket) ? uring__receive(u, socket, arena, cap) : n;
}

intptr_t nc_io_uring_available(nc_poller *poller, nc_socket socket)
{
    uring *u = uring__of(poller);
    const uring_watch *w = u ? uring__find(u, socket) : NULL;
    intptr_t size = 0;
    int32_t buffer;

    if (!w || w->role != URING_CONNECTION || (!w->held && !w->ended && w->stream == URING_IDLE))
        return nc_available(socket);
    buffer = w->first;
    for (int32_t i = 0; i < w->held; i++) {
        size += u->held[buffer].size;
        buffer = u->held[buffer].next;
    }
    return size;
}

int nc_io_uring_receive(nc_poller *poller, int count, const nc_socket *sockets, char *arena, size_t room,
                        size_t cap, intptr_t *results)
{
    uring *u = uring__of(poller);
    size_t used = 0;
    int i;

    for (i = 0; i < count && room - used >= cap; i++) {
        results[i] = uring__receive(u, sockets[i], arena + used, cap);
        if (results[i] > 0)
            used += (size_t)results[i];
    }
    return i;
}

/* Whether the kernel has yet to tell what came of a send. */
static int uring__awaits_sends(const uring *u)
{
    for (int i = 0; i < u->sending; i++)
        if (u->sends[i].state == URING_NOTED)
            return 1;
    return 0;
}

/* Makes nothing of the sends that the kernel has not taken, since what they point at is freed soon. Those that it
 * has taken are carried out: with MSG_DONTWAIT none outlasts the call that submits it. */
static void uring__withdraw_sends(uring *u)
{
    struct io_uring_sq *queue = &u->ring.sq;
    unsigned taken = io_uring_smp_load_acquire(queue->khead);

    for (unsigned at = taken; at != queue->sqe_tail; at++) {
        struct io_uring_sqe *sqe = &queue->sqes[at & queue->ring_mask];
        if ((sqe->user_data & 0xff) != URING_SEND)
            continue;
        u->sends[sqe->user_data >> 32].state = URING_WITHDRAWN;
        u->under_way--;
        io_uring_prep_nop(sqe);
        sqe->user_data = URING_CANCEL; /* of which nobody waits to hear */
    }
}

/* Submits the sends noted so far and writes down what they left over; returns how many had trouble. What the ring
 * would not take is sent without it. */
static int uring__submit_sends(uring *u, int count, const nc_socket *sockets, const size_t *lengths,
                               intptr_t *unsent)
{
    int troubled = 0;
    int result = 0;

    for (int again = 0; uring__awaits_sends(u); again++) {
        result = again ? io_uring_submit_and_get_events(&u->ring) : io_uring_submit(&u->ring);
        uring__reap(u);
        if (uring__has_failed(result) || again == URING_PATIENCE)
            break;
    }
    if (uring__awaits_sends(u))
        uring__withdraw_sends(u);
    for (int i = 0; i < u->sending; i++) {
        uring_sending *sent = &u->sends[i];
        intptr_t n = sent->state == URING_SENT ? sent->result : -EIO;
        if (sent->state == URING_WITHDRAWN)
            n = sockets__send_vector(sockets[sent->first], sent->message.msg_iov, (int)sent->message.msg_iovlen);
        if (n >= 0 && (size_t)n == sent->total)
            continue;
        troubled++;
        sockets__leave(sent->first, sent->last, count, sockets, lengths, n > 0 ? (size_t)n : 0, unsent);
        if (n < 0 && !sockets__would_block((int)-n))
            unsent[sent->first] = n;
    }
    u->sending = u->parts = 0;
    u->batch++;
    return troubled;
}

/* Gathers consecutive chunks of one socket, from chunk `first` on, into the vector of the batch. */
static void uring__gather(uring *u, uring_sending *sending, int count, const nc_socket *sockets,
                         const size_t *lengths, const char **joined, const char *const *pointers)
{
    struct iovec *vector = &u->vector[u->parts];
    int parts = 0;
    int i;

    for (i = sending->first; i < count && sockets[i] == sockets[sending->first] && parts < SOCKETS_VECTOR; i++) {
        const char *chunk = pointers ? pointers[i] : NULL;
        if (!chunk) {
            chunk = *joined;
            *joined += lengths[i];
        }
        if (parts && (const char *)vector[parts - 1].iov_base + vector[parts - 1].iov_len == chunk) {
            vector[parts - 1].iov_len += lengths[i];
        } else {
            vector[parts].iov_base = (void *)chunk;
            vector[parts++].iov_len = lengths[i];
        }
        sending->total += lengths[i];
    }
    sending->last = i;
    sending->message.msg_iov = vector;
    sending->message.msg_iovlen = (size_t)parts;
}

static int uring__note_send(uring *u, uring_sending *sending, nc_socket socket)
{
    const struct iovec *vector = sending->message.msg_iov;
    struct io_uring_sqe *sqe;
    int result = uring__request(u, URING_SEND, (uint32_t)u->sending, &sqe);

    if (result < 0)
        return result;
    sqe->user_data |= (u->batch & URING_BATCHES) << 8;
    sqe->fd = (int)socket;
    sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (sending->message.msg_iovlen == 1) {
        sqe->opcode = IORING_OP_SEND;
        sqe->addr = (uint64_t)(uintptr_t)vector->iov_base;
        sqe->len = (unsigned)vector->iov_len;
    } else {
        sqe->opcode = IORING_OP_SENDMSG;
        sqe->addr = (uint64_t)(uintptr_t)&sending->message;
        sqe->len = 1;
    }
    u->under_way++;
    return 0;
}

int nc_io_uring_send(nc_poller *poller, int count, const nc_socket *sockets, const size_t *lengths,
                     const char *joined, const char *const *pointers, intptr_t *unsent)
{
    uring *u = uring__of(poller);
    int troubled = 0;
    int i = 0;

    if (!u || uring__enable(u) < 0)
        return nc_send(count, sockets, lengths, joined, pointers, unsent);
    memset(unsent, 0, (size_t)count * sizeof *unsent);
    while (i < count) {
        uring_watch *w = uring__make(u, sockets[i]);
        uring_sending *sending;
        int skip = 0;

        /* A socket comes once in a batch: its later chunks must not overtake those that a full buffer holds
         * back. */
        if (u->sending == URING_SUBMISSIONS || u->parts + SOCKETS_VECTOR > URING_SUBMISSIONS || !w ||
            w->batch == u->batch)
            troubled += uring__submit_sends(u, count, sockets, lengths, unsent);
        sending = &u->sends[u->sending];
        *sending = (uring_sending){.first = i};
        uring__gather(u, sending, count, sockets, lengths, &joined, pointers);
        for (; i < sending->last; i++)
            skip |= unsent[i] != 0; /* of the whole group: an empty chunk is never left over */
        if (skip || sending->total == 0)
            continue;
        if (!w || uring__note_send(u, sending, sockets[sending->first]) < 0)
            sending->state = URING_WITHDRAWN;
        else
            w->batch = u->batch;
        u->parts += (int)sending->message.msg_iovlen;
        u->sending++;
    }
    return troubled + uring__submit_sends(u, count, sockets, lengths, unsent);
}

int nc_io_uring_release(nc_poller *poller, int count, const nc_socket *sockets)
{
    uring *u = uring__of(poller);
    int result = 0;

    for (int i = 0; u && i < count; i++) {
        uring_watch *w = uring__find(u, sockets[i]);
        if (w)
            uring__cancel_all(u, w, (int32_t)sockets[i]);
    }
    for (int i = 0; u && i < count; i++) {
        uring_watch *w = uring__find(u, sockets[i]);
        int settled = w ? uring__settle(u, w) : 0;
        if (settled < 0)
            result = settled;
        if (!w || settled < 0)
            continue;
        while (w->held)
            uring__recycle(u, uring__unhold(u, w));
        w->registered = w->interest = w->role = w->direct = w->ended = w->ready = 0;
    }
    return result;
}
