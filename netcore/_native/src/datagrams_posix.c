/* Datagrams over the POSIX interface, in batches where the system has recvmmsg and sendmmsg. */

#ifdef NC_HAVE_MMSG
typedef struct mmsghdr datagrams__message;
#else
typedef struct {
    struct msghdr msg_hdr;
    unsigned int msg_len;
} datagrams__message;
#endif

/* Returns how many have come; *error is the errno that ended the batch, if one did. */
static int datagrams__receive_batch(nc_socket socket, datagrams__message *messages, int count, int *error)
{
    int received = 0;
    ssize_t n;

    do {
#ifdef NC_HAVE_MMSG
        n = recvmmsg((int)socket, messages, (unsigned)count, MSG_DONTWAIT, NULL);
        if (n >= 0) /* an error behind the first datagram is kept by the kernel for the next call */
            return (int)n;
#else
        n = recvmsg((int)socket, &messages[received].msg_hdr, MSG_DONTWAIT);
        if (n >= 0)
            messages[received++].msg_len = (unsigned)n;
#endif
    } while (received < count && (n >= 0 || errno == EINTR));
    *error = n < 0 ? errno : 0;
    return received;
}

/* Returns how many of the first ones were sent, or a negative errno. */
static int datagrams__send_batch(nc_socket socket, datagrams__message *messages, int count)
{
    int n;

    do
#ifdef NC_HAVE_MMSG
        n = sendmmsg((int)socket, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
#else
        n = sendmsg((int)socket, &messages[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
#endif
    while (n < 0 && errno == EINTR);
    (void)count;
    return n < 0 ? -errno : n;
}

int nc_ignore_unreachable(nc_socket socket)
{
    (void)socket;
    return -ENOSYS;
}
