/* kqueue(2): the poller of macOS and the BSDs, or of any system where a library provides <sys/event.h>.
 *
 * Changes of interest are written down and given to the kernel by the wait, in the one call of kevent(2) that
 * also collects the events; only removals go at once, because a descriptor may be closed right after. What is
 * wrong with a descriptor is told by nc_kqueue_control where fstat(2) can see it, else by the wait, as an error
 * of the descriptor: kevent puts the changes that failed in front of the events (EV_ERROR).
 *
 * The kernel's facts this rests on:
 *   - reading and writing are filters of their own, with an event each; they are put together here;
 *   - EV_EOF may come with bytes still to be read, and fflags is then the socket's error;
 *   - adding a filter that is there leaves its EV_CLEAR as it was, and not every kqueue looks at the descriptor
 *     anew; so a filter that is to be told anew, or in another way, is removed first;
 *   - an error of a datagram socket fires with neither EV_EOF nor fflags, and no data, whatever the low-water mark
 *     (NetBSD); an empty datagram does so too, but not in spite of a mark;
 *   - a low-water mark is clamped to the size of the buffer (macOS), so that a sentinel may fire for a full one;
 *   - a child of fork(2) has no kqueue: the number is free there, and soon may be somebody else's;
 *   - the types of struct kevent differ between systems, so its fields are set by name, and udata as memory.
 */

#include <sys/types.h>

#include <sys/event.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netcore.h"

enum { KQUEUE_BATCH = NC_CHANGES };

/* An operation besides NC_ADD and NC_REMOVE: a filter that only tells of the end. */
enum { KQUEUE_ADD_SENTINEL = 4 };

/* Marks in udata. */
enum { KQUEUE_SOCKET = 0, KQUEUE_SENTINEL = 1, KQUEUE_WAKER = 2 };

/* Which directions of a socket have ended; not for the caller. */
enum { KQUEUE_READ_ENDED = 0x100, KQUEUE_WRITE_ENDED = 0x200, KQUEUE_ENDED = 0x300 };

static struct kevent kqueue__event(nc_socket socket, int filter, int flags, uintptr_t mark)
{
    struct kevent event;

    memset(&event, 0, sizeof event);
    event.ident = (uintptr_t)socket;
    event.filter = filter;
    event.flags = flags;
    _Static_assert(sizeof event.udata == sizeof mark, "udata is as wide as a pointer, whatever its type");
    memcpy(&event.udata, &mark, sizeof mark);
    return event;
}

static uintptr_t kqueue__mark(const struct kevent *event)
{
    uintptr_t mark;

    memcpy(&mark, &event->udata, sizeof mark);
    return mark;
}

/* Whether this process has the queue, and is no child of fork(2), where its number may be another descriptor's. */
static int kqueue__is_here(const nc_poller *poller)
{
    return poller->process == (int)getpid();
}

