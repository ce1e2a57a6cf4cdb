/*
 * Datagram echo with epoll: what has come is received and sent back until the socket is empty, in batches
 * with recvmmsg and sendmmsg, or with one recvfrom and one sendto for each.
 *
 * usage: echo_datagram batch|single PORT
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, LARGEST = 65536 };

static char buffers[BATCH][LARGEST];
static struct sockaddr_in senders[BATCH];
static struct iovec parts[BATCH];
static struct mmsghdr headers[BATCH];

static void prepare_batch(void)
{
    for (int i = 0; i < BATCH; i++) {
        parts[i].iov_base = buffers[i];
        headers[i].msg_hdr = (struct msghdr){.msg_name = &senders[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
}

/* An ICMP error of an earlier send (a client that is gone) comes out of a later call; it is nobody's end. */
static void echo_batches(int fd)
{
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            parts[i].iov_len = LARGEST;
            headers[i].msg_hdr.msg_namelen = sizeof senders[i];
        }
        int count = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
        if (count <= 0)
            return;
        for (int i = 0; i < count; i++)
            parts[i].iov_len = headers[i].msg_len;
        sendmmsg(fd, headers, (unsigned)count, MSG_DONTWAIT);
        if (count < BATCH)
            return;
    }
}

static void echo_singles(int fd)
{
    for (;;) {
        socklen_t size = sizeof senders[0];
        ssize_t received = recvfrom(fd, buffers[0], LARGEST, MSG_DONTWAIT, (struct sockaddr *)&senders[0], &size);
        if (received < 0)
            return;
        sendto(fd, buffers[0], (size_t)received, MSG_DONTWAIT, (struct sockaddr *)&senders[0], size);
    }
}

int main(int argc, char **argv)
{
    void (*echo)(int) = argc == 3 && strcmp(argv[1], "batch") == 0 ? echo_batches : echo_singles;
    unsigned long port = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (port == 0 || port > 65535)
        errx(2, "usage: echo_datagram batch|single PORT");
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "bind");
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "epoll");
    prepare_batch();
    for (;;) {
        int count = epoll_wait(epoll_fd, &event, 1, -1);
        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        if (count > 0)
            echo(fd);
    }
}
