/*
 * Stream echo, as close to the kernel as one thread gets: the physical reference. For each readable event
 * exactly one recv and one send.
 *
 * usage: echo_epoll PORT
 */
#include "tcp_server.h"

#include <errno.h>
#include <sys/socket.h>

static char buffer[64 * 1024];

static void echo(struct connection *connection)
{
    ssize_t received = recv(connection->fd, buffer, sizeof buffer, 0);
    if (received > 0)
        tcp_reply(connection, buffer, (size_t)received);
    else if (received == 0 || errno != EAGAIN)
        tcp_drop(connection);
}

int main(int argc, char **argv)
{
    tcp_serve(argc, argv, echo);
}
