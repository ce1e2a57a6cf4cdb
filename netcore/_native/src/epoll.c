/* epoll(7): the Linux poller.
 *
 * The waker is an eventfd(2) registered edge-triggered: every write to it is a new edge, so it is never
 * read, and a wake-up costs one system call, not two. Its counter would need 2^64 wakes to fill up.
 */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EPOLL_BATCH = 256 };

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28) /* kernels before 4.5 keep the bit and make nothing of it */
#endif

static uint32_t epoll__mask(int interest)
{
    uint32_t mask = 0;
    if (interest & NC_READ)
        mask |= EPOLLIN;
    if (interest & NC_WRITE)
        mask |= EPOLLOUT;
    if (interest & NC_EDGE)
        mask |= EPOLLET;
    if (interest & NC_EXCLUSIVE)
        mask |= EPOLLEXCLUSIVE;
    return mask;
}

static int epoll__readiness(uint32_t events)
{
    int readiness = 0;
    if (events & EPOLLIN)
        readiness |= NC_READABLE;
    if (events & EPOLLOUT)
        readiness |= NC_WRITABLE;
    if (events & EPOLLHUP)
        readiness |= NC_HANGUP;
    if (events & EPOLLERR)
        readiness |= NC_ERROR;
    return readiness;
}

int nc_epoll_open(nc_poller *poller)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int error;

    poller->handle = poller->waker = -1;
    poller->handle = epoll_create1(EPOLL_CLOEXEC);
    if (poller->handle < 0)
        return -errno;
    poller->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->waker >= 0) {
        event.data.fd = (int)poller->waker;
        if (epoll_ctl((int)poller->handle, EPOLL_CTL_ADD, (int)poller->waker, &event) == 0)
            return 0;
    }
    error = errno;
    nc_epoll_close(poller);
    return -error;
}

/* EPOLLEXCLUSIVE may be given to EPOLL_CTL_ADD only, and what has it cannot be modified (epoll_ctl(2)). */
static int epoll__replace(nc_poller *poller, struct epoll_event *event)
{
    int handle = (int)poller->handle;

    if (epoll_ctl(handle, EPOLL_CTL_DEL, event->data.fd, NULL) < 0)
        return errno == EBADF ? -ENOENT : -errno;
    return epoll_ctl(handle, EPOLL_CTL_ADD, event->data.fd, event) < 0 ? -errno : 0;
}

int nc_epoll_control(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    static const int operations[] = {
        [NC_ADD] = EPOLL_CTL_ADD, [NC_MODIFY] = EPOLL_CTL_MOD, [NC_REMOVE] = EPOLL_CTL_DEL};
    struct epoll_event event = {.events = epoll__mask(interest)};

    event.data.fd = (int)socket;
    if (epoll_ctl((int)poller->handle, operations[operation], (int)socket, &event) == 0)
        return 0;
    if (operation == NC_MODIFY && errno == EINVAL)
        return epoll__replace(poller, &event);
    /* What is closed, or was refused, is not registered. */
    return operation != NC_ADD && (errno == EBADF || errno == EPERM) ? -ENOENT : -errno;
}

/* epoll_wait with nanoseconds where the kernel has it (Linux 5.11), else with milliseconds. */
static int epoll__wait(int handle, struct epoll_event *events, int capacity, double timeout)
{
#ifdef SYS_epoll_pwait2
    static int has_pwait2 = 1; /* threads may race to clear it; each would store the same value */
    if (has_pwait2 && timeout > 0) {
        struct timespec spec;
        double bounded = timeout < 1e9 ? timeout : 1e9;
        int n;
        spec.tv_sec = (time_t)bounded;
        spec.tv_nsec = (long)((bounded - (double)spec.tv_sec) * 1e9);
        if (spec.tv_nsec < 999999999)
            spec.tv_nsec++; /* rounded up */
        n = (int)syscall(SYS_epoll_pwait2, handle, events, capacity, &spec, NULL, 0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        has_pwait2 = 0;
    }
#endif
    return epoll_wait(handle, events, capacity, platform__milliseconds(timeout));
}

int nc_epoll_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness)
{
    struct epoll_event events[EPOLL_BATCH];
    int count = 0;
    int seen = 0;
    int n = epoll__wait((int)poller->handle, events, capacity < EPOLL_BATCH ? capacity : EPOLL_BATCH, timeout);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == (int)poller->waker)
            continue;
        sockets[count] = events[i].data.fd;
        readiness[count] = epoll__readiness(events[i].events);
        seen |= readiness[count++];
    }
    poller->seen = seen;
    return count;
}

/* "If an epoll file descriptor has events waiting, then it will indicate as being readable", see epoll(7). */
int nc_epoll_fileno(nc_poller *poller)
{
    return (int)poller->handle;
}

int nc_epoll_wake(nc_poller *poller)
{
    uint64_t one = 1;
    return write((int)poller->waker, &one, sizeof one) < 0 && errno != EAGAIN ? -errno : 0;
}

void nc_epoll_close(nc_poller *poller)
{
    if (poller->waker >= 0)
        close((int)poller->waker);
    if (poller->handle >= 0)
        close((int)poller->handle);
    poller->handle = poller->waker = -1;
}
