/* What batched socket calls need of a system, over the POSIX interface (accept, recv, send, sendmsg). */

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKETS_HAVE_UNIX 1

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* such systems have SO_NOSIGPIPE instead, set on accept */
#endif

#if defined(__linux__) && !defined(SO_PASSRIGHTS)
#define SO_PASSRIGHTS 83 /* Linux 6.16; headers older than the kernel that will run this lack it */
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

/* Keeps a peer from what would end the process or hold up the loop; see guard in options.py. Sockets inherit it from
 * their listener, but one that was given may have had connections waiting before. */
static void sockets__guard(int fd, int family)
{
#ifdef SO_NOSIGPIPE
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
#ifdef __linux__
    int off = 0;
    if (family == AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
#endif
    (void)fd, (void)family;
}

/* O_NONBLOCK is common to all duplicates, and accept(2) has no flag of its own, as what sends and receives has. */
static void sockets__never_wait(nc_socket socket)
{
    int on = 1;
    ioctl((int)socket, FIONBIO, &on);
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
    }
#endif
    if (fd >= 0)
        sockets__guard(fd, name->ss_family);
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

intptr_t nc_available(nc_socket socket)
{
    int size = 0;

    return ioctl((int)socket, FIONREAD, &size) < 0 ? -errno : size;
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

static int sockets__get_option(nc_socket socket, int name, void *value, size_t size)
{
    socklen_t length = (socklen_t)size;

    return getsockopt((int)socket, SOL_SOCKET, name, value, &length) < 0 ? -errno : 0;
}

/* Resets a TCP connection now, whoever else has it open: on Linux connect(2) to AF_UNSPEC does what the last
 * close(2) does under SO_LINGER of zero seconds (tcp_disconnect). Elsewhere nothing does. */
static int sockets__disconnect(nc_socket socket)
{
#ifdef __linux__
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    return connect((int)socket, &nobody, sizeof nobody) < 0 ? -errno : 0;
#else
    (void)socket;
    return -ENOSYS;
#endif
}

/* A Unix socket has no reset: its peer sees the end at least, also if there is a duplicate. */
static void sockets__end_local(nc_socket socket)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    if (getsockname((int)socket, (struct sockaddr *)&name, &size) == 0 && name.ss_family == AF_UNIX)
        shutdown((int)socket, SHUT_RDWR);
}

static void sockets__close(nc_socket socket)
{
    close((int)socket); /* never repeated after EINTR: on Linux the number is free then, and may be in use again */
}
