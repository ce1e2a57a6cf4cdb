/* What batched socket calls need of a system, over the POSIX interface (accept, recv, send, sendmsg). */

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKETS_HAVE_UNIX 1

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* such systems have SO_NOSIGPIPE instead, set on accept */
#endif

static int sockets__is_empty(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static int sockets__would_block(int error)
{
    /* ENOBUFS is passing trouble of the device or its driver: try again later, as if the socket were full. */
    return sockets__is_empty(error) || error == ENOBUFS;
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

static nc_socket sockets__accept(nc_socket listener, struct sockaddr_storage *name, socklen_t *size)
{
#ifdef SOCK_NONBLOCK
    int fd = accept4((int)listener, (struct sockaddr *)name, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
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
#endif
    return fd < 0 ? -errno : fd;
}

static intptr_t sockets__receive(nc_socket socket, char *arena, size_t cap)
{
    ssize_t n;

    do
        n = recv((int)socket, arena, cap, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static intptr_t sockets__send_vector(nc_socket socket, struct iovec *vector, int count)
{
    struct msghdr message = {.msg_iov = vector};
    ssize_t n;

    /* A cast that fits both size_t (Linux) and int (BSD, macOS). */
    message.msg_iovlen = (unsigned)count;
    do
        n = count == 1 ? send((int)socket, vector->iov_base, vector->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : sendmsg((int)socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int nc_shutdown_write(nc_socket socket)
{
    return shutdown((int)socket, SHUT_WR) < 0 ? -errno : 0;
}

static int sockets__set_option(nc_socket socket, int name, const void *value, size_t size)
{
    return setsockopt((int)socket, SOL_SOCKET, name, value, (socklen_t)size) < 0 ? -errno : 0;
}

static void sockets__close(nc_socket socket)
{
    close((int)socket); /* never repeated after EINTR: on Linux the number is free then, and may be in use again */
}
