/*
 * netcore's native part with the kernel taken away: waiting, accepting, receiving and sending return at once,
 * as if every connection always had one message and took every reply. What a loop still spends is Python and
 * the calls into C, list conversion and hand-over of the GIL included.
 *
 * Compiled by cffi for gil_netcore.py, with netcore/_native/src on the include path.
 */
#define nc_epoll_control real__epoll_control
#define nc_epoll_wait real__epoll_wait
#define nc_accept real__accept
#define nc_receive real__receive
#define nc_receive_one real__receive_one
#define nc_send real__send
#define nc_send_one real__send_one
#define nc_close real__close
#define nc_reset real__reset
#include "platform.c"
#undef nc_epoll_control
#undef nc_epoll_wait
#undef nc_accept
#undef nc_receive
#undef nc_receive_one
#undef nc_send
#undef nc_send_one
#undef nc_close
#undef nc_reset

enum { FIRST_FAKE = 1 << 20, MESSAGE = 64 };

static int stub__connections, stub__accepted, stub__registered, stub__next;
static nc_socket stub__listener = -1;
static long stub__messages;

void stub_begin(int connections)
{
    stub__connections = connections;
}

long stub_messages(void)
{
    return stub__messages;
}

int nc_epoll_control(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    (void)poller, (void)interest;
    if (socket < FIRST_FAKE)
        stub__listener = operation == NC_REMOVE ? -1 : socket;
    else if (operation == NC_ADD)
        stub__registered++;
    return 0;
}

/* The listener until all have been accepted, then the connections in turn, as a kernel does under load. */
int nc_epoll_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness)
{
    (void)timeout;
    int count = stub__registered < capacity ? stub__registered : capacity;
    poller->seen = NC_READABLE;
    if (stub__accepted < stub__connections) {
        sockets[0] = stub__listener;
        readiness[0] = NC_READABLE;
        return stub__listener >= 0;
    }
    for (int i = 0; i < count; i++) {
        sockets[i] = FIRST_FAKE + stub__next++ % stub__registered;
        readiness[i] = NC_READABLE;
    }
    return count;
}

int nc_accept(nc_socket listener, int capacity, nc_socket *sockets, unsigned char *names, int *error)
{
    (void)listener;
    int count = 0;
    for (; count < capacity && stub__accepted < stub__connections; count++) {
        sockets[count] = FIRST_FAKE + stub__accepted++;
        names[count * NC_NAME_SIZE] = 1; /* a name that is a family only: none */
        names[count * NC_NAME_SIZE + 1] = 0;
    }
    *error = 0;
    return count;
}

int nc_receive(int count, const nc_socket *sockets, char *arena, size_t room, size_t cap, intptr_t *results)
{
    (void)sockets, (void)arena, (void)room, (void)cap;
    for (int i = 0; i < count; i++)
        results[i] = MESSAGE;
    stub__messages += count;
    return count;
}

int nc_send(int count, const nc_socket *sockets, const size_t *lengths, const char *joined,
            const char *const *pointers, intptr_t *unsent)
{
    (void)count, (void)sockets, (void)lengths, (void)joined, (void)pointers, (void)unsent;
    return 0;
}

intptr_t nc_receive_one(nc_socket socket, char *arena, size_t cap)
{
    (void)socket, (void)arena, (void)cap;
    stub__messages++;
    return MESSAGE;
}

intptr_t nc_send_one(nc_socket socket, const char *chunk, size_t length)
{
    (void)socket, (void)chunk, (void)length;
    return 0;
}

void nc_close(int count, const nc_socket *sockets)
{
    (void)count, (void)sockets;
}

int nc_reset(nc_socket socket)
{
    (void)socket;
    return 0;
}
