/* I/O completion ports, as a readiness poller: the Windows one.
 *
 * Every registered socket has one poll request with AFD at most. When it has completed, its socket was ready,
 * and the next wait makes a new one: that is level-triggered readiness. A request that asks for too little
 * is cancelled, and made anew when its completion has come; one that asks for too much stays, and what
 * it tells in vain is dropped.
 *
 * A watch, whose memory the request uses, is freed when its socket is unregistered and no request is pending.
 */

#include <stdlib.h>

#include "iocp_afd.c"

enum {
    IOCP_BATCH = 256,
    IOCP_GROUP = 32, /* requests of one handle of AFD: the more there are, the longer it takes to cancel one */
    IOCP_TABLE = 64, /* buckets to begin with; a power of two */
    IOCP_PATIENCE = 1000 /* milliseconds to wait in close for a request that does not end */
};

enum { IOCP_IDLE, IOCP_PENDING, IOCP_CANCELLED };

typedef struct iocp_group {
    HANDLE afd;
    int members;
    struct iocp_group *next;
} iocp_group;

typedef struct iocp_watch {
    IO_STATUS_BLOCK status;
    afd_poll poll;
    nc_socket socket;
    SOCKET base;
    iocp_group *group;
    ULONG asked; /* the events of the pending request */
    int interest;
    int state;
    int gone; /* no longer registered; or its socket is closed */
    int queued;
    struct iocp_watch *in_bucket;
    struct iocp_watch *in_queue;
} iocp_watch;

typedef struct {
    HANDLE port;
    LONG woken; /* whether a wake-up is in the port */
    int pending;
    iocp_group *groups;
    iocp_watch *queue; /* watches that need a request before the next wait */
    iocp_watch **table;
    size_t buckets;
    size_t watches;
} iocp;

static iocp *iocp__of(const nc_poller *poller)
{
    return (iocp *)poller->handle;
}

static iocp_watch **iocp__bucket(const iocp *io, nc_socket socket)
{
    return &io->table[((size_t)socket >> 2) & (io->buckets - 1)]; /* handles are multiples of four */
}

/* Returns where the pointer to a socket's watch is, or would be. */
static iocp_watch **iocp__find(const iocp *io, nc_socket socket)
{
    iocp_watch **at = iocp__bucket(io, socket);

    while (*at && (*at)->socket != socket)
        at = &(*at)->in_bucket;
    return at;
}

static int iocp__grow(iocp *io)
{
    iocp_watch **old = io->table;
    size_t count = io->buckets;
    iocp_watch **table = calloc(count * 2, sizeof *table);

    if (!table)
        return -ENOMEM;
    io->table = table;
    io->buckets = count * 2;
    for (size_t i = 0; i < count; i++)
        while (old[i]) {
            iocp_watch *watch = old[i];
            iocp_watch **at = iocp__bucket(io, watch->socket);
            old[i] = watch->in_bucket;
            watch->in_bucket = *at;
            *at = watch;
        }
    free(old);
    return 0;
}

/* Finds a handle of AFD with room for one more socket, or opens one. */
static int iocp__group_with_room(iocp *io, iocp_group **found)
{
    iocp_group *group = io->groups;
    int error;

    while (group && group->members == IOCP_GROUP)
        group = group->next;
    if (!group) {
        group = calloc(1, sizeof *group);
        if (!group)
            return -ENOMEM;
        error = afd__open(io->port, &group->afd);
        if (error) {
            free(group);
            return error;
        }
        group->next = io->groups;
        io->groups = group;
    }
    *found = group;
    return 0;
}

static void iocp__free(iocp_watch *watch)
{
    watch->group->members--;
    free(watch);
}

static void iocp__enqueue(iocp *io, iocp_watch *watch)
{
    if (watch->queued)
        return;
    watch->queued = 1;
    watch->in_queue = io->queue;
    io->queue = watch;
}

