/* Receiving from streams a chunk at a time: what is received for a chunk is answered, and the answers have left, before
 * the next is received, while the memory that all of that lies in is still in the cache of the core, the kernel's as
 * well. */

#include "intake.h"

static int intake__receive(hot_intake *self, int begin, int end)
{
    const hot_calls *calls = &self->outbox->calls;
    /* A ring has received already, and sends as many as there are by one call. */
    int most = calls->ring ? HOT_BATCH : INTAKE_CHUNK;
    int count = end - begin < most ? end - begin : most;
    const nc_socket *sockets = self->sockets + begin;
    intptr_t *results = self->results + begin;

    if (calls->ring)
        return calls->receive.ring(calls->ring, count, sockets, self->inbox->memory, (size_t)self->inbox->size,
                                   (size_t)self->cap, results);
    return calls->receive.plain(count, sockets, self->inbox->memory, (size_t)self->inbox->size, (size_t)self->cap,
                                results);
}

static int intake__renew(hot_intake *self)
{
    PyObject *renewed;

    if (!self->inbox->lent)
        return 0;
    renewed = PyObject_CallMethodObjArgs((PyObject *)self->inbox, hot_name_renew, NULL);
    Py_XDECREF(renewed);
    return renewed == NULL ? -1 : 0;
}

/* Sends what was written so far: it may be views of the arena, which is about to be used again. */
static void intake__flush(hot_intake *self)
{
    if (outbox_flush_early(self->outbox) < 0)
        intake__charge(self, NULL);
}

/* Looks at the clock again, where that matters: callbacks may have taken long. */
static void intake__look_at_clock(hot_intake *self)
{
    if (PyList_Size(self->planned) > 0) {
        PyObject *now = PyObject_CallMethodObjArgs(self->host, hot_name_now, NULL);
        if (now == NULL)
            intake__charge(self, NULL);
        Py_XDECREF(now);
    }
}

/* Receives once from each of some streams, and hands it over; for so many from `begin` on that is received already. */
static int intake__round(hot_intake *self, PyObject *on_traffic, int begin, int end, int received)
{
    while (begin < end) {
        Py_ssize_t lo = 0;
        int until;

        if (received == 0) {
            intake__flush(self);
            intake__look_at_clock(self);
            if (intake__renew(self) < 0)
                return -1;
            Py_BEGIN_ALLOW_THREADS
            received = intake__receive(self, begin, end);
            Py_END_ALLOW_THREADS
            hot_look(self->counts);
        }
        until = begin + received;
        for (int i = begin; i < until; i++) {
            Py_ssize_t n = self->results[i];
            self->counts->bytes_received += n > 0 ? n : 0;
            self->counts->messages += n > 0;
        }
        for (; begin < until; begin++) {
            Py_ssize_t n = self->results[begin];
            intake__deliver(self, on_traffic, self->streams[begin], lo, n);
            lo += n > 0 ? n : 0;
        }
        received = 0;
    }
    return 0;
}

static void intake__receive_again(hot_intake *self, hot_stream *stream)
{
    PyObject *done = PyObject_CallMethodObjArgs(self->host, hot_name_receive_again, stream, NULL);

    if (done == NULL)
        intake__charge(self, stream);
    Py_XDECREF(done);
}

/* Whether an edge-triggered stream may have more for this turn, after a receive; see Intake._drain. */
static int intake__goes_on(hot_intake *self, hot_stream *stream, Py_ssize_t n, Py_ssize_t *allowed)
{
    if (n == -EINTR) /* the edge is spent, and the bytes are still there */
        return 1;
    *allowed -= n > 0 ? n : 0;
    if (n <= 0 || !stream->receiving)
        return 0;
    if (*allowed > 0)
        return 1;
    intake__receive_again(self, stream);
    return 0;
}

/* Receives until there is nothing more, as edge-triggered readiness demands, or the turn is full. */
static int intake__drain(hot_intake *self, PyObject *on_traffic)
{
    int callbacks = INTAKE_CALLBACKS;
    int live = self->count;
    int received = self->received;

    for (int i = 0; i < live; i++)
        self->allowed[i] = self->edge_chunk;
    while (live) {
        int count = live;
        if (callbacks <= 0) {
            for (int i = 0; i < live; i++)
                if (self->streams[i]->receiving)
                    intake__receive_again(self, self->streams[i]);
            return 0;
        }
        if (intake__round(self, on_traffic, 0, count, received) < 0)
            return -1;
        received = 0;
        callbacks -= count;
        live = 0;
        for (int i = 0; i < count; i++) {
            hot_stream *stream = self->streams[i];
            if (intake__goes_on(self, stream, self->results[i], &self->allowed[i])) {
                self->streams[i] = self->streams[live];
                self->streams[live] = stream;
                self->sockets[live] = stream->fd;
                self->allowed[live++] = self->allowed[i];
            }
        }
    }
    return 0;
}
