/*
 * The kernel taken away from under a stream server: preloaded (LD_PRELOAD, ld.so(8)), it answers what an event
 * loop asks on epoll at once, as if every connection always had one message and took every reply. What the server
 * still spends is its own: the interpreter, the calls into C, and that C.
 *
 * Connections are real sockets that were never connected, so that whatever else is asked of them (options, names)
 * has an answer; epoll never sees them. Only the program's last listener has any, and only after stub_begin.
 * The program's one loop is served, in one thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    DESCRIPTORS = 1 << 16,
    MESSAGE = 64,
    REAL_WAITS = 64, /* one wait in so many asks the kernel, too: for wakers and timers */
};

static struct {
    bool fake, ready; /* ready: its message has been told of and not been received */
    int place;        /* in the list of those registered; -1: in none */
    epoll_data_t data;
} table[DESCRIPTORS];
static int registered[DESCRIPTORS], registered_count, next;
static int connections, accepted;
static int poller = -1, listener = -1;
static bool listening; /* whether the poller watches the listener */
static epoll_data_t listener_data;
static long messages;

/* What stands behind a name here. Looked up at each rare call, and once for the frequent ones. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void stub_begin(int count)
{
    connections = count;
}

long stub_messages(void)
{
    return messages;
}

static bool is_fake(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && table[fd].fake;
}

static void forget(int fd)
{
    int place = table[fd].place;
    if (place < 0)
        return;
    registered[place] = registered[--registered_count];
    table[registered[place]].place = place;
    table[fd].place = -1;
}

int listen(int fd, int backlog)
{
    listener = fd;
    return REAL(listen)(fd, backlog);
}

int accept4(int fd, struct sockaddr *name, socklen_t *size, int flags)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd != listener || connections == 0)
        return REAL(accept4)(fd, name, size, flags);
    int made = accepted < connections ? socket(AF_INET, SOCK_STREAM | flags, 0) : -1;
    if (made < 0 || made >= DESCRIPTORS) {
        errno = EAGAIN;
        return -1;
    }
    accepted++;
    peer.sin_port = htons((uint16_t)accepted);
    if (name) {
        memcpy(name, &peer, *size < sizeof peer ? *size : sizeof peer);
        *size = sizeof peer;
    }
    table[made].fake = true;
    table[made].place = -1;
    return made;
}

int accept(int fd, struct sockaddr *name, socklen_t *size)
{
    return accept4(fd, name, size, 0);
}

int epoll_ctl(int handle, int operation, int fd, struct epoll_event *event)
{
    if (fd == listener) {
        listening = operation != EPOLL_CTL_DEL;
        poller = handle;
        if (listening)
            listener_data = event->data;
    }
    if (!is_fake(fd))
        return REAL(epoll_ctl)(handle, operation, fd, event);
    if (operation == EPOLL_CTL_DEL || !(event->events & EPOLLIN)) {
        forget(fd);
        return 0;
    }
    table[fd].data = event->data;
    if (table[fd].place < 0) {
        table[fd].place = registered_count;
        registered[registered_count++] = fd;
    }
    return 0;
}

/* The listener until all have been accepted, then the connections in turn, as a kernel does under load; -1: this
 * wait is the kernel's. */
static int invent(int handle, struct epoll_event *events, int capacity)
{
    static unsigned waits;
    if (handle != poller || connections == 0 || ++waits % REAL_WAITS == 0)
        return -1;
    if (accepted < connections) {
        events[0] = (struct epoll_event){.events = EPOLLIN, .data = listener_data};
        return listening ? 1 : -1;
    }
    if (registered_count == 0)
        return -1;
    int count = registered_count < capacity ? registered_count : capacity;
    for (int i = 0; i < count; i++) {
        int fd = registered[next++ % registered_count];
        table[fd].ready = true;
        events[i] = (struct epoll_event){.events = EPOLLIN, .data = table[fd].data};
    }
    next %= registered_count;
    return count;
}

/* With connections there is no reason to sleep. */
static bool sleepless(int handle)
{
    return handle == poller && connections > 0 && (registered_count > 0 || accepted < connections);
}

int epoll_wait(int handle, struct epoll_event *events, int capacity, int timeout)
{
    int count = invent(handle, events, capacity);
    return count >= 0 ? count : REAL(epoll_wait)(handle, events, capacity, sleepless(handle) ? 0 : timeout);
}

int epoll_pwait(int handle, struct epoll_event *events, int capacity, int timeout, const sigset_t *mask)
{
    int count = invent(handle, events, capacity);
    return count >= 0 ? count : REAL(epoll_pwait)(handle, events, capacity, sleepless(handle) ? 0 : timeout, mask);
}

/* epoll_pwait2 may be called by number where the C library does not know it. */
long syscall(long number, ...)
{
    static const struct timespec at_once;
    static __typeof__(&syscall) real;
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long); /* the system call takes those that were given */
    va_end(list);
    if (number == SYS_epoll_pwait2) {
        int count = invent((int)a[0], (struct epoll_event *)a[1], (int)a[2]);
        if (count >= 0)
            return count;
        if (sleepless((int)a[0]))
            a[3] = (long)&at_once;
    }
    if (!real)
        real = REAL(syscall);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static ssize_t take(int fd)
{
    if (!table[fd].ready) {
        errno = EAGAIN;
        return -1;
    }
    table[fd].ready = false;
    messages++;
    return MESSAGE;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return is_fake(fd) ? take(fd) : REAL(recv)(fd, data, size, flags);
}

ssize_t read(int fd, void *data, size_t size)
{
    static __typeof__(&read) real;
    if (is_fake(fd))
        return take(fd);
    if (!real)
        real = REAL(read);
    return real(fd, data, size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return is_fake(fd) ? (ssize_t)size : REAL(send)(fd, data, size, flags);
}

ssize_t write(int fd, const void *data, size_t size)
{
    static __typeof__(&write) real;
    if (is_fake(fd))
        return (ssize_t)size;
    if (!real)
        real = REAL(write);
    return real(fd, data, size);
}

static ssize_t length_of(const struct iovec *vector, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += vector[i].iov_len;
    return (ssize_t)total;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return is_fake(fd) ? length_of(message->msg_iov, message->msg_iovlen) : REAL(sendmsg)(fd, message, flags);
}

ssize_t writev(int fd, const struct iovec *vector, int count)
{
    return is_fake(fd) ? length_of(vector, (size_t)count) : REAL(writev)(fd, vector, count);
}

int shutdown(int fd, int how)
{
    return is_fake(fd) ? 0 : REAL(shutdown)(fd, how);
}

int close(int fd)
{
    static __typeof__(&close) real;
    if (is_fake(fd)) {
        forget(fd);
        table[fd].fake = false;
    }
    if (!real)
        real = REAL(close);
    return real(fd);
}