static ULONG iocp__events(int interest)
{
    ULONG events = AFD_ABORT | AFD_CONNECT_FAIL | AFD_LOCAL_CLOSE;

    if (interest & NC_READ)
        events |= AFD_RECEIVE | AFD_ACCEPT | AFD_DISCONNECT;
    if (interest & NC_WRITE)
        events |= AFD_SEND;
    return events;
}

static int iocp__readiness(ULONG events, int interest)
{
    int readiness = 0;

    if (events & (AFD_ABORT | AFD_CONNECT_FAIL))
        readiness = NC_ERROR | (events & AFD_ABORT ? NC_HANGUP : 0);
    if ((interest & NC_READ) && (readiness || events & (AFD_RECEIVE | AFD_ACCEPT | AFD_DISCONNECT)))
        readiness |= NC_READABLE;
    if ((interest & NC_WRITE) && (readiness & NC_ERROR || events & AFD_SEND))
        readiness |= NC_WRITABLE;
    return readiness;
}

/* Takes a watch out of the table; the caller sees to its memory. */
static void iocp__forget(iocp *io, iocp_watch *watch)
{
    iocp_watch **at = iocp__find(io, watch->socket);

    *at = watch->in_bucket;
    watch->gone = 1;
    io->watches--;
}

static void iocp__cancel(iocp_watch *watch)
{
    if (watch->state != IOCP_PENDING)
        return;
    afd__cancel(watch->group->afd, &watch->status);
    watch->state = IOCP_CANCELLED;
}

/* Gives every watch in the queue the request that it needs. */
static int iocp__submit(iocp *io)
{
    while (io->queue) {
        iocp_watch *watch = io->queue;
        ULONG events = iocp__events(watch->interest);
        NTSTATUS result;

        if (!watch->gone && watch->state == IOCP_IDLE) {
            result = afd__poll(watch->group->afd, watch->base, events, &watch->poll, &watch->status, watch);
            if (result == AFD_OK || result == AFD_PENDING) {
                watch->state = IOCP_PENDING;
                watch->asked = events;
                io->pending++;
            } else if (result == AFD_INVALID_HANDLE) { /* closed without being unregistered, which is forgiven */
                iocp__forget(io, watch);
            } else {
                return afd__error(RtlNtStatusToDosError(result));
            }
        } else if (watch->state == IOCP_PENDING && events & ~watch->asked) {
            iocp__cancel(watch);
        }
        io->queue = watch->in_queue;
        watch->queued = 0;
        if (watch->gone && watch->state == IOCP_IDLE)
            iocp__free(watch);
    }
    return 0;
}

/* Takes note of a completion; returns what its socket is ready for. */
static int iocp__complete(iocp *io, iocp_watch *watch)
{
    NTSTATUS status = watch->status.Status;
    ULONG events = status >= 0 && watch->poll.count ? watch->poll.sockets[0].events : 0;
    int readiness = 0;

    watch->state = IOCP_IDLE;
    io->pending--;
    if (!watch->gone && events & AFD_LOCAL_CLOSE)
        iocp__forget(io, watch);
    if (!watch->gone)
        readiness = status < 0 && status != AFD_CANCELLED ? NC_ERROR : iocp__readiness(events, watch->interest);
    iocp__enqueue(io, watch); /* for a new request, or to be freed */
    return readiness;
}

int nc_iocp_open(nc_poller *poller)
{
    iocp *io = calloc(1, sizeof *io);
    iocp_group *first;
    int error = -ENOMEM;

    poller->handle = 0;
    if (!io)
        return error;
    io->buckets = IOCP_TABLE;
    io->table = calloc(io->buckets, sizeof *io->table);
    if (io->table) {
        io->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
        /* Whether AFD is there is told at once. */
        error = io->port ? iocp__group_with_room(io, &first) : afd__error(GetLastError());
    }
    if (error) {
        if (io->port)
            CloseHandle(io->port);
        free(io->table);
        free(io);
        return error;
    }
    poller->handle = (nc_socket)io;
    return 0;
}

