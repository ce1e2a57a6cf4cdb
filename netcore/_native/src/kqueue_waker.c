/* How another thread ends a wait on a kqueue: EVFILT_USER, or a pipe where the system has no such filter (OpenBSD
 * before 7.8, NetBSD before 10). A part of kqueue.c. */

#if !defined(EVFILT_USER) && !defined(NC_KQUEUE_PIPE)
#define NC_KQUEUE_PIPE 1 /* may also be given to the compiler, to try the pipe on any system */
#endif

#ifdef NC_KQUEUE_PIPE

static int kqueue__open_waker(nc_poller *poller)
{
    struct kevent change;
    int ends[2];

    if (pipe(ends) < 0)
        return -errno;
    poller->woken = ends[0];
    poller->waker = ends[1];
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0 || fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    change = kqueue__event(poller->woken, EVFILT_READ, EV_ADD, KQUEUE_WAKER);
    return kqueue__apply(poller, &change);
}

int nc_kqueue_wake(nc_poller *poller)
{
    ssize_t n;

    do
        n = write((int)poller->waker, "", 1);
    while (n < 0 && errno == EINTR);
    return n < 0 && errno != EAGAIN ? -errno : 0; /* a full pipe wakes as well */
}

static void kqueue__woken(nc_poller *poller)
{
    char pokes[512];
    ssize_t n;

    do
        n = read((int)poller->woken, pokes, sizeof pokes);
    while (n == (ssize_t)sizeof pokes || (n < 0 && errno == EINTR));
}

#else

static int kqueue__open_waker(nc_poller *poller)
{
    struct kevent change = kqueue__event(0, EVFILT_USER, EV_ADD | EV_CLEAR, KQUEUE_WAKER);

    return kqueue__apply(poller, &change);
}

int nc_kqueue_wake(nc_poller *poller)
{
    struct kevent change = kqueue__event(0, EVFILT_USER, 0, KQUEUE_WAKER);

    change.fflags = NOTE_TRIGGER;
    return kqueue__apply(poller, &change);
}

static void kqueue__woken(nc_poller *poller)
{
    (void)poller; /* EV_CLEAR has reset it */
}

#endif
