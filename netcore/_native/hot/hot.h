/* The hot half of a stream connection: what the C files here share.
 *
 * This is an extension of CPython's own, beside the one that cffi makes, in the limited API of Python 3.10. It makes
 * no system calls: the functions of src/netcore.h come to it as addresses, from whoever has bound them for Python. So
 * pollers and sockets stay what they are, and a test may put other functions in their place.
 *
 * Everything here has a twin in Python, whose file and names it shares, and leaves to methods of that twin whatever
 * is not the usual case. All of it runs under the GIL, unless it says otherwise.
 */
#ifndef HOT_H
#define HOT_H

/* One build serves every Python from 3.10 on, whichever the headers are of. Where those of a newer one would have an
 * older one do what is wrong there it is avoided: Py_RETURN_NONE and its like, which take None to be immortal, and
 * formats with a "#". */
#include <Python.h>
#include <structmember.h>

#include "netcore.h"

enum {
    HOT_BATCH = 256, /* events of a wait, at most */
    METER_BOUNDS = 22,
    HOT_PAUSED = 1   /* of the flags of a stream; see connection/core/life.py */
};

/* How many durations were how long, by buckets, and nanoseconds in all; see meter.c. */
typedef struct {
    int64_t counts[METER_BOUNDS + 1];
    int64_t sum;
} hot_durations;

typedef int64_t (*hot_nanoseconds)(void);

/* What measures turns and callbacks; see Meter. */
typedef struct {
    PyObject_HEAD
    hot_nanoseconds clock;
    int64_t began; /* the turn */
    int64_t stamp; /* when the last callback has ended, or whatever else was last */
    hot_durations turns;
    hot_durations callbacks;
    char in_turn;
} hot_meter;

/* Of functions that are called seldom: part of a hot one they would cost it registers. */
#if defined(__GNUC__)
#define HOT_SELDOM __attribute__((noinline, cold))
#else
#define HOT_SELDOM
#endif

/* Turns of a loop, and what they have moved; the rest of what is counted is Python's. */
typedef struct {
    PyObject_HEAD
    long long accepted;
    long long turns;
    long long events;
    long long messages;
    long long bytes_received;
    long long bytes_sent;
    long long datagrams_received;
    long long datagrams_sent;
    long long ended_here; /* streams whose peers had ended, and that were closed for it in C */
    int parting;          /* see Departures */
    hot_meter *meter;     /* NULL unless turns and callbacks are measured */
} hot_counts;

/* The memory that a loop receives into; see Inbox. `memory` is where `arena` lies. */
typedef struct {
    PyObject_HEAD
    PyObject *sockets;
    PyObject *arena;
    PyObject *whole;
    PyObject *views;
    char *memory;
    Py_ssize_t size;
    char lent;
} hot_inbox;

/* What of the deadlines of a connection changes with its progress: times in seconds of the loop's clock, and bytes
 * written at wrote_at, or left then by the kernel; see Deadlines. */
typedef struct {
    PyObject_HEAD
    double last_in;
    double last_out;
    double wrote_at;
    Py_ssize_t queued;
} hot_deadlines;

struct hot_outbox;

/* A stream connection; see StreamConnection. What is None in Python may be NULL here. */
typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    hot_inbox *inbox;
    PyObject *source; /* the bytes that the window is of; NULL if it is of the arena */
    Py_ssize_t lo;
    Py_ssize_t hi;
    PyObject *id;
    PyObject *network;
    PyObject *context;
    PyObject *host;
    PyObject *remote;
    PyObject *local;
    PyObject *state;
    PyObject *ending;
    PyObject *deadlines;
    PyObject *pledges;
    PyObject *reasons;
    PyObject *kept;
    PyObject *backlog;
    PyObject *straight;
    PyObject *filtering;
    PyObject *front; /* where a write may go in front of a filter */
    Py_ssize_t taken; /* bytes that left, or were promised to, in the outbox's turn of that number */
    long long bytes_received;
    long long bytes_sent;
    double opened; /* seconds of the loop's clock */
    nc_socket fd;
    nc_socket wire;
    unsigned turn;
    unsigned noted; /* the number of the batch that it was last part of */
    int interest;
    int flags;
    int posted;
    char receiving;
    char plain;
    char bulk; /* it has last brought so much that its bytes get an object of their own */
} hot_stream;

