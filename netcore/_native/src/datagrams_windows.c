/* Datagrams over Winsock, one by one. */

typedef struct {
    struct msghdr msg_hdr;
    unsigned int msg_len;
} datagrams__message;

/* To which address a datagram was sent would take WSARecvMsg, and is not asked for. */
typedef struct {
    char unused;
} datagrams__control;

typedef struct {
    uint32_t scope;
    unsigned char address[16];
    int known;
} datagrams__destination;

static void datagrams__ask(struct msghdr *header, datagrams__control *control)
{
    (void)header, (void)control;
}

static void datagrams__told(struct msghdr *header, int family, datagrams__destination *destination)
{
    (void)header, (void)family, (void)destination;
}

static void datagrams__send_from(struct msghdr *header, datagrams__control *control, int family,
                                 const datagrams__destination *from)
{
    (void)header, (void)control, (void)family, (void)from;
}

static int datagrams__forget_source(struct msghdr *header, int error)
{
    (void)header, (void)error;
    return 0;
}

/* Returns how many have come; *error is what ended the batch, if something did. */
static int datagrams__receive_batch(nc_socket socket, datagrams__message *messages, int count, int *error)
{
    *error = 0;
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        WSABUF buffers[2];
        DWORD length = 0, flags = 0;
        int size = (int)header->msg_namelen;
        int parts = sockets__fill(buffers, header->msg_iov, (int)header->msg_iovlen);
        int failed = WSARecvFrom((SOCKET)socket, buffers, (DWORD)parts, &length, &flags,
                                 (struct sockaddr *)header->msg_name, &size, NULL, NULL);
        header->msg_flags = 0;
        header->msg_namelen = size;
        messages[i].msg_len = length;
        if (!failed)
            continue;
        *error = sockets__error();
        if (*error == WSAECONNRESET) /* ICMP's "port unreachable", which has this name elsewhere */
            *error = WSAECONNREFUSED;
        if (*error != WSAEMSGSIZE)
            return i;
        *error = 0; /* longer than the room for it: what has come of it is of no use */
        header->msg_flags = MSG_TRUNC;
        messages[i].msg_len = 0;
    }
    return count;
}

/* Returns how many of the first ones were sent, which is one, or a negative errno. */
static int datagrams__send_batch(nc_socket socket, datagrams__message *messages, int count)
{
    const struct msghdr *header = &messages[0].msg_hdr;
    WSABUF buffer;
    DWORD sent = 0;

    (void)count;
    sockets__fill(&buffer, header->msg_iov, 1);
    if (WSASendTo((SOCKET)socket, &buffer, 1, &sent, 0, (const struct sockaddr *)header->msg_name,
                  (int)header->msg_namelen, NULL, NULL) != 0)
        return -sockets__error();
    return 1;
}

int nc_ignore_unreachable(nc_socket socket)
{
    BOOL told = FALSE;
    DWORD length;

    if (WSAIoctl((SOCKET)socket, SIO_UDP_CONNRESET, &told, sizeof told, NULL, 0, &length, NULL, NULL) != 0)
        return -sockets__error();
    return 0;
}
