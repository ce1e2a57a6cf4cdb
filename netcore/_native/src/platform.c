/* The one place that looks at the platform: it picks the backends and stands in for absent ones. */

#if defined(__linux__)
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NC_HAVE_EPOLL 1
#endif

#if defined(__APPLE__)
#define __APPLE_USE_RFC_3542 1 /* IPV6_PKTINFO, which its headers hide */
#endif

#if defined(_WIN32)
#include <winsock2.h> /* before windows.h, which would bring in an older one */

#include <mswsock.h>
#include <windows.h>
#include <ws2tcpip.h>
#define NC_HAVE_WINSOCK 1
#endif

#include <errno.h>

#include "netcore.h"

#if !defined(_WIN32)
/* Where the header is: macOS, the BSDs, and a system that a library brings kqueue to (see build.py). */
#if defined(__has_include)
#if __has_include(<sys/event.h>)
#define NC_HAVE_KQUEUE 1
#endif
#endif
#endif

#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
#define NC_HAVE_MMSG 1 /* recvmmsg and sendmmsg: several datagrams in one call */
#endif

/* A backend that this platform lacks: the same functions, each saying so. */
#define NC_ABSENT_POLLER(name)                                                                             \
    int nc_##name##_open(nc_poller *poller)                                                                \
    {                                                                                                      \
        (void)poller;                                                                                      \
        return -ENOSYS;                                                                                    \
    }                                                                                                      \
    int nc_##name##_control(nc_poller *poller, int operation, nc_socket socket, int interest)              \
    {                                                                                                      \
        (void)poller, (void)operation, (void)socket, (void)interest;                                       \
        return -ENOSYS;                                                                                    \
    }                                                                                                      \
    int nc_##name##_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets,              \
                         int *readiness)                                                                   \
    {                                                                                                      \
        (void)poller, (void)timeout, (void)capacity, (void)sockets, (void)readiness;                       \
        return -ENOSYS;                                                                                    \
    }                                                                                                      \
    int nc_##name##_wake(nc_poller *poller)                                                                \
    {                                                                                                      \
        (void)poller;                                                                                      \
        return -ENOSYS;                                                                                    \
    }                                                                                                      \
    void nc_##name##_close(nc_poller *poller)                                                              \
    {                                                                                                      \
        (void)poller;                                                                                      \
    }

#define NC_ABSENT_FILENO(name)                                                                             \
    int nc_##name##_fileno(nc_poller *poller)                                                              \
    {                                                                                                      \
        (void)poller;                                                                                      \
        return -ENOSYS;                                                                                    \
    }

#if defined(NC_HAVE_EPOLL) || defined(NC_HAVE_WINSOCK)
/* Seconds as milliseconds; -1, which is INFINITE on Windows, for a wait without end. Rounded up: rounding down
 * would turn a wait of 0.3 ms into a spin. */
static int platform__milliseconds(double timeout)
{
    double exact = timeout < 2e6 ? timeout * 1e3 : 2e9;
    int whole;

    if (timeout < 0)
        return -1;
    whole = (int)exact;
    return whole < exact ? whole + 1 : whole;
}
#endif

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>

/* Refuses what is closed, and files and directories, as epoll_ctl(2) does: they are always ready. */
static int platform__check_descriptor(nc_socket socket)
{
    struct stat status;

    if (fstat((int)socket, &status) < 0)
        return -errno;
    /* The file types of POSIX by number: the headers of macOS hide their names from strict programs. */
    mode_t type = status.st_mode & 0170000;

    return type == 0100000 || type == 0040000 ? -EPERM : 0;
}
#endif

#ifdef NC_HAVE_EPOLL
#include "epoll.c"
#else
NC_ABSENT_POLLER(epoll)
NC_ABSENT_FILENO(epoll)
#endif

#ifdef NC_HAVE_KQUEUE
#include "kqueue.c"
#else
NC_ABSENT_POLLER(kqueue)
NC_ABSENT_FILENO(kqueue)
#endif

/* Chunks gathered into one call; IOV_MAX is at least 16 and usually 1024. */
enum { SOCKETS_VECTOR = 64 };

#ifdef NC_HAVE_WINSOCK
#include "iocp.c"
#include "sockets_windows.c"
#include "datagrams_windows.c"
#include "clock_windows.c"
int nc_guard(int fd, int grace)
{
    (void)fd, (void)grace;
    return -ENOSYS;
}
#else
NC_ABSENT_POLLER(iocp)
#include "sockets_posix.c"
#include "datagrams_posix.c"
#include "guard_posix.c"
#include "clock_posix.c"
#endif
#include "sockets.c"
#include "datagrams.c"

#if defined(__linux__) && defined(NC_WITH_LIBURING)
#include "io_uring_ring.c"
#include "io_uring_completions.c"
#include "io_uring_setup.c"
#include "io_uring.c"
#include "io_uring_sockets.c"
#else
NC_ABSENT_POLLER(io_uring)
NC_ABSENT_FILENO(io_uring)
#include "io_uring_absent.c"
#endif

#include "scan.c"

int nc_datagram_batches(void)
{
#ifdef NC_HAVE_MMSG
    return 1;
#else
    return 0;
#endif
}