static int iocp__add(iocp *io, nc_socket socket, int interest)
{
    iocp_watch *watch;
    int error;

    if (io->watches >= io->buckets && iocp__grow(io) < 0)
        return -ENOMEM;
    watch = calloc(1, sizeof *watch);
    if (!watch)
        return -ENOMEM;
    error = afd__base_of(socket, &watch->base);
    if (!error)
        error = iocp__group_with_room(io, &watch->group);
    if (error) {
        free(watch);
        return error;
    }
    watch->group->members++;
    watch->socket = socket;
    watch->interest = interest;
    *iocp__find(io, socket) = watch;
    io->watches++;
    iocp__enqueue(io, watch);
    return 0;
}

int nc_iocp_control(nc_poller *poller, int operation, nc_socket socket, int interest)
{
    iocp *io = iocp__of(poller);
    iocp_watch *watch = *iocp__find(io, socket);

    if (operation == NC_ADD)
        return watch ? -EEXIST : iocp__add(io, socket, interest);
    if (!watch)
        return -ENOENT;
    if (operation == NC_MODIFY) {
        watch->interest = interest;
    } else {
        iocp__forget(io, watch);
        iocp__cancel(watch);
    }
    iocp__enqueue(io, watch);
    return 0;
}

int nc_iocp_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness)
{
    iocp *io = iocp__of(poller);
    OVERLAPPED_ENTRY entries[IOCP_BATCH];
    ULONG n = 0;
    int count = 0;
    int seen = 0;
    int error = iocp__submit(io);

    if (error)
        return error;
    if (!GetQueuedCompletionStatusEx(io->port, entries, (ULONG)(capacity < IOCP_BATCH ? capacity : IOCP_BATCH), &n,
                                     (DWORD)platform__milliseconds(timeout), FALSE))
        return GetLastError() == WAIT_TIMEOUT ? 0 : afd__error(GetLastError());
    for (ULONG i = 0; i < n; i++) {
        iocp_watch *watch = (iocp_watch *)entries[i].lpOverlapped;
        if (!watch) {
            InterlockedExchange(&io->woken, 0);
            continue;
        }
        sockets[count] = watch->socket;
        readiness[count] = iocp__complete(io, watch);
        seen |= readiness[count];
        if (readiness[count])
            count++;
    }
    poller->seen = seen;
    return count;
}

int nc_iocp_wake(nc_poller *poller)
{
    iocp *io = iocp__of(poller);

    if (InterlockedExchange(&io->woken, 1) || PostQueuedCompletionStatus(io->port, 0, 0, NULL))
        return 0;
    InterlockedExchange(&io->woken, 0);
    return afd__error(GetLastError());
}

void nc_iocp_close(nc_poller *poller)
{
    iocp *io = iocp__of(poller);
    OVERLAPPED_ENTRY entries[IOCP_BATCH];
    ULONG n;

    poller->handle = 0;
    if (!io)
        return;
    for (size_t i = 0; i < io->buckets; i++)
        while (io->table[i]) {
            iocp_watch *watch = io->table[i];
            iocp__forget(io, watch);
            iocp__cancel(watch);
            iocp__enqueue(io, watch);
        }
    iocp__submit(io); /* frees those without a request */
    while (io->pending && GetQueuedCompletionStatusEx(io->port, entries, IOCP_BATCH, &n, IOCP_PATIENCE, FALSE)) {
        for (ULONG i = 0; i < n; i++)
            if (entries[i].lpOverlapped)
                iocp__complete(io, (iocp_watch *)entries[i].lpOverlapped);
        iocp__submit(io);
    }
    while (io->groups) {
        iocp_group *group = io->groups;
        io->groups = group->next;
        CloseHandle(group->afd);
        free(group);
    }
    CloseHandle(io->port);
    free(io->table);
    free(io);
}
