/* What stands in for the io_uring backend beyond a poller's functions where there was no liburing. */

int nc_io_uring_built(void)
{
    return 0;
}

int nc_io_uring_open_as(nc_poller *poller, int mode)
{
    (void)poller, (void)mode;
    return -ENOSYS;
}

int nc_io_uring_adopt(nc_poller *poller, nc_socket socket, int interest)
{
    (void)poller, (void)socket, (void)interest;
    return -ENOSYS;
}

int nc_io_uring_receive(nc_poller *poller, int count, const nc_socket *sockets, char *arena, size_t room,
                        size_t cap, intptr_t *results)
{
    (void)poller, (void)count, (void)sockets, (void)arena, (void)room, (void)cap, (void)results;
    return -ENOSYS;
}

intptr_t nc_io_uring_receive_one(nc_poller *poller, nc_socket socket, char *arena, size_t cap)
{
    (void)poller, (void)socket, (void)arena, (void)cap;
    return -ENOSYS;
}

intptr_t nc_io_uring_available(nc_poller *poller, nc_socket socket)
{
    (void)poller, (void)socket;
    return -ENOSYS;
}

int nc_io_uring_send(nc_poller *poller, int count, const nc_socket *sockets, const size_t *lengths,
                     const char *joined, const char *const *pointers, intptr_t *unsent)
{
    (void)poller, (void)count, (void)sockets, (void)lengths, (void)joined, (void)pointers, (void)unsent;
    return -ENOSYS;
}

int nc_io_uring_release(nc_poller *poller, int count, const nc_socket *sockets)
{
    (void)poller, (void)count, (void)sockets;
    return -ENOSYS;
}
