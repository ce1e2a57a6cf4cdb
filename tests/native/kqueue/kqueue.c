/* kqueue(2) and kevent(2) on Linux, for tests: so much of it as the manual pages of the BSDs promise for sockets,
 * pipes, timers and user events.
 *
 * A queue is an epoll, whose number is the queue's, over two more: one for the filters that read and one for
 * those that write, so that each filter has a registration, and thereby a state, of its own. EVFILT_TIMER is a
 * timerfd in the outer epoll, EVFILT_USER an eventfd that all of a queue share.
 *
 * As on NetBSD's kernel, an error of a datagram socket makes both filters fire, with neither EV_EOF nor fflags; a low-water mark beyond a socket's buffer is one of the whole buffer, as on macOS.
 *
 * What cannot be had on Linux: fflags tells that a stream has an error, but as ECONNRESET whatever it is, since
 * to ask for the error is to take it away; a write filter does not see the end that shutdown(2) of this side
 * makes; regular files are refused. close(2) removes filters, also while a duplicate is open, if the program
 * is linked with -Wl,--wrap=close; otherwise a queue's inner descriptors stay open as well.
 */

#define _GNU_SOURCE
#include <sys/event.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

int __real_close(int fd);
int __wrap_close(int fd);

unsigned emulated_kevents; /* calls of kevent(2) so far */

enum { BUCKETS = 1024, ACTIONS = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_RECEIPT };
enum { READS = 1, WRITES = 2, USERS = 3, TIMERS = 4 }; /* what is ready in the outer epoll */

struct knote {
    struct knote *next;
    struct kevent is;
    uint32_t generation; /* tells it from its predecessors under the same number */
    int disabled;
    int triggered;       /* EVFILT_USER */
    int timer;           /* EVFILT_TIMER */
    dev_t device;        /* which file the number stood for */
    ino_t inode;
};

