/* A guard: it ends a process that outlives the one at the other end of a channel, whatever holds up its other threads.
 *
 * It is a thread that the interpreter knows nothing of, so that one that never gives up the GIL cannot keep it from its
 * duty. It waits in poll(2) for nothing but the hang-up, which POSIX has reported unasked, and needs nothing of the
 * process but its own descriptor. exit(3) ends it as any other thread; a forked child has none. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { GUARD_STACK = 64 * 1024 }; /* bytes; it calls poll(2) and kill(2) */

typedef struct {
    int fd;
    int grace; /* milliseconds */
} guard__watch;

static void *guard__run(void *argument)
{
    guard__watch watch = *(guard__watch *)argument;
    struct pollfd channel = {.fd = watch.fd};
    int count;

    free(argument);
    do {
        count = poll(&channel, 1, -1);
    } while (count < 0 && (errno == EINTR || errno == EAGAIN));
    if (count <= 0 || channel.revents & POLLNVAL) { /* somebody has closed the descriptor: it tells nothing any more */
        return NULL;
    }
    poll(NULL, 0, watch.grace);
    kill(getpid(), SIGKILL);
    return NULL;
}

/* Starts the thread, with every signal blocked: they are for the others. */
static int guard__start(guard__watch *watch)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);

    if (error)
        return -error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, GUARD_STACK); /* refused where more is needed: then it is the default */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, guard__run, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

int nc_guard(int fd, int grace)
{
    guard__watch *watch = malloc(sizeof *watch);
    int result;

    if (!watch)
        return -ENOMEM;
    /* One of its own: that of the caller may be closed, and its number be another's. */
    watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    watch->grace = grace;
    if (watch->fd < 0) {
        result = -errno;
        free(watch);
        return result;
    }
    result = guard__start(watch);
    if (result < 0) {
        close(watch->fd);
        free(watch);
    }
    return result;
}
