/* Batched socket calls over the POSIX interface (accept, recv, send, sendmsg). */

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* such systems have SO_NOSIGPIPE instead, set on accept */
#endif

/* Chunks gathered into one sendmsg; IOV_MAX is at least 16 and usually 1024. */
enum { SOCKETS_VECTOR = 64 };

static int sockets__would_block(int error)
{
    /* ENOBUFS is passing trouble of the device or its driver: try again later, as if the socket were full. */
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

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
    } else {
        *at++ = 0;
    }
    packed[0] = (unsigned char)(at - packed - 1);
}

static int sockets__accept(nc_socket listener, struct sockaddr_storage *name, socklen_t *size)
{
#ifdef SOCK_NONBLOCK
    return accept4((int)listener, (struct sockaddr *)name, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept((int)listener, (struct sockaddr *)name, size);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    }
    return fd;
#endif
}

/* Errors of a connection that died in the queue, not of the listener: accept(2) says to go on. */
static int sockets__is_stillborn(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return 1;
    default:
        return 0;
    }
}

int nc_accept(nc_socket listener, int capacity, nc_socket *sockets, unsigned char *names, int *error)
{
    int count = 0;
    int stillborn = 0;

    *error = 0;
    while (count < capacity && stillborn < capacity) {
        struct sockaddr_storage name;
        socklen_t size = sizeof name;
        int fd = sockets__accept(listener, &name, &size);
        if (fd >= 0) {
            sockets__pack_name(&name, size, names + (size_t)count * NC_NAME_SIZE);
            sockets[count++] = fd;
        } else if (sockets__is_stillborn(errno)) {
            stillborn++;
        } else {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                *error = -errno;
            break;
        }
    }
    return count;
}

intptr_t nc_receive_one(nc_socket socket, char *arena, size_t cap)
{
    ssize_t n;

    do
        n = recv((int)socket, arena, cap, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int nc_receive(int count, const nc_socket *sockets, char *arena, size_t room, size_t cap, intptr_t *results)
{
    size_t used = 0;
    int i;

    for (i = 0; i < count && room - used >= cap; i++) {
        results[i] = nc_receive_one(sockets[i], arena + used, cap);
        if (results[i] > 0)
            used += (size_t)results[i];
    }
    return i;
}

static ssize_t sockets__send_vector(nc_socket socket, struct iovec *vector, int count)
{
    struct msghdr message = {.msg_iov = vector};
    ssize_t n;

    /* A cast that fits both size_t (Linux) and int (BSD, macOS). */
    message.msg_iovlen = (unsigned)count;
    do
        n = count == 1 ? send((int)socket, vector->iov_base, vector->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : sendmsg((int)socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
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
        ssize_t n;

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
        if (n == (ssize_t)total)
            continue;
        troubled++;
        if (n >= 0 || sockets__would_block(errno)) {
            sockets__leave(first, i, count, sockets, lengths, n > 0 ? (size_t)n : 0, unsent);
        } else {
            int error = errno;
            sockets__leave(first, i, count, sockets, lengths, 0, unsent);
            unsent[first] = -error;
        }
    }
    return troubled;
}

intptr_t nc_send_one(nc_socket socket, const char *chunk, size_t length)
{
    struct iovec vector = {.iov_base = (void *)chunk, .iov_len = length};
    ssize_t n;

    if (length == 0)
        return 0;
    n = sockets__send_vector(socket, &vector, 1);
    if (n < 0)
        return sockets__would_block(errno) ? (intptr_t)length : -errno;
    return (intptr_t)(length - (size_t)n);
}

int nc_shutdown_write(nc_socket socket)
{
    return shutdown((int)socket, SHUT_WR) < 0 ? -errno : 0;
}

void nc_close(int count, const nc_socket *sockets)
{
    /* Never repeated after EINTR: on Linux the descriptor is gone then, and its number may be reused. */
    for (int i = 0; i < count; i++)
        close((int)sockets[i]);
}

int nc_reset(nc_socket socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int error = 0;

    if (setsockopt((int)socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        error = -errno;
    close((int)socket);
    return error;
}
