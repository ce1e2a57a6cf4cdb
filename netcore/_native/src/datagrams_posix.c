/* Datagrams over the POSIX interface, in batches where the system has recvmmsg and sendmmsg. */

#ifdef NC_HAVE_MMSG
typedef struct mmsghdr datagrams__message;
#else
typedef struct {
    struct msghdr msg_hdr;
    unsigned int msg_len;
} datagrams__message;
#endif

/* Room for what the system tells of a datagram, or is told: two control messages, and some to spare. */
typedef union {
    struct cmsghdr aligned;
    char bytes[128];
} datagrams__control;

typedef struct {
    uint32_t scope; /* the interface to answer by, of IPv6; 0 for the system's choice */
    unsigned char address[16];
    int known;
} datagrams__destination; /* as packed behind a name with NC_NAME_KNOWN; of IPv4 the address alone */

static void datagrams__ask(struct msghdr *header, datagrams__control *control)
{
    header->msg_control = control->bytes;
    header->msg_controllen = sizeof control->bytes;
}

/* Nobody's own as far as the address tells: an answer cannot come from there. */
static int datagrams__is_shared(const unsigned char *address)
{
    uint32_t host;

    memcpy(&host, address, 4);
    host = ntohl(host);
    return (host >> 28) == 14 || host == 0xffffffff;
}

static void datagrams__map(const unsigned char *address, datagrams__destination *destination)
{
    static const unsigned char nobody[4];

    memset(destination->address, 0, 16);
    destination->scope = 0;
    if (memcmp(address, nobody, 4) == 0 || datagrams__is_shared(address))
        return;
    memset(destination->address + 10, 0xff, 2);
    memcpy(destination->address + 12, address, 4);
}

#ifdef IPV6_PKTINFO
static void datagrams__told_ipv6(const struct in6_pktinfo *info, datagrams__destination *destination)
{
    const unsigned char *address = (const unsigned char *)&info->ipi6_addr;
    int multicast = IN6_IS_ADDR_MULTICAST(&info->ipi6_addr);

    if (IN6_IS_ADDR_V4MAPPED(&info->ipi6_addr)) {
        datagrams__map(address + 12, destination);
        return;
    }
    destination->scope = multicast || IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr) ? (uint32_t)info->ipi6_ifindex : 0;
    if (!multicast)
        memcpy(destination->address, address, 16);
}
#endif

/* Takes from a received message to which address it was sent, if the socket was asked to tell; see
 * destinations.py, which does the same. */
static void datagrams__told(struct msghdr *header, int family, datagrams__destination *destination)
{
    unsigned char address[4];
    int ipv4 = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
#ifdef IP_PKTINFO
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(address, &info.ipi_spec_dst, 4);
            ipv4 = 1;
        }
#endif
#ifdef IP_RECVDSTADDR
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVDSTADDR) {
            memcpy(address, CMSG_DATA(c), 4);
            ipv4 = 1;
        }
#endif
#ifdef IPV6_PKTINFO
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO && family == 6) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            datagrams__told_ipv6(&info, destination);
            destination->known = 1;
        }
#endif
    }
    if (!ipv4)
        return;
    destination->known = 1;
    if (family == 6)
        datagrams__map(address, destination);
    else if (!datagrams__is_shared(address))
        memcpy(destination->address, address, 4);
}

static void *datagrams__put(struct msghdr *header, datagrams__control *control, int level, int type, size_t size)
{
    struct cmsghdr *c = &control->aligned;

    memset(control, 0, CMSG_SPACE(size));
    header->msg_control = control->bytes;
    header->msg_controllen = CMSG_SPACE(size);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    return CMSG_DATA(c);
}

/* Has a message sent from an address of this machine's, or by an interface. */
static void datagrams__send_from(struct msghdr *header, datagrams__control *control, int family,
                                 const datagrams__destination *from)
{
    static const unsigned char nobody[16];

    if (family == AF_INET && memcmp(from->address, nobody, 4) != 0) {
#ifdef IP_SENDSRCADDR
        memcpy(datagrams__put(header, control, IPPROTO_IP, IP_SENDSRCADDR, 4), from->address, 4);
#elif defined(IP_PKTINFO)
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->address, 4);
        memcpy(datagrams__put(header, control, IPPROTO_IP, IP_PKTINFO, sizeof info), &info, sizeof info);
#endif
    }
#ifdef IPV6_PKTINFO
    if (family == AF_INET6 && (from->scope || memcmp(from->address, nobody, 16) != 0)) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, from->address, 16);
        info.ipi6_ifindex = from->scope;
        memcpy(datagrams__put(header, control, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info), &info, sizeof info);
    }
#endif
}

/* Whether a message that could not be sent from where it should is to be tried without: the address is nobody's
 * any more (ENETUNREACH of Linux 6.18, which was EINVAL), or there is no way from there to the receiver. */
static int datagrams__forget_source(struct msghdr *header, int error)
{
    if (!header->msg_control || (error != EINVAL && error != EADDRNOTAVAIL && error != ENETUNREACH))
        return 0;
    header->msg_control = NULL;
    header->msg_controllen = 0;
    return 1;
}

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