/* What is done with sockets, by functions of src/netcore.h. */
typedef int (*hot_wait)(nc_poller *, double, int, nc_socket *, int *);
typedef int (*hot_receive)(int, const nc_socket *, char *, size_t, size_t, intptr_t *);
typedef intptr_t (*hot_receive_one)(nc_socket, char *, size_t);
typedef intptr_t (*hot_available)(nc_socket);
typedef int (*hot_send)(int, const nc_socket *, const size_t *, const char *, const char *const *, intptr_t *);
typedef intptr_t (*hot_send_one)(nc_socket, const char *, size_t);
typedef intptr_t (*hot_ring_receive_one)(nc_poller *, nc_socket, char *, size_t);
typedef intptr_t (*hot_ring_available)(nc_poller *, nc_socket);
typedef int (*hot_ring_receive)(nc_poller *, int, const nc_socket *, char *, size_t, size_t, intptr_t *);
typedef int (*hot_ring_send)(nc_poller *, int, const nc_socket *, const size_t *, const char *,
                             const char *const *, intptr_t *);

typedef struct {
    nc_poller *ring; /* that the functions take first; NULL if they are not those of a ring */
    union {
        hot_receive plain;
        hot_ring_receive ring;
    } receive;
    union {
        hot_receive_one plain;
        hot_ring_receive_one ring;
    } receive_one;
    union {
        hot_send plain;
        hot_ring_send ring;
    } send;
    hot_send_one send_one;
    union {
        hot_available plain;
        hot_ring_available ring;
    } available; /* NULL if there is no telling */
} hot_calls;

/* Entries of an outbox, in columns, as nc_send takes them. */
typedef struct {
    Py_ssize_t count;
    Py_ssize_t room;
    PyObject **writers; /* streams, or channels */
    PyObject **owners; /* of what `pointers` point to; NULL for bytes in `joined` */
    const char **pointers;
    size_t *lengths;
    nc_socket *sockets;
    intptr_t *unsent;
    char *joined;
    size_t used;
    size_t joined_room;
} hot_batch;

/* What a turn has written; see Outbox. */
typedef struct hot_outbox {
    PyObject_HEAD
    PyObject *producers;
    hot_counts *counts;
    hot_calls calls;
    hot_batch filling;
    hot_batch spare;
    Py_ssize_t size;
    Py_ssize_t limit;
    Py_ssize_t usual_limit;
    Py_ssize_t share;
    unsigned long thread; /* of the loop; a write at once on another one would not be in order */
    unsigned turn;
    unsigned number; /* of the batch that is being filled */
    char taken; /* whether anybody's share of this turn was touched */
} hot_outbox;

/* The streams of a loop by descriptor. */
typedef struct {
    PyObject_HEAD
    hot_stream **streams;
    Py_ssize_t room;
    Py_ssize_t count;
} hot_table;

extern PyTypeObject *hot_meter_type, *hot_counts_type, *hot_inbox_type, *hot_outbox_type, *hot_stream_type, *hot_table_type,
    *hot_intake_type, *hot_passage_type, *hot_channel_type, *hot_exchange_type,
    *hot_handles_type, *hot_frames_type, *hot_deadlines_type;

/* Where a stream has a frame, and where it has a delimiter, by functions of src/netcore.h. */
typedef size_t (*hot_next_frame)(const nc_framing *, const char *, size_t, size_t, size_t *, size_t *);
typedef size_t (*hot_find_delimiter)(const nc_framing *, const char *, size_t, size_t *);

