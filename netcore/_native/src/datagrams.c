/* Datagrams, the same on every system; what differs is in datagrams_posix.c and datagrams_windows.c.
 *
 * Received datagrams lie in slots of the arena. Nearly all are small, so the first NC_DATAGRAM_SLOT bytes of
 * each go to slots that stand close together and stay in the cache; only the rest of a longer one
 * goes to the large slot behind, which then gets its beginning too. */

/* Datagrams for one system call: enough to make the call itself cheap, while preparing the headers still costs
 * little when only one datagram has come. */
enum { DATAGRAMS_VECTOR = 32 };

/* Puts a batch's headers over its slots, `first` being the number of the first. */
static void datagrams__prepare(datagrams__message *messages, struct iovec *parts, struct sockaddr_storage *names,
                               datagrams__control *controls, int first, int count, int capacity, char *arena,
                               size_t cap)
{
    size_t small = cap < NC_DATAGRAM_SLOT ? cap : NC_DATAGRAM_SLOT;
    char *large = arena + (size_t)capacity * NC_DATAGRAM_SLOT;

    for (int i = 0; i < count; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        size_t number = (size_t)(first + i);
        parts[2 * i].iov_base = arena + number * NC_DATAGRAM_SLOT;
        parts[2 * i].iov_len = small;
        parts[2 * i + 1].iov_base = large + number * cap + small;
        parts[2 * i + 1].iov_len = cap - small;
        memset(header, 0, sizeof *header);
        header->msg_name = &names[i];
        header->msg_namelen = sizeof names[i];
        header->msg_iov = &parts[2 * i];
        header->msg_iovlen = cap > small ? 2 : 1;
        datagrams__ask(header, &controls[i]);
    }
}

/* Packs the destination behind a sender's name; the names of a batch are all of one size. */
static void datagrams__pack_destination(struct msghdr *header, int first, int name_size, unsigned char *packed)
{
    datagrams__destination destination = {0};
    int family = packed[1];
    unsigned char *at = packed + 1 + packed[0];

    datagrams__told(header, family, &destination);
    if (family == 6 && (first ? destination.known : name_size > packed[0])) {
        uint32_t scope = htonl(destination.scope);
        memcpy(at, &scope, 4);
        memcpy(at + 4, destination.address, 16);
        packed[0] += 20;
        packed[1] |= NC_NAME_KNOWN;
    } else if (family == 4 && (first ? destination.known : name_size > packed[0])) {
        memcpy(at, destination.address, 4);
        packed[0] += 4;
        packed[1] |= NC_NAME_KNOWN;
    }
}

int nc_receive_datagrams(nc_socket socket, int capacity, int limit, char *arena, size_t cap, intptr_t *lengths,
                         unsigned char *names, int *name_size, int *error)
{
    datagrams__message messages[DATAGRAMS_VECTOR];
    struct iovec parts[2 * DATAGRAMS_VECTOR];
    struct sockaddr_storage senders[DATAGRAMS_VECTOR];
    datagrams__control controls[DATAGRAMS_VECTOR];
    int count = 0;

    *error = 0;
    *name_size = 0;
    while (count < limit) {
        int wanted = limit - count < DATAGRAMS_VECTOR ? limit - count : DATAGRAMS_VECTOR;
        int failed = 0;
        int n;

        datagrams__prepare(messages, parts, senders, controls, count, wanted, capacity, arena, cap);
        n = datagrams__receive_batch(socket, messages, wanted, &failed);
        if (failed && !sockets__is_empty(failed))
            *error = -failed;
        for (int i = 0; i < n; i++, count++) {
            struct msghdr *header = &messages[i].msg_hdr;
            unsigned char packed[NC_NAME_SIZE] = {0};
            size_t length = messages[i].msg_len;
            sockets__pack_name(&senders[i], header->msg_namelen, packed);
            datagrams__pack_destination(header, count == 0, *name_size, packed);
            if (count == 0) /* all senders of a socket have a name of the same family, and so of one size */
                *name_size = packed[0];
            memcpy(names + (size_t)count * (size_t)*name_size, packed + 1, (size_t)*name_size);
            lengths[count] = header->msg_flags & MSG_TRUNC ? -EMSGSIZE : (intptr_t)length;
            if (length > NC_DATAGRAM_SLOT)
                memcpy((char *)parts[2 * i + 1].iov_base - NC_DATAGRAM_SLOT, parts[2 * i].iov_base,
                       NC_DATAGRAM_SLOT);
        }
        if (n < wanted)
            break;
    }
    return count;
}