struct queue {
    struct queue *next;
    int outer, reads, writes, users;
    struct knote *buckets[BUCKETS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue *queues;
static uint32_t generations;

static struct queue *find_queue(int kq)
{
    struct queue *queue = queues;

    while (queue && queue->outer != kq)
        queue = queue->next;
    return queue;
}

static struct knote **find_knote(struct queue *queue, uintptr_t ident, int filter)
{
    struct knote **at = &queue->buckets[(ident * 8 + (uintptr_t)-filter) % BUCKETS];

    while (*at && ((*at)->is.ident != ident || (*at)->is.filter != filter))
        at = &(*at)->next;
    return at;
}

static int is_descriptor(int filter)
{
    return filter == EVFILT_READ || filter == EVFILT_WRITE;
}

/* Puts a knote into its epoll or takes it out. */
static int arm(struct queue *queue, struct knote *knote, int operation)
{
    struct epoll_event event = {.data.u64 = (uint64_t)knote->generation << 32 | (uint32_t)knote->is.ident};

    switch (knote->is.filter) {
    case EVFILT_READ:
        /* NOTE_LOWAT: to be silent about fewer bytes it must not be asked all the time. */
        event.events = EPOLLIN | EPOLLRDHUP |
                       (knote->is.flags & EV_CLEAR || knote->is.fflags & NOTE_LOWAT ? (uint32_t)EPOLLET : 0);
        return epoll_ctl(queue->reads, operation, (int)knote->is.ident, &event);
    case EVFILT_WRITE:
        event.events = EPOLLOUT | (knote->is.flags & EV_CLEAR ? (uint32_t)EPOLLET : 0);
        return epoll_ctl(queue->writes, operation, (int)knote->is.ident, &event);
    case EVFILT_TIMER:
        event = (struct epoll_event){.events = EPOLLIN, .data.u64 = TIMERS | (uint64_t)knote->timer << 32};
        return epoll_ctl(queue->outer, operation, knote->timer, &event);
    default:
        return 0;
    }
}

static void drop(struct queue *queue, struct knote **at)
{
    struct knote *knote = *at;

    *at = knote->next;
    if (!knote->disabled)
        arm(queue, knote, EPOLL_CTL_DEL);
    if (knote->timer >= 0)
        __real_close(knote->timer);
    free(knote);
}

/* Whether the knote's number still stands for the same file: if not, that one was closed. */
static int is_current(const struct knote *knote)
{
    struct stat status;

    return !is_descriptor(knote->is.filter) || (fstat((int)knote->is.ident, &status) == 0 &&
                                                status.st_dev == knote->device && status.st_ino == knote->inode);
}

static int set_timer(struct knote *knote)
{
    struct itimerspec spec = {{0, 0}, {knote->is.data / 1000, knote->is.data % 1000 * 1000000}};

    if (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec == 0)
        spec.it_value.tv_nsec = 1;
    if (!(knote->is.flags & EV_ONESHOT))
        spec.it_interval = spec.it_value;
    return timerfd_settime(knote->timer, 0, &spec, NULL);
}

static int add(struct queue *queue, const struct kevent *change, struct knote **at)
{
    struct stat status = {0};
    struct knote *knote;

    if (is_descriptor(change->filter) && fstat((int)change->ident, &status) < 0)
        return EBADF;
    knote = calloc(1, sizeof *knote);
    if (!knote)
        return ENOMEM;
    knote->is = *change;
    knote->is.flags &= (uint16_t)~ACTIONS;
    knote->generation = ++generations;
    knote->device = status.st_dev;
    knote->inode = status.st_ino;
    knote->timer = -1;
    if (change->filter == EVFILT_TIMER) {
        knote->is.flags |= EV_CLEAR;
        knote->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    }
    if ((change->filter == EVFILT_TIMER && (knote->timer < 0 || set_timer(knote) < 0)) ||
        arm(queue, knote, EPOLL_CTL_ADD) < 0) {
        int error = errno;
        if (knote->timer >= 0)
            __real_close(knote->timer);
        free(knote);
        return error;
    }
    *at = knote;
    return 0;
}

static int trigger(struct queue *queue)
{
    uint64_t one = 1;

    return write(queue->users, &one, sizeof one) < 0 ? errno : 0;
}

static int enable(struct queue *queue, struct knote *knote, int enabled)
{
    if (knote->disabled != enabled)
        return 0;
    if (arm(queue, knote, enabled ? EPOLL_CTL_ADD : EPOLL_CTL_DEL) < 0)
        return errno;
    knote->disabled = !enabled;
    return enabled && knote->triggered ? trigger(queue) : 0;
}

static int apply(struct queue *queue, const struct kevent *change)
{
    struct knote **at = find_knote(queue, change->ident, change->filter);
    struct knote *knote;
    int error = 0;

    if (!is_descriptor(change->filter) && change->filter != EVFILT_TIMER && change->filter != EVFILT_USER)
        return EINVAL;
    if (*at && !is_current(*at))
        drop(queue, at);
    if (is_descriptor(change->filter) && fcntl((int)change->ident, F_GETFD) < 0)
        return EBADF;
    if (!*at && !(change->flags & EV_ADD))
        return ENOENT;
    if (!*at) {
        error = add(queue, change, at);
    } else if (change->flags & EV_DELETE) {
        drop(queue, at);
        return 0;
    } else if (change->flags & EV_ADD) { /* new parameters, but the flags stay */
        (*at)->is.fflags = change->fflags;
        (*at)->is.data = change->data;
        (*at)->is.udata = change->udata;
        if ((*at)->timer >= 0)
            set_timer(*at);
        if (!(*at)->disabled && arm(queue, *at, EPOLL_CTL_MOD) < 0)
            error = errno;
    }
    knote = *at;
    if (!error && knote->is.filter == EVFILT_USER && change->fflags & NOTE_TRIGGER) {
        knote->triggered = 1;
        error = trigger(queue);
    }
    if (!error && change->flags & (EV_ENABLE | EV_ADD) && !(change->flags & EV_DISABLE))
        error = enable(queue, knote, 1);
    else if (!error && change->flags & EV_DISABLE)
        error = enable(queue, knote, 0);
    return error;
}

static int is_datagram(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
}

/* The low-water mark as the system keeps it. */
static intptr_t low_water(const struct knote *knote)
{
    int room = 0;
    socklen_t size = sizeof room;
    int option = knote->is.filter == EVFILT_READ ? SO_RCVBUF : SO_SNDBUF;

    if (getsockopt((int)knote->is.ident, SOL_SOCKET, option, &room, &size) == 0 && room < knote->is.data)
        return room;
    return knote->is.data;
}

/* Fills in what is known of a descriptor; returns whether it is to be reported. */
static int describe(const struct knote *knote, uint32_t found, struct kevent *event)
{
    int fd = (int)knote->is.ident;
    int value = 0;
    socklen_t size = sizeof value;
    int is_socket = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0;

    *event = knote->is;
    event->fflags = 0;
    event->data = 0;
    if (is_socket && value) {
        event->data = 1; /* how many wait cannot be asked */
    } else if (knote->is.filter == EVFILT_READ) {
        if (ioctl(fd, FIONREAD, &value) == 0)
            event->data = value;
        if (found & (EPOLLRDHUP | EPOLLHUP))
            event->flags |= EV_EOF;
    } else {
        int queued = 0;
        size = sizeof value;
        if (is_socket && getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &size) == 0 &&
            ioctl(fd, SIOCOUTQ, &queued) == 0)
            event->data = value > queued ? value - queued : 1;
        if (found & EPOLLHUP || (found & EPOLLERR && !is_datagram(fd)))
            event->flags |= EV_EOF;
    }
    if (is_socket && event->flags & EV_EOF && found & EPOLLERR)
        event->fflags = ECONNRESET;
    return event->flags & EV_EOF || found & EPOLLERR || !(knote->is.fflags & NOTE_LOWAT) ||
           event->data >= low_water(knote);
}

/* After a knote has been reported. */
static void reported(struct queue *queue, struct knote **at)
{
    if ((*at)->is.flags & EV_ONESHOT)
        drop(queue, at);
    else if ((*at)->is.flags & EV_DISPATCH)
        enable(queue, *at, 0);
    else if (is_descriptor((*at)->is.filter) && (*at)->is.fflags & NOTE_LOWAT && !((*at)->is.flags & EV_CLEAR))
        arm(queue, *at, EPOLL_CTL_MOD); /* level-triggered after all */
}

static int collect_descriptors(struct queue *queue, int filter, struct kevent *events, int room)
{
    struct epoll_event found[256];
    int count = 0;
    int n = epoll_wait(filter == EVFILT_READ ? queue->reads : queue->writes, found, room < 256 ? room : 256, 0);

    for (int i = 0; i < n; i++) {
        struct knote **at = find_knote(queue, (uint32_t)found[i].data.u64, filter);
        if (!*at || (*at)->generation != found[i].data.u64 >> 32)
            continue; /* of a file that was closed, and lives on under another number */
        if (describe(*at, found[i].events, &events[count])) {
            count++;
            reported(queue, at);
        }
    }
    return count;
}

/* Visits the knotes of EVFILT_USER and EVFILT_TIMER, of which there are few. */
static int collect_others(struct queue *queue, struct kevent *events, int room)
{
    uint64_t number;
    int left = 0;
    int count = 0;

    (void)!read(queue->users, &number, sizeof number);
    for (int i = 0; i < BUCKETS; i++)
        for (struct knote **at = &queue->buckets[i], *knote; (knote = *at);) {
            int is_timer = knote->is.filter == EVFILT_TIMER;
            int ready = !is_timer ? knote->triggered
                                  : count < room && read(knote->timer, &number, sizeof number) == sizeof number;
            if (!is_descriptor(knote->is.filter) && !knote->disabled && ready && count < room) {
                events[count] = knote->is;
                events[count].fflags = 0;
                events[count++].data = is_timer ? (intptr_t)number : knote->is.data;
                knote->triggered = !(knote->is.flags & (EV_CLEAR | EV_DISPATCH)) && !is_timer;
                left |= knote->triggered;
                reported(queue, at);
            } else {
                left |= knote->triggered && !knote->disabled;
            }
            if (*at == knote)
                at = &knote->next;
        }
    if (left)
        trigger(queue);
    return count;
}

static int collect(struct queue *queue, const struct epoll_event *ready, int n, struct kevent *events, int room)
{
    int others = 0;
    int count = 0;

    for (int i = 0; i < n; i++)
        if ((uint32_t)ready[i].data.u64 >= USERS)
            others = 1;
    if (others)
        count = collect_others(queue, events, room);
    for (int i = 0; i < n && count < room; i++) { /* in turns, as epoll rotates what is ready */
        if (ready[i].data.u64 == READS)
            count += collect_descriptors(queue, EVFILT_READ, events + count, room - count);
        else if (ready[i].data.u64 == WRITES)
            count += collect_descriptors(queue, EVFILT_WRITE, events + count, room - count);
    }
    return count;
}

static struct timespec later(const struct timespec *timeout)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout->tv_sec;
    end.tv_nsec += timeout->tv_nsec;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return end;
}

