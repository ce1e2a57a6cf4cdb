/* What batched socket calls need of a system, over Winsock.
 *
 * Errors have the numbers that Python gives them there: those of Winsock, but for the six that C knows by the
 * same numbers less 10000 (WSAEINTR to WSAEMFILE).
 */

#include <string.h>

#define SOCKETS_LONGEST (1u << 30) /* bytes for one call, whose lengths have 32 bits */

/* The POSIX structures that Winsock lacks. */
struct iovec {
    void *iov_base;
    size_t iov_len;
};

struct msghdr {
    struct sockaddr_storage *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    size_t msg_iovlen;
    int msg_flags;
};

static int sockets__error(void)
{
    int error = WSAGetLastError();

    switch (error) {
    case WSAEINTR:
    case WSAEBADF:
    case WSAEACCES:
    case WSAEFAULT:
    case WSAEINVAL:
    case WSAEMFILE:
        return error - WSABASEERR;
    default:
        return error ? error : EIO;
    }
}

static int sockets__is_empty(int error)
{
    return error == WSAEWOULDBLOCK;
}

static int sockets__would_block(int error)
{
    return error == WSAEWOULDBLOCK || error == WSAENOBUFS; /* no memory at present: as if the socket were full */
}

/* Errors of a connection that died in the queue, not of the listener. */
static int sockets__is_stillborn(int error)
{
    switch (error) {
    case WSAEINTR - WSABASEERR:
    case WSAECONNABORTED:
    case WSAECONNRESET:
    case WSAENETUNREACH:
    case WSAEHOSTDOWN:
    case WSAEHOSTUNREACH:
        return 1;
    default:
        return 0;
    }
}

static void sockets__never_wait(nc_socket socket)
{
    u_long on = 1;
    ioctlsocket((SOCKET)socket, FIONBIO, &on);
}

static nc_socket sockets__accept(nc_socket listener, struct sockaddr_storage *name, socklen_t *size)
{
    SOCKET accepted = accept((SOCKET)listener, (struct sockaddr *)name, size);
    u_long on = 1;

    if (accepted == INVALID_SOCKET)
        return -sockets__error();
    if (ioctlsocket(accepted, (long)FIONBIO, &on) != 0) {
        int error = sockets__error();
        closesocket(accepted);
        return -error;
    }
    SetHandleInformation((HANDLE)accepted, HANDLE_FLAG_INHERIT, 0);
    return (nc_socket)accepted;
}

static intptr_t sockets__receive(nc_socket socket, char *arena, size_t cap)
{
    int n = recv((SOCKET)socket, arena, (int)(cap < SOCKETS_LONGEST ? cap : SOCKETS_LONGEST), 0);

    return n < 0 ? -sockets__error() : n;
}

intptr_t nc_available(nc_socket socket)
{
    u_long size = 0;

    return ioctlsocket((SOCKET)socket, (long)FIONREAD, &size) != 0 ? -sockets__error() : (intptr_t)size;
}

/* Fills Winsock's own vector, up to the first part that is too long for it, which is cut. */
static int sockets__fill(WSABUF *buffers, const struct iovec *vector, int count)
{
    for (int i = 0; i < count; i++) {
        buffers[i].buf = vector[i].iov_base;
        buffers[i].len = (ULONG)(vector[i].iov_len < SOCKETS_LONGEST ? vector[i].iov_len : SOCKETS_LONGEST);
        if (buffers[i].len < vector[i].iov_len)
            return i + 1;
    }
    return count;
}

static intptr_t sockets__send_vector(nc_socket socket, const struct iovec *vector, int count)
{
    WSABUF buffers[SOCKETS_VECTOR];
    DWORD sent = 0;

    count = sockets__fill(buffers, vector, count);
    if (WSASend((SOCKET)socket, buffers, (DWORD)count, &sent, 0, NULL, NULL) != 0)
        return -sockets__error();
    return (intptr_t)sent;
}

int nc_shutdown_write(nc_socket socket)
{
    return shutdown((SOCKET)socket, SD_SEND) != 0 ? -sockets__error() : 0;
}

static int sockets__set_option(nc_socket socket, int name, const void *value, size_t size)
{
    return setsockopt((SOCKET)socket, SOL_SOCKET, name, value, (int)size) != 0 ? -sockets__error() : 0;
}

static int sockets__get_option(nc_socket socket, int name, void *value, size_t size)
{
    int length = (int)size;

    return getsockopt((SOCKET)socket, SOL_SOCKET, name, value, &length) != 0 ? -sockets__error() : 0;
}

static int sockets__disconnect(nc_socket socket)
{
    (void)socket;
    return -ENOSYS; /* nothing resets a connection before its last handle is closed */
}

static void sockets__end_local(nc_socket socket)
{
    (void)socket;
}

static void sockets__close(nc_socket socket)
{
    closesocket((SOCKET)socket);
}