/* Names of methods and attributes that are asked for on the way. */
#define HOT_NAMES(NAME)                                                                                    \
    NAME(__func__)                                                                                         \
    NAME(_cancelled)                                                                                       \
    NAME(_context)                                                                                         \
    NAME(_flush_early)                                                                                     \
    NAME(_nc_break_off)                                                                                    \
    NAME(_nc_complete)                                                                                     \
    NAME(_nc_end)                                                                                          \
    NAME(_nc_ends)                                                                                         \
    NAME(_nc_go_on)                                                                                        \
    NAME(_nc_python_on_traffic)                                                                            \
    NAME(_nc_python_send_frame)                                                                            \
    NAME(_python_add)                                                                                      \
    NAME(_python_discard)                                                                                  \
    NAME(_python_next)                                                                                     \
    NAME(_python_peek)                                                                                     \
    NAME(_python_read)                                                                                     \
    NAME(_python_write)                                                                                    \
    NAME(_python_writev)                                                                                   \
    NAME(_queue)                                                                                           \
    NAME(_run)                                                                                             \
    NAME(_scheduled)                                                                                       \
    NAME(_slots)                                                                                           \
    NAME(_stopping)                                                                                        \
    NAME(_take_back)                                                                                       \
    NAME(_timer_cancelled_count)                                                                           \
    NAME(acquire)                                                                                          \
    NAME(buffered)                                                                                         \
    NAME(charge)                                                                                           \
    NAME(clock)                                                                                            \
    NAME(descriptors)                                                                                      \
    NAME(descriptor_lock)                                                                                  \
    NAME(callers)                                                                                          \
    NAME(end_deadlines)                                                                                    \
    NAME(ended)                                                                                            \
    NAME(failed)                                                                                           \
    NAME(failure)                                                                                          \
    NAME(feed)                                                                                             \
    NAME(filter)                                                                                           \
    NAME(filter_failed)                                                                                    \
    NAME(flush_early)                                                                                      \
    NAME(had_share)                                                                                        \
    NAME(discard)                                                                                          \
    NAME(going_on)                                                                                         \
    NAME(hampered)                                                                                         \
    NAME(handler)                                                                                          \
    NAME(held)                                                                                             \
    NAME(inbox)                                                                                            \
    NAME(keep)                                                                                             \
    NAME(last_in)                                                                                          \
    NAME(lost)                                                                                             \
    NAME(missing)                                                                                          \
    NAME(now)                                                                                              \
    NAME(on_close)                                                                                         \
    NAME(on_eof)                                                                                           \
    NAME(on_frame)                                                                                         \
    NAME(on_open)                                                                                          \
    NAME(on_traffic)                                                                                       \
    NAME(outbox)                                                                                           \
    NAME(output)                                                                                           \
    NAME(placing)                                                                                          \
    NAME(produce)                                                                                          \
    NAME(receive)                                                                                          \
    NAME(received)                                                                                         \
    NAME(received_nothing)                                                                                 \
    NAME(receive_again)                                                                                    \
    NAME(release)                                                                                          \
    NAME(release_views)                                                                                    \
    NAME(remember_local_address)                                                                           \
    NAME(renew)                                                                                            \
    NAME(run)                                                                                              \
    NAME(serve_rest)                                                                                       \
    NAME(set_deadline)                                                                                     \
    NAME(settle_later)                                                                                     \
    NAME(show)                                                                                             \
    NAME(sleep)                                                                                            \
    NAME(store)                                                                                            \
    NAME(time)                                                                                             \
    NAME(unsent)                                                                                           \
    NAME(unsettled)                                                                                        \
    NAME(unwrapped)                                                                                        \
    NAME(watchers)                                                                                         \
    NAME(write_slowly)                                                                                     \
    NAME(wrap)

extern PyObject *hot_ids; /* see connection/core/identity.py */
extern PyObject *hot_open;    /* State.OPEN */

#define HOT_NAME(name) extern PyObject *hot_name_##name;
HOT_NAMES(HOT_NAME)
#undef HOT_NAME

static inline int hot_is_none(PyObject *value)
{
    return value == NULL || value == Py_None;
}

/* Puts a new reference, which it takes over, in the place of another. */
static inline void hot_replace(void *field, void *value)
{
    PyObject **place = field;
    PyObject *before = *place;

    *place = value;
    Py_XDECREF(before);
}

/* Puts a borrowed reference in the place of another. */
static inline void hot_keep(void *field, void *value)
{
    Py_XINCREF((PyObject *)value);
    hot_replace(field, value);
}

/* Puts the function that has an address in its place. */
static inline int hot_function(void *field, PyObject *address)
{
    void *pointer = PyLong_AsVoidPtr(address);

    if (pointer == NULL && PyErr_Occurred())
        return -1;
    memcpy(field, &pointer, sizeof pointer);
    return 0;
}

/* Returns a new reference to None. */
static inline PyObject *hot_none(void)
{
    Py_INCREF(Py_None);
    return Py_None;
}

/* Raises, for an object that its constructor has not been called for. */
static inline int hot_unready(const void *object)
{
    PyErr_Format(PyExc_RuntimeError, "%R has not been initialized", (PyObject *)object);
    return -1;
}

/* Whether a callback was given views, which end with it. */
static inline int hot_has_views(const hot_inbox *inbox)
{
    return inbox->views != NULL && PyList_Check(inbox->views) && PyList_Size(inbox->views) > 0;
}

static inline int hot_is_loop_thread(const hot_outbox *outbox)
{
    return outbox->thread == PyThread_get_thread_ident();
}

#endif