/* Returns whether there is time left, and how much. */
static int remaining(const struct timespec *end, struct timespec *left)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    left->tv_sec = end->tv_sec - now.tv_sec;
    left->tv_nsec = end->tv_nsec - now.tv_nsec;
    if (left->tv_nsec < 0) {
        left->tv_sec--;
        left->tv_nsec += 1000000000;
    }
    if (left->tv_sec < 0)
        left->tv_sec = left->tv_nsec = 0;
    return left->tv_sec > 0 || left->tv_nsec > 0;
}

static int wait_for_events(int kq, struct kevent *events, int room, const struct timespec *timeout)
{
    struct timespec end = timeout ? later(timeout) : (struct timespec){0, 0};
    struct timespec left = {0, 0};
    int count = 0;
    int go_on = 1;

    while (count == 0 && go_on) {
        struct epoll_event ready[64];
        struct queue *queue;
        int n;
        if (timeout)
            go_on = remaining(&end, &left);
        n = epoll_pwait2(kq, ready, 64, timeout ? &left : NULL, NULL);
        if (n < 0)
            return -1;
        pthread_mutex_lock(&lock);
        queue = find_queue(kq);
        if (queue)
            count = collect(queue, ready, n, events, room);
        pthread_mutex_unlock(&lock);
        if (!queue) {
            errno = EBADF;
            return -1;
        }
    }
    return count;
}

