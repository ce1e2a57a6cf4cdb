/* Has one call of netcore's C to the system fail, counted from when `failing_at` was set.
 *
 * It is linked with -Wl,--wrap=NAME for every name below, so that only the calls of what is linked with it are
 * counted, and none of the interpreter's. What opens or allocates, and what talks to the kernel, can fail; what
 * closes and frees cannot.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int failing_at;    /* which call fails; 0 for none */
int failing_with;  /* its errno */
int failing_calls; /* so far */
const char *failing_name = ""; /* of the call that failed */

static int emulating; /* a call of kqueue's emulation is under way, whose own calls are none of ours */

static int fails(const char *name)
{
    if (!failing_at || emulating || ++failing_calls != failing_at)
        return 0;
    failing_name = name;
    errno = failing_with;
    return 1;
}

/* A function of the C library: the result of a failure, its parameters, and their names. */
#define LIBC(type, name, failure, parameters, arguments)                                                   \
    type __real_##name parameters;                                                                         \
    type __wrap_##name parameters;                                                                         \
    type __wrap_##name parameters                                                                          \
    {                                                                                                      \
        return fails(#name) ? (failure) : __real_##name arguments;                                         \
    }

/* One of liburing, which returns a negative errno. */
#define URING(name, parameters, arguments)                                                                 \
    int __real_##name parameters;                                                                          \
    int __wrap_##name parameters;                                                                          \
    int __wrap_##name parameters                                                                           \
    {                                                                                                      \
        return fails(#name) ? -failing_with : __real_##name arguments;                                     \
    }

LIBC(void *, calloc, NULL, (size_t count, size_t size), (count, size))
LIBC(void *, mmap, (void *)-1, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))
LIBC(void *, mmap64, (void *)-1, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))
LIBC(int, fstat, -1, (int fd, void *status), (fd, status))
LIBC(int, fstat64, -1, (int fd, void *status), (fd, status))
LIBC(int, pipe, -1, (int *ends), (ends))
LIBC(int, eventfd, -1, (unsigned count, int flags), (count, flags))
LIBC(int, epoll_create1, -1, (int flags), (flags))
LIBC(int, epoll_ctl, -1, (int queue, int operation, int fd, void *event), (queue, operation, fd, event))
LIBC(int, epoll_wait, -1, (int queue, void *events, int room, int timeout), (queue, events, room, timeout))
LIBC(int, accept4, -1, (int fd, void *name, void *size, int flags), (fd, name, size, flags))
LIBC(int, getsockopt, -1, (int fd, int level, int option, void *value, void *size),
     (fd, level, option, value, size))
LIBC(int, setsockopt, -1, (int fd, int level, int option, const void *value, unsigned size),
     (fd, level, option, value, size))
LIBC(ssize_t, recv, -1, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
LIBC(ssize_t, send, -1, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
LIBC(ssize_t, sendmsg, -1, (int fd, const void *message, int flags), (fd, message, flags))
LIBC(int, recvmmsg, -1, (int fd, void *messages, unsigned count, int flags, void *timeout),
     (fd, messages, count, flags, timeout))
LIBC(int, sendmmsg, -1, (int fd, void *messages, unsigned count, int flags), (fd, messages, count, flags))
LIBC(ssize_t, write, -1, (int fd, const void *data, size_t size), (fd, data, size))

int __real_kqueue(void);
int __wrap_kqueue(void);
int __wrap_kqueue(void)
{
    int result;

    if (fails("kqueue"))
        return -1;
    emulating = 1;
    result = __real_kqueue();
    emulating = 0;
    return result;
}

int __real_kevent(int queue, const void *changes, int count, void *events, int room, const void *timeout);
int __wrap_kevent(int queue, const void *changes, int count, void *events, int room, const void *timeout);
int __wrap_kevent(int queue, const void *changes, int count, void *events, int room, const void *timeout)
{
    int result;

    if (fails("kevent"))
        return -1;
    emulating = 1;
    result = __real_kevent(queue, changes, count, events, room, timeout);
    emulating = 0;
    return result;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long arguments[6];
    va_list given;

    va_start(given, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(given, long);
    va_end(given);
    return fails("syscall") ? -1
                            : __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                                             arguments[4], arguments[5]);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list given;
    long argument;

    va_start(given, command);
    argument = va_arg(given, long);
    va_end(given);
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

#ifdef NC_WITH_LIBURING
LIBC(void *, io_uring_get_probe_ring, NULL, (void *ring), (ring))
URING(io_uring_queue_init_params, (unsigned entries, void *ring, void *parameters), (entries, ring, parameters))
URING(io_uring_register_buf_ring, (void *ring, void *registration, unsigned flags), (ring, registration, flags))
URING(io_uring_submit, (void *ring), (ring))
URING(io_uring_submit_and_get_events, (void *ring), (ring))
URING(io_uring_submit_and_wait, (void *ring, unsigned count), (ring, count))
URING(io_uring_submit_and_wait_timeout,
      (void *ring, void *completion, unsigned count, void *timeout, void *signals),
      (ring, completion, count, timeout, signals))
#endif
