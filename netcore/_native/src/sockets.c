/* Batched socket calls, the same on every system; what differs is in sockets_posix.c and sockets_windows.c. */

static void sockets__pack_name(const struct sockaddr_storage *name, socklen_t size, unsigned char *packed)
{
    unsigned char *at = packed + 1;

    if (size < (socklen_t)sizeof name->ss_family) {
        *at++ = 0;
    } else if (name->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)name;
        *at++ = 4;
        memcpy(at, &in->sin_port, 2);
        memcpy(at + 2, &in->sin_addr, 4);
        at += 6;
    } else if (name->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;
        uint32_t scope = htonl(in6->sin6_scope_id);
        *at++ = 6;
        memcpy(at, &in6->sin6_port, 2);
        memcpy(at + 2, &scope, 4);
        memcpy(at + 6, &in6->sin6_addr, 16);
        at += 22;
#ifdef SOCKETS_HAVE_UNIX
    } else if (name->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)name;
        size_t length = (size_t)size - offsetof(struct sockaddr_un, sun_path);
        if (size < (socklen_t)offsetof(struct sockaddr_un, sun_path))
            length = 0;
        if (length > 0 && un->sun_path[0] != '\0') /* a file: the size may count the final NUL */
            length = strnlen(un->sun_path, length);
        *at++ = 1;
        memcpy(at, un->sun_path, length);
        at += length;
#endif
    } else {
        *at++ = 0;
    }
    packed[0] = (unsigned char)(at - packed - 1);
}

int nc_accept(nc_socket listener, int capacity, nc_socket *sockets, unsigned char *names, int *error)
{
    int count = 0;
    int stillborn = 0;

    *error = 0;
    sockets__never_wait(listener);
    while (count < capacity && stillborn < capacity) {
        struct sockaddr_storage name;
        socklen_t size = sizeof name;
        nc_socket accepted = sockets__accept(listener, &name, &size);
        if (accepted >= 0) {
            sockets__pack_name(&name, size, names + (size_t)count * NC_NAME_SIZE);
            sockets[count++] = accepted;
        } else if (sockets__is_stillborn((int)-accepted)) {
            stillborn++;
        } else {
            if (!sockets__is_empty((int)-accepted))
                *error = (int)accepted;
            break;
        }
    }
    return count;
}

intptr_t nc_receive_one(nc_socket socket, char *arena, size_t cap)
{
    return sockets__receive(socket, arena, cap);
}

int nc_receive(int count, const nc_socket *sockets, char *arena, size_t room, size_t cap, intptr_t *results)
{
    size_t used = 0;
    int i;

    for (i = 0; i < count && room - used >= cap; i++) {
        results[i] = sockets__receive(sockets[i], arena + used, cap);
        if (results[i] > 0)
            used += (size_t)results[i];
    }
    return i;
}

/* Writes down what is left of chunks [first, last) after `sent` bytes of them, and of all later chunks of the
 * same socket, which must not overtake them. The scan costs once per socket in trouble, not per chunk. */
static void sockets__leave(int first, int last, int count, const nc_socket *sockets, const size_t *lengths,
                           size_t sent, intptr_t *unsent)
{
    for (int i = first; i < last; i++) {
        size_t part = sent < lengths[i] ? sent : lengths[i];
        unsent[i] = (intptr_t)(lengths[i] - part);
        sent -= part;
    }
    for (int i = last; i < count; i++)
        if (sockets[i] == sockets[first])
            unsent[i] = (intptr_t)lengths[i];
}

int nc_send(int count, const nc_socket *sockets, const size_t *lengths, const char *joined,
            const char *const *pointers, intptr_t *unsent)
{
    int troubled = 0;
    int i = 0;

    memset(unsent, 0, (size_t)count * sizeof *unsent);
    while (i < count) {
        struct iovec vector[SOCKETS_VECTOR];
        int first = i;
        int parts = 0;
        size_t total = 0;
        int skip = 0;
        intptr_t n;

        for (; i < count && sockets[i] == sockets[first] && parts < SOCKETS_VECTOR; i++) {
            const char *chunk = pointers ? pointers[i] : NULL;
            if (!chunk) {
                chunk = joined;
                joined += lengths[i];
            }
            if (parts && (const char *)vector[parts - 1].iov_base + vector[parts - 1].iov_len == chunk) {
                vector[parts - 1].iov_len += lengths[i];
            } else {
                vector[parts].iov_base = (void *)chunk;
                vector[parts++].iov_len = lengths[i];
            }
            total += lengths[i];
            skip |= unsent[i] != 0; /* of the whole group: an empty chunk is never left over */
        }
        if (skip || total == 0)
            continue;
        n = sockets__send_vector(sockets[first], vector, parts);
        if (n == (intptr_t)total)
            continue;
        troubled++;
        sockets__leave(first, i, count, sockets, lengths, n > 0 ? (size_t)n : 0, unsent);
        if (n < 0 && !sockets__would_block((int)-n))
            unsent[first] = n;
    }
    return troubled;
}

intptr_t nc_send_one(nc_socket socket, const char *chunk, size_t length)
{
    struct iovec vector = {.iov_base = (void *)chunk, .iov_len = length};
    intptr_t n;

    if (length == 0)
        return 0;
    n = sockets__send_vector(socket, &vector, 1);
    if (n < 0)
        return sockets__would_block((int)-n) ? (intptr_t)length : n;
    return (intptr_t)(length - (size_t)n);
}

/* Ends a connection as orderly as it wants to be ended. close(2) alone would wait for what is unsent if SO_LINGER
 * says so, though the socket does not block (socket(7); closesocket of Windows even refuses), and would tell the
 * peer nothing while a duplicate of the descriptor is open. */
static void sockets__end(nc_socket socket)
{
    struct linger linger = {0};
    int lingers = sockets__get_option(socket, SO_LINGER, &linger, sizeof linger) == 0 && linger.l_onoff;

    if (lingers && linger.l_linger == 0) {
        nc_reset(socket);
        return;
    }
    if (lingers) {
        linger.l_onoff = 0;
        sockets__set_option(socket, SO_LINGER, &linger, sizeof linger);
    }
    nc_shutdown_write(socket);
    sockets__close(socket);
}

void nc_close(int count, const nc_socket *sockets)
{
    for (int i = 0; i < count; i++)
        sockets__end(sockets[i]);
}

void nc_release(int count, const nc_socket *sockets)
{
    for (int i = 0; i < count; i++)
        sockets__close(sockets[i]);
}

int nc_reset(nc_socket socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int error = 0;
    int type = 0;

    /* Datagrams know no reset, and a duplicate is to go on. */
    if (sockets__get_option(socket, SO_TYPE, &type, sizeof type) == 0 && type == SOCK_STREAM &&
        sockets__disconnect(socket) < 0) {
        error = sockets__set_option(socket, SO_LINGER, &linger, sizeof linger);
        sockets__end_local(socket);
    }
    sockets__close(socket);
    return error;
}