int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout)
{
    struct queue *queue;
    int answers = 0;
    int error = 0;

    pthread_mutex_lock(&lock);
    emulated_kevents++;
    queue = find_queue(kq);
    if (!queue)
        error = EBADF;
    for (int i = 0; i < nchanges && !error; i++) {
        error = apply(queue, &changes[i]);
        if ((error || changes[i].flags & EV_RECEIPT) && answers < nevents) {
            struct kevent answer = changes[i];
            answer.flags |= EV_ERROR;
            answer.data = error;
            events[answers++] = answer;
            error = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    if (error) {
        errno = error;
        return -1;
    }
    return answers || nevents == 0 ? answers : wait_for_events(kq, events, nevents, timeout);
}

static void free_queue(struct queue *queue)
{
    for (int i = 0; i < BUCKETS; i++)
        while (queue->buckets[i])
            drop(queue, &queue->buckets[i]);
    __real_close(queue->reads);
    __real_close(queue->writes);
    __real_close(queue->users);
    free(queue);
}

/* A child of fork(2) has no queues: what it was given is the parent's, and must be let alone. */
static void forget_queues(void)
{
    pthread_mutex_init(&lock, NULL);
    for (struct queue *queue; (queue = queues);) {
        queues = queue->next;
        for (int i = 0; i < BUCKETS; i++)
            for (struct knote *knote; (knote = queue->buckets[i]);) {
                queue->buckets[i] = knote->next;
                if (knote->timer >= 0)
                    __real_close(knote->timer);
                free(knote);
            }
        __real_close(queue->outer);
        free_queue(queue);
    }
}

__attribute__((constructor)) static void begin(void)
{
    pthread_atfork(NULL, NULL, forget_queues);
}

static int watch(int outer, int fd, uint64_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};

    return fd < 0 ? -1 : epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event);
}

int kqueue(void)
{
    struct queue *queue = calloc(1, sizeof *queue);

    if (!queue)
        return -1;
    queue->outer = epoll_create1(0);
    queue->reads = epoll_create1(EPOLL_CLOEXEC);
    queue->writes = epoll_create1(EPOLL_CLOEXEC);
    queue->users = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->outer < 0 || watch(queue->outer, queue->reads, READS) < 0 ||
        watch(queue->outer, queue->writes, WRITES) < 0 || watch(queue->outer, queue->users, USERS) < 0) {
        int error = errno;
        __real_close(queue->outer);
        free_queue(queue);
        errno = error;
        return -1;
    }
    pthread_mutex_lock(&lock);
    queue->next = queues;
    queues = queue;
    pthread_mutex_unlock(&lock);
    return queue->outer;
}

int __wrap_close(int fd)
{
    pthread_mutex_lock(&lock);
    for (struct queue **at = &queues, *queue; (queue = *at);) {
        for (int filter = EVFILT_WRITE; filter <= EVFILT_READ; filter++) {
            struct knote **knote = find_knote(queue, (uintptr_t)fd, filter);
            if (*knote)
                drop(queue, knote);
        }
        if (queue->outer == fd) {
            *at = queue->next;
            free_queue(queue);
        } else {
            at = &queue->next;
        }
    }
    pthread_mutex_unlock(&lock);
    return __real_close(fd);
}
