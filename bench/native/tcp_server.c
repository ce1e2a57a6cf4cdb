/*
 * Level-triggered epoll in one thread, with nothing between it and the kernel.
 */
#define _GNU_SOURCE
#include "tcp_server.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 256, BACKLOG = 4096 };

static int epoll_fd;

static void watch(int operation, int fd, uint32_t events, struct connection *connection)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        err(1, "epoll_ctl");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err(1, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        err(1, "SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "bind");
    if (listen(fd, BACKLOG) < 0)
        err(1, "listen");
    return fd;
}

static void accept_all(int listener)
{
    for (;;) {
        int on = 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            err(1, "accept4"); /* out of descriptors: the figures would be worth nothing */
        }
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
            err(1, "TCP_NODELAY");
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
            err(1, "calloc");
        connection->fd = fd;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

/* epoll reports a descriptor at most once per wait, so no later event of the batch points here. */
void tcp_drop(struct connection *connection)
{
    close(connection->fd);
    free(connection->unsent);
    free(connection->partial);
    free(connection);
}

static void keep(struct connection *connection, const char *data, size_t size)
{
    connection->unsent = malloc(size);
    if (!connection->unsent)
        err(1, "malloc");
    memcpy(connection->unsent, data, size);
    connection->unsent_begin = 0;
    connection->unsent_end = size;
    watch(EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
}

void tcp_reply(struct connection *connection, const char *data, size_t size)
{
    ssize_t sent = send(connection->fd, data, size, MSG_NOSIGNAL);
    if (sent == (ssize_t)size)
        return;
    if (sent < 0 && errno != EAGAIN) {
        tcp_drop(connection);
        return;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    keep(connection, data + taken, size - taken);
}

static void on_writable(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->unsent + connection->unsent_begin,
                        connection->unsent_end - connection->unsent_begin, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            tcp_drop(connection);
        return;
    }
    connection->unsent_begin += (size_t)sent;
    if (connection->unsent_begin < connection->unsent_end)
        return;
    free(connection->unsent);
    connection->unsent = NULL;
    watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
}

void tcp_serve(int argc, char **argv, void (*on_readable)(struct connection *connection))
{
    char *end;
    unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
    if (port == 0 || port > 65535 || *end)
        errx(2, "usage: %s PORT", argv[0]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    int listener = listen_on((uint16_t)port);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(epoll_fd, events, BATCH, -1);
        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection)
                accept_all(listener);
            else if (connection->unsent)
                on_writable(connection);
            else
                on_readable(connection); /* an error or hang-up shows itself in recv */
        }
    }
}