/* Makes a system's name of a packed one, and returns how long the packed one is. */
static size_t datagrams__unpack_name(const unsigned char *packed, struct sockaddr_storage *name, socklen_t *size,
                                     datagrams__destination *from)
{
    int family = packed[0] & ~NC_NAME_KNOWN;

    memset(name, 0, sizeof *name);
    from->known = packed[0] != family;
    if (family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)name;
        in->sin_family = AF_INET;
        memcpy(&in->sin_port, packed + 1, 2);
        memcpy(&in->sin_addr, packed + 3, 4);
        *size = sizeof *in;
        if (from->known)
            memcpy(from->address, packed + 7, 4);
        return from->known ? 11 : 7;
    }
    if (family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
        uint32_t scope;
        memcpy(&scope, packed + 3, 4);
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_port, packed + 1, 2);
        in6->sin6_scope_id = ntohl(scope);
        memcpy(&in6->sin6_addr, packed + 7, 16);
        *size = sizeof *in6;
        if (from->known) {
            memcpy(&scope, packed + 23, 4);
            from->scope = ntohl(scope);
            memcpy(from->address, packed + 27, 16);
        }
        return from->known ? 43 : 23;
    }
    *size = 0; /* to whom the socket is connected */
    return 1;
}

int nc_send_datagrams(nc_socket socket, int count, const size_t *lengths, const char *joined,
                      const char *const *pointers, const unsigned char *names, intptr_t *unsent)
{
    datagrams__message messages[DATAGRAMS_VECTOR];
    struct iovec parts[DATAGRAMS_VECTOR];
    struct sockaddr_storage receivers[DATAGRAMS_VECTOR];
    datagrams__control controls[DATAGRAMS_VECTOR];
    int troubled = 0;
    int full = 0;

    memset(unsent, 0, (size_t)count * sizeof *unsent);
    for (int first = 0; first < count && !full;) {
        int wanted = count - first < DATAGRAMS_VECTOR ? count - first : DATAGRAMS_VECTOR;
        for (int i = 0; i < wanted; i++) {
            struct msghdr *header = &messages[i].msg_hdr;
            const char *chunk = pointers ? pointers[first + i] : NULL;
            datagrams__destination from;
            if (!chunk) {
                chunk = joined;
                joined += lengths[first + i];
            }
            parts[i].iov_base = (void *)chunk;
            parts[i].iov_len = lengths[first + i];
            memset(header, 0, sizeof *header);
            header->msg_iov = &parts[i];
            header->msg_iovlen = 1;
            names += datagrams__unpack_name(names, &receivers[i], &header->msg_namelen, &from);
            if (header->msg_namelen)
                header->msg_name = &receivers[i];
            if (from.known)
                datagrams__send_from(header, &controls[i], receivers[i].ss_family, &from);
        }
        for (int i = 0; i < wanted && !full;) {
            int n = datagrams__send_batch(socket, messages + i, wanted - i);
            if (n > 0) {
                i += n;
                continue;
            }
            if (datagrams__forget_source(&messages[i].msg_hdr, -n))
                continue;
            full = sockets__would_block(-n);
            unsent[first + i++] = n;
            troubled++;
            for (; full && first + i < count; i++) /* what follows must not overtake it */
                unsent[first + i] = n;
        }
        first += wanted;
    }
    return troubled;
}