/* Gives the kernel one change and asks for no events, so that an error is the call's own. */
static int kqueue__apply(nc_poller *poller, const struct kevent *change)
{
    int result;

    if (!kqueue__is_here(poller))
        return -EBADF;
    do
        result = kevent((int)poller->handle, change, 1, NULL, 0, NULL);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

/* A filter that is gone, or a descriptor that was closed too early: forgiven, as epoll does. 0 is a receipt. */
static int kqueue__is_forgiven(int error)
{
    return error == 0 || error == ENOENT || error == EBADF;
}

#include "kqueue_waker.c"

int nc_kqueue_open(nc_poller *poller)
{
    int error;

    poller->waker = poller->woken = -1;
    poller->pending = 0;
    poller->process = (int)getpid();
    poller->handle = kqueue();
    if (poller->handle < 0)
        return -errno;
    error = fcntl((int)poller->handle, F_SETFD, FD_CLOEXEC) < 0 ? -errno : kqueue__open_waker(poller);
    if (error < 0)
        nc_kqueue_close(poller);
    return error;
}

void nc_kqueue_close(nc_poller *poller)
{
    if (poller->waker >= 0)
        close((int)poller->waker);
    if (poller->woken >= 0)
        close((int)poller->woken);
    if (poller->handle >= 0 && kqueue__is_here(poller))
        close((int)poller->handle);
    poller->handle = poller->waker = poller->woken = -1;
}

static struct kevent kqueue__change(const nc_change *change)
{
    int filter = change->interest & NC_READ ? EVFILT_READ : EVFILT_WRITE;
    struct kevent event;

    if (change->operation == NC_REMOVE)
        return kqueue__event(change->socket, filter, EV_DELETE, KQUEUE_SOCKET);
    event = kqueue__event(change->socket, filter, EV_ADD, KQUEUE_SOCKET);
    if (change->interest & NC_EDGE)
        event.flags |= EV_CLEAR;
    if (change->operation == KQUEUE_ADD_SENTINEL) { /* silent until the end: no buffer holds so much */
        event = kqueue__event(change->socket, filter, EV_ADD | EV_CLEAR, KQUEUE_SENTINEL);
#ifdef NOTE_LOWAT
        event.fflags = NOTE_LOWAT;
        event.data = INT_MAX;
#endif
    }
    return event;
}

/* Writes the first changes as the kernel takes them. */
static void kqueue__changes(const nc_poller *poller, int count, struct kevent *changes)
{
    for (int i = 0; i < count; i++)
        changes[i] = kqueue__change(&poller->changes[i]);
}

/* Gives the kernel the changes without a wait. One that fails stays, for the wait to tell of. */
static int kqueue__submit(nc_poller *poller)
{
    struct kevent changes[NC_CHANGES];
    int kept = 0;
    int error = 0;

    kqueue__changes(poller, poller->pending, changes);
    if (kevent((int)poller->handle, changes, poller->pending, NULL, 0, NULL) == 0) {
        poller->pending = 0;
        return 0;
    }
    /* Without room for errors the first one hides those behind it: change after change, from the beginning. What
     * has been done is done again, by which it becomes no different. */
    for (int i = 0; i < poller->pending; i++) {
        int result = kqueue__apply(poller, &changes[i]);
        if (result < 0 && !kqueue__is_forgiven(-result)) {
            error = result;
            poller->changes[kept++] = poller->changes[i];
        }
    }
    poller->pending = kept;
    return kept == NC_CHANGES ? error : 0;
}

static int kqueue__note(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    if (poller->pending == NC_CHANGES) {
        int error = kqueue__submit(poller);
        if (error < 0)
            return error;
    }
    poller->changes[poller->pending++] = (nc_change){socket, operation, interest};
    return 0;
}

/* Removes filters now, and the socket's changes that the kernel has not seen. */
static void kqueue__remove(nc_poller *poller, nc_socket socket, int interest)
{
    int kept = 0;

    for (int i = 0; i < poller->pending; i++)
        if (poller->changes[i].socket != socket)
            poller->changes[kept++] = poller->changes[i];
    if (kept < poller->pending)
        interest = NC_READ | NC_WRITE; /* what the kernel has is not what it was to have next */
    poller->pending = kept;
    for (int direction = NC_READ; direction <= NC_WRITE; direction <<= 1)
        if (interest & direction) {
            struct kevent event =
                kqueue__change(&(nc_change){.socket = socket, .operation = NC_REMOVE, .interest = direction});
            kqueue__apply(poller, &event); /* fails if the kernel has not seen it, or no longer has it */
        }
}

/* The filters of an interest: an empty one has both, as sentinels that only tell of the end. */
static int kqueue__filters(int interest)
{
    int filters = interest & (NC_READ | NC_WRITE);

    return filters ? filters : NC_READ | NC_WRITE;
}

int nc_kqueue_control(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    int former = interest >> NC_FORMER;
    int wanted = interest & ((1 << NC_FORMER) - 1);
    int old = operation == NC_ADD ? 0 : kqueue__filters(former);
    int adding = wanted & (NC_READ | NC_WRITE) ? NC_ADD : KQUEUE_ADD_SENTINEL;
    int stays_as_it_is = operation == NC_MODIFY && !(wanted & NC_EDGE) && !(former & NC_EDGE) &&
                         (adding == KQUEUE_ADD_SENTINEL) == !(former & (NC_READ | NC_WRITE));
    int result = 0;

    if (operation == NC_REMOVE) {
        kqueue__remove(poller, socket, old);
        return 0;
    }
    if (operation == NC_ADD)
        result = platform__check_descriptor(socket);
    for (int direction = NC_READ; direction <= NC_WRITE && result == 0; direction <<= 1) {
        int is_wanted = kqueue__filters(wanted) & direction;
        if (stays_as_it_is && is_wanted && old & direction)
            continue;
        if (old & direction)
            result = kqueue__note(poller, NC_REMOVE, socket, direction);
        if (is_wanted && result == 0)
            result = kqueue__note(poller, adding, socket, direction | (wanted & NC_EDGE));
    }
    return result;
}

static int kqueue__readiness(const struct kevent *event)
{
    int is_read = event->filter == EVFILT_READ;
    int readiness = is_read ? NC_READABLE : NC_WRITABLE;

    if (event->flags & EV_ERROR) /* a change that failed: the next operation will find out why */
        return readiness | NC_ERROR;
    if (kqueue__mark(event) == KQUEUE_SENTINEL) /* no bytes in spite of the mark: an error of a datagram socket */
        readiness = !event->data && !(event->flags & EV_EOF) ? NC_ERROR : 0;
    if (event->flags & EV_EOF) {
        readiness |= is_read ? KQUEUE_READ_ENDED : KQUEUE_WRITE_ENDED;
        if (event->fflags)
            readiness |= NC_ERROR;
    }
    return readiness;
}

/* Finds where a socket stands in sockets[0, count), or its place at the end. The table is a hash of positions
 * plus one, open addressing. */
enum { KQUEUE_TABLE = 4 * KQUEUE_BATCH };

static int kqueue__place(unsigned short *table, const nc_socket *sockets, int count, nc_socket socket)
{
    unsigned at = (unsigned)socket % KQUEUE_TABLE;

    for (; table[at]; at = (at + 1) % KQUEUE_TABLE)
        if (sockets[table[at] - 1] == socket)
            return table[at] - 1;
    table[at] = (unsigned short)(count + 1);
    return count;
}

/* Puts the events of one socket together, leaves out what is not for the caller. */
static int kqueue__merge(const struct kevent *events, int n, nc_socket *sockets, int *readiness, int *seen)
{
    unsigned short table[KQUEUE_TABLE] = {0};
    int count = 0;
    int kept = 0;

    *seen = 0;
    for (int i = 0; i < n; i++) {
        int place;
        if (kqueue__mark(&events[i]) == KQUEUE_WAKER ||
            (events[i].flags & EV_ERROR && kqueue__is_forgiven((int)events[i].data)))
            continue;
        place = kqueue__place(table, sockets, count, (nc_socket)events[i].ident);
        if (place == count) {
            sockets[count] = (nc_socket)events[i].ident;
            readiness[count++] = 0;
        }
        readiness[place] |= kqueue__readiness(&events[i]);
    }
    for (int i = 0; i < count; i++) {
        int found = readiness[i] & ~KQUEUE_ENDED;
        if ((readiness[i] & KQUEUE_ENDED) == KQUEUE_ENDED)
            found |= NC_HANGUP;
        *seen |= found;
        if (found) {
            sockets[kept] = sockets[i];
            readiness[kept++] = found;
        }
    }
    return kept;
}

static struct timespec kqueue__duration(double timeout)
{
    double bounded = timeout < 1e6 ? timeout : 1e6; /* some systems refuse more than 1e8 seconds */
    struct timespec duration = {.tv_sec = (time_t)bounded};

    duration.tv_nsec = (long)((bounded - (double)duration.tv_sec) * 1e9);
    if (timeout > 0 && duration.tv_nsec < 999999999)
        duration.tv_nsec++; /* rounded up, or the rest of a turn would be a spin */
    return duration;
}

int nc_kqueue_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness)
{
    struct kevent changes[NC_CHANGES];
    struct kevent events[KQUEUE_BATCH];
    struct timespec duration = kqueue__duration(timeout);
    int room = capacity < KQUEUE_BATCH ? capacity : KQUEUE_BATCH;
    int pending;
    int n;

    if (poller->pending > room) /* each may need room to fail */
        kqueue__submit(poller);
    pending = poller->pending < room ? poller->pending : room;
    kqueue__changes(poller, pending, changes);
    n = kevent((int)poller->handle, changes, pending, events, room, timeout < 0 ? NULL : &duration);
    poller->pending = 0; /* also after EINTR: "all changes in the changelist have been applied" */
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        if (kqueue__mark(&events[i]) == KQUEUE_WAKER)
            kqueue__woken(poller);
    return kqueue__merge(events, n, sockets, readiness, &poller->seen);
}

/* A kqueue is readable while it has events, to poll(2), select(2) and other kqueues. */
int nc_kqueue_fileno(nc_poller *poller)
{
    int result = 0;

    if (poller->pending)
        kqueue__submit(poller);
    if (poller->pending) /* refused: the wait is to tell of that, so somebody has to wait */
        result = nc_kqueue_wake(poller);
    return result < 0 ? result : (int)poller->handle;
}
