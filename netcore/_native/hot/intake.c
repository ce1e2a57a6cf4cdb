/* The middle of a turn: the hot half of eventloop/intake.py and connection/stream/dispatch.py.
 *
 * A wait receives as well, before it takes the GIL again: for the streams that are ready for reading and nothing else,
 * as nearly all are in nearly every turn. What was received is kept until it is served. Streams are served a chunk at
 * a time: what is received for a chunk is answered, and the answers have left, before the next is received, while the
 * memory that all of that lies in is still in the cache of the core, the kernel's as well.
 *
 * The table of streams is changed on the loop's own thread only, which is why it may be read there without the GIL. */

#include "hot.h"

enum {
    INTAKE_CHUNK = 64,      /* streams received from at once */
    INTAKE_LARGE = 16384,   /* bytes from which on those of a receive get an object of their own the next time */
    INTAKE_SHARE = 262144,  /* bytes that one stream may bring in a turn, level-triggered */
    INTAKE_CALLBACKS = 1024 /* calls of the handler in the rounds of one turn, as in intake.py */
};

static const double intake__longest = 1e6; /* seconds: waiting again costs nothing */

typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *planned;
    PyObject *react;
    PyObject *failed;
    PyObject *owner; /* of the memory of the poller */
    PyObject *turn;
    PyObject *aftermath;
    PyObject *pending;
    PyObject *again;
    hot_table *table;
    hot_inbox *inbox;
    hot_outbox *outbox;
    hot_counts *counts;
    hot_passage *passage; /* by which streams leave; NULL if they leave otherwise */
    hot_wait wait;
    nc_poller *poller;
    Py_ssize_t cap;
    Py_ssize_t edge_chunk;
    int found;    /* events of the last wait, until they are served */
    int left;     /* of which so many, in fds and readiness, are for Python */
    int count;    /* and so many are streams to receive from, */
    int received; /* for so many of which that is done, */
    int bulky;    /* and so many are streams that bring much, at the end of `streams` */
    char serving;
    char forgotten; /* in a forked child, which goes on with nothing */
    nc_socket fds[HOT_BATCH];
    int readiness[HOT_BATCH];
    hot_stream *streams[HOT_BATCH];
    nc_socket sockets[HOT_BATCH];
    intptr_t results[HOT_BATCH];
    Py_ssize_t allowed[HOT_BATCH];
} hot_intake;

PyTypeObject *hot_intake_type;

static void intake__charge(hot_intake *self, hot_stream *payer)
{
    hot_charge(self->host, (PyObject *)payer);
}

/* Calls a method of a stream for what it does; an error is the stream's to pay for. */
static PyObject *intake__tell(hot_intake *self, hot_stream *stream, PyObject *name, PyObject *argument)
{
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)stream, name, argument, NULL);

    if (result == NULL)
        intake__charge(self, stream);
    return result;
}

static int intake__receive(hot_intake *self, int begin, int end)
{
    const hot_calls *calls = &self->outbox->calls;
    int count = end - begin < INTAKE_CHUNK ? end - begin : INTAKE_CHUNK;
    const nc_socket *sockets = self->sockets + begin;
    intptr_t *results = self->results + begin;

    if (calls->ring)
        return calls->receive.ring(calls->ring, count, sockets, self->inbox->memory, (size_t)self->inbox->size,
                                   (size_t)self->cap, results);
    return calls->receive.plain(count, sockets, self->inbox->memory, (size_t)self->inbox->size, (size_t)self->cap,
                                results);
}

/* Tells streams to receive from apart from what is for Python. Without the GIL. */
static void intake__sort(hot_intake *self, int found)
{
    int left = 0, count = 0, bulky = 0;

    for (int i = 0; i < found; i++) {
        hot_stream *stream = self->readiness[i] == NC_READABLE ? table_at(self->table, self->fds[i]) : NULL;
        if (stream != NULL && stream->receiving) {
            if (stream->bulk && stream->plain) {
                self->streams[HOT_BATCH - ++bulky] = stream;
            } else {
                self->streams[count] = stream;
                self->sockets[count++] = self->fds[i];
            }
        } else {
            self->fds[left] = self->fds[i];
            self->readiness[left++] = self->readiness[i];
        }
    }
    self->left = left;
    self->count = count;
    self->bulky = bulky;
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

/* Waits for so many seconds, less than none being for ever, and receives. Returns how much is ready; -1 for an error
 * that is set. */
static int intake__look(hot_intake *self, double limit)
{
    int found;

    if (self->serving) {
        PyErr_SetString(PyExc_RuntimeError, "a wait within a turn");
        return -1;
    }
    if (self->found) /* received already, for a turn that was cut short */
        return self->found;
    if (self->poller->handle < 0) {
        PyErr_SetString(PyExc_ValueError, "the poller is closed");
        return -1;
    }
    if (intake__renew(self) < 0)
        return -1;
    self->received = 0;
    Py_BEGIN_ALLOW_THREADS
    found = self->wait(self->poller, limit, HOT_BATCH, self->fds, self->readiness);
    if (found > 0) {
        intake__sort(self, found);
        if (self->count)
            self->received = intake__receive(self, 0, self->count);
    }
    Py_END_ALLOW_THREADS
    if (found < 0) {
        errno = -found;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    self->found = found;
    if (found > 0) {
        for (int i = 0; i < self->count; i++)
            Py_INCREF(self->streams[i]);
        for (int i = 1; i <= self->bulky; i++)
            Py_INCREF(self->streams[HOT_BATCH - i]);
    }
    return found;
}

static int intake__limit(PyObject *timeout, double *limit)
{
    *limit = -1.0;
    if (timeout == Py_None)
        return 0;
    *limit = PyFloat_AsDouble(timeout);
    if (*limit == -1.0 && PyErr_Occurred())
        return -1;
    if (*limit > intake__longest)
        *limit = intake__longest;
    return 0;
}

/* wait(timeout): see Intake.wait. */
static PyObject *intake__wait(PyObject *object, PyObject *timeout)
{
    double limit;
    int found;

    if (intake__limit(timeout, &limit) < 0)
        return NULL;
    found = intake__look((hot_intake *)object, limit);
    return found < 0 ? NULL : PyLong_FromLong(found);
}

/* Calls the handler for what stands in the window of a stream. */
static void intake__call(hot_intake *self, PyObject *on_traffic, hot_stream *stream)
{
    PyObject *action, *done;

    if (!hot_is_none(stream->deadlines) && deadlines_received(stream->deadlines, self->host) < 0)
        intake__charge(self, stream);
    action = PyObject_CallFunctionObjArgs(on_traffic, stream, NULL);
    if (action == NULL) {
        PyObject *error = hot_fetch();
        done = PyObject_CallFunctionObjArgs(self->failed, self->host, stream, error, NULL);
        if (done == NULL)
            intake__charge(self, stream);
        Py_XDECREF(done);
        Py_XDECREF(error);
    }
    if (stream->lo != stream->hi) {
        done = intake__tell(self, stream, hot_name_keep, NULL);
        Py_XDECREF(done);
    }
    Py_CLEAR(stream->source);
    if (PyList_Size(self->inbox->views) > 0) {
        done = PyObject_CallMethodObjArgs((PyObject *)self->inbox, hot_name_release_views, NULL);
        if (done == NULL)
            intake__charge(self, stream);
        Py_XDECREF(done);
    }
    if (action != NULL && action != Py_None) {
        done = PyObject_CallFunctionObjArgs(self->react, self->host, stream, on_traffic, action, NULL);
        if (done == NULL)
            intake__charge(self, stream);
        Py_XDECREF(done);
    }
    Py_XDECREF(action);
}

/* Deals with the end of a stream, or an error. */
static void intake__tell_nothing(hot_intake *self, hot_stream *stream, Py_ssize_t result)
{
    PyObject *number, *done;

    if (result == 0 && self->passage != NULL && passage_end(self->passage, stream)) {
        if (hot_is_none(stream->straight) && PyDict_Size(self->again) > 0 &&
            PyDict_DelItem(self->again, (PyObject *)stream) < 0)
            PyErr_Clear();
        return;
    }
    number = PyLong_FromSsize_t(result);
    done = number ? PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_received_nothing, number, NULL) : NULL;
    if (done == NULL)
        intake__charge(self, stream);
    Py_XDECREF(number);
    Py_XDECREF(done);
}

/* Hands over n bytes of the arena, from lo on, or what a receive has returned instead. */
static void intake__deliver(hot_intake *self, PyObject *on_traffic, hot_stream *stream, Py_ssize_t lo, Py_ssize_t n)
{
    if (n <= 0) {
        intake__tell_nothing(self, stream, n);
        return;
    }
    stream->bulk = n >= INTAKE_LARGE && self->outbox->calls.available.plain != NULL;
    if (stream->plain) {
        stream->lo = lo;
        stream->hi = lo + n;
    } else {
        PyObject *begin = PyLong_FromSsize_t(lo);
        PyObject *end = begin ? PyLong_FromSsize_t(lo + n) : NULL;
        PyObject *shown = end ? PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_show, begin, end, NULL) : NULL;
        int is_new = shown == Py_True;
        if (shown == NULL)
            intake__charge(self, stream);
        Py_XDECREF(begin);
        Py_XDECREF(end);
        Py_XDECREF(shown);
        if (!is_new)
            return;
    }
    intake__call(self, on_traffic, stream);
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
        }
        until = begin + received;
        for (int i = begin; i < until; i++)
            self->counts->bytes_received += self->results[i];
        self->counts->messages += received;
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

/* Receives into an object of its own what a stream brings that has last brought much: it is made as long as what is
 * there, so that `read` can hand it out as it is. Hands that over; returns what the receive has returned, and in
 * `rest` how much more was there. */
static Py_ssize_t intake__take_much(hot_intake *self, PyObject *on_traffic, hot_stream *stream, Py_ssize_t *rest)
{
    const hot_calls *calls = &self->outbox->calls;
    nc_socket socket = stream->fd;
    Py_ssize_t size = calls->ring ? calls->available.ring(calls->ring, socket) : calls->available.plain(socket);
    Py_ssize_t here = size;
    PyObject *bytes;
    char *data;
    Py_ssize_t n;

    *rest = 0;
    size = size < 1 ? 1 : size < self->cap ? size : self->cap; /* none: the end, or an error, is to be found out */
    bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL) {
        intake__charge(self, stream);
        return 0;
    }
    data = PyBytes_AsString(bytes);
    Py_BEGIN_ALLOW_THREADS
    n = calls->ring ? calls->receive_one.ring(calls->ring, socket, data, (size_t)size)
                    : calls->receive_one.plain(socket, data, (size_t)size);
    Py_END_ALLOW_THREADS
    self->counts->bytes_received += n;
    self->counts->messages++;
    stream->bulk = n >= INTAKE_LARGE;
    if (n > 0 && n < size)
        hot_replace(&bytes, PyBytes_FromStringAndSize(data, n));
    if (bytes == NULL) {
        intake__charge(self, stream);
        return 0;
    }
    if (n <= 0) {
        Py_DECREF(bytes);
        intake__tell_nothing(self, stream, n);
        return n;
    }
    *rest = here - n;
    hot_replace(&stream->source, bytes);
    stream->lo = 0;
    stream->hi = n;
    intake__call(self, on_traffic, stream);
    return n;
}

/* Serves such a stream, alone: nobody else's bytes come between its own, in and out. It may have more than one receive
 * of a turn, in which it costs less than in several turns, but no more than so many bytes: its neighbours wait. */
static int intake__serve_bulky(hot_intake *self, PyObject *on_traffic, hot_stream *stream)
{
    Py_ssize_t allowed = self->edge_chunk ? self->edge_chunk : INTAKE_SHARE;
    int goes_on;

    do {
        Py_ssize_t n, rest = 0;
        intake__flush(self);
        intake__look_at_clock(self);
        if (!stream->receiving)
            return 0;
        if (stream->plain) {
            n = intake__take_much(self, on_traffic, stream, &rest);
        } else { /* it has left something unread */
            self->streams[0] = stream;
            self->sockets[0] = stream->fd;
            if (intake__round(self, on_traffic, 0, 1, 0) < 0)
                return -1;
            n = self->results[0];
        }
        if (self->edge_chunk) {
            goes_on = intake__goes_on(self, stream, n, &allowed);
        } else {
            allowed -= n;
            goes_on = n > 0 && rest >= INTAKE_LARGE && allowed > 0;
        }
    } while (goes_on);
    return 0;
}

static PyObject *intake__rest(const hot_intake *self)
{
    PyObject *list = PyList_New(self->left);

    for (int i = 0; list != NULL && i < self->left; i++) {
        PyObject *event = Py_BuildValue("(ni)", (Py_ssize_t)self->fds[i], self->readiness[i]);
        if (event == NULL || PyList_SetItem(list, i, event) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static void intake__let_go(hot_intake *self, hot_stream **streams, int count)
{
    self->found = self->left = self->count = self->received = self->bulky = 0;
    for (int i = 0; i < count; i++)
        Py_DECREF(streams[i]);
}

/* Serves the streams that the last wait has found ready for reading and nothing else. What else it has found goes to
 * `rest`, as pairs of descriptor and readiness, unless that is NULL. */
static int intake__serve(hot_intake *self, PyObject **rest)
{
    PyObject *on_traffic;
    hot_stream *streams[HOT_BATCH];
    int count = self->count + self->bulky;
    int bulky = self->bulky;
    int status = 0;

    if (self->serving) {
        PyErr_SetString(PyExc_RuntimeError, "a turn within a turn");
        return -1;
    }
    on_traffic = PyObject_GetAttr(self->handler, hot_name_on_traffic);
    if (on_traffic == NULL)
        return -1;
    memcpy(streams, self->streams, (size_t)self->count * sizeof *streams);
    memcpy(streams + self->count, self->streams + HOT_BATCH - bulky, (size_t)bulky * sizeof *streams);
    self->serving = 1;
    if (self->edge_chunk)
        status = intake__drain(self, on_traffic);
    else
        status = intake__round(self, on_traffic, 0, self->count, self->received);
    for (int i = count - 1; status == 0 && i >= count - bulky; i--) /* in the order in which they were found */
        status = intake__serve_bulky(self, on_traffic, streams[i]);
    self->serving = 0;
    if (status == 0 && rest != NULL) {
        *rest = intake__rest(self);
        status = *rest == NULL ? -1 : 0;
    }
    intake__let_go(self, streams, count);
    Py_DECREF(on_traffic);
    return status;
}

/* serve_streams(): see intake__serve; returns the rest. */
static PyObject *intake__serve_streams(PyObject *object, PyObject *ignored)
{
    PyObject *rest = NULL;

    (void)ignored;
    return intake__serve((hot_intake *)object, &rest) < 0 ? NULL : rest;
}

/* Whether there is nothing to do but to wait for messages: 1 or 0, -1 for an error. */
static int intake__is_quiet(hot_intake *self)
{
    PyObject *unsettled = PyObject_GetAttr(self->aftermath, hot_name_unsettled);
    Py_ssize_t busy;

    if (unsettled == NULL)
        return -1;
    if (self->forgotten) {
        Py_DECREF(unsettled);
        return 0;
    }
    busy = PyObject_Size(unsettled) + PyObject_Size(self->pending) + PyObject_Size(self->again) +
           PyObject_Size(self->planned) + PyObject_Size(self->outbox->producers) + self->outbox->size;
    Py_DECREF(unsettled);
    return PyErr_Occurred() ? -1 : busy == 0;
}

/* Says in Turn.sleep whether the loop sleeps, and can be woken. */
static int intake__say(hot_intake *self, int sleeps)
{
    PyObject *sleep = sleeps ? PyList_New(0) : Py_None;
    int status;

    if (sleep == NULL)
        return -1;
    status = PyObject_SetAttr(self->turn, hot_name_sleep, sleep);
    if (sleeps)
        Py_DECREF(sleep);
    return status;
}

/* turns(timeout): waits, and as long as there is nothing but messages takes whole turns, the order of which is that of
 * Turn.run: wait, receive, handle, send.
 *
 * Returns what wait does, or -1 if what it has found last is served already, and the turn is to be ended. */
static PyObject *intake__turns(PyObject *object, PyObject *timeout)
{
    hot_intake *self = (hot_intake *)object;
    double limit;
    int found;

    if (intake__limit(timeout, &limit) < 0)
        return NULL;
    found = intake__look(self, limit);
    while (found > 0 && self->left == 0 && PyObject_Size(self->planned) == 0 && PyObject_Size(self->again) == 0) {
        int quiet;
        self->counts->events += found;
        if (intake__say(self, 0) < 0)
            return NULL;
        if (self->outbox->taken)
            outbox_begin_turn(self->outbox);
        if (intake__serve(self, NULL) < 0 || outbox_flush(self->outbox) < 0)
            return NULL;
        quiet = intake__is_quiet(self);
        if (quiet <= 0)
            return quiet < 0 ? NULL : PyLong_FromLong(-1);
        self->counts->turns++;
        if (intake__say(self, 1) < 0)
            return NULL;
        found = intake__look(self, -1.0);
    }
    return found < 0 ? NULL : PyLong_FromLong(found);
}

/* look_at(turn, aftermath, pending, again): who has to be asked whether there is something else to do. */
static PyObject *intake__look_at(PyObject *object, PyObject *args)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *turn, *aftermath, *pending, *again;

    if (!PyArg_ParseTuple(args, "OOOO!", &turn, &aftermath, &pending, &PyDict_Type, &again))
        return NULL;
    hot_keep(&self->turn, turn);
    hot_keep(&self->aftermath, aftermath);
    hot_keep(&self->pending, pending);
    hot_keep(&self->again, again);
    Py_RETURN_NONE;
}

/* ready_streams(): lists what serve_streams is about to serve. */
static PyObject *intake__ready_streams(PyObject *object, PyObject *ignored)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *list = PyList_New(0);

    (void)ignored;
    for (int i = 0; list != NULL && i < self->count + self->bulky; i++) {
        int at = i < self->count ? i : HOT_BATCH - 1 - (i - self->count);
        if (PyList_Append(list, (PyObject *)self->streams[at]) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* Forgets what a wait has found, in a forked child. */
static PyObject *intake__forget(PyObject *object, PyObject *ignored)
{
    hot_intake *self = (hot_intake *)object;
    hot_stream *streams[HOT_BATCH];
    int count = self->count + self->bulky;

    (void)ignored;
    self->forgotten = 1;
    memcpy(streams, self->streams, (size_t)self->count * sizeof *streams);
    memcpy(streams + self->count, self->streams + HOT_BATCH - self->bulky, (size_t)self->bulky * sizeof *streams);
    if (!self->serving)
        intake__let_go(self, streams, count);
    Py_RETURN_NONE;
}

/* Intake(host, handler, table, planned, react, failed, poller, cap, edge_chunk): poller is its memory's owner, its
 * address and that of what waits for it. */
static int intake__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *host, *handler, *table, *planned, *react, *failed, *owner, *address, *wait, *inbox, *outbox;
    void *pointer;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOO!O!OO(OOO)nn", &host, &handler, hot_table_type, &table, &PyList_Type, &planned,
                          &react, &failed, &owner, &address, &wait, &self->cap, &self->edge_chunk))
        return -1;
    self->poller = PyLong_AsVoidPtr(address);
    pointer = PyLong_AsVoidPtr(wait);
    if (PyErr_Occurred())
        return -1;
    memcpy(&self->wait, &pointer, sizeof pointer);
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox == NULL)
        return -1;
    hot_replace(&self->inbox, inbox);
    outbox = stream__take(host, hot_name_outbox, hot_outbox_type);
    if (outbox == NULL)
        return -1;
    hot_replace(&self->outbox, outbox);
    hot_keep(&self->counts, self->outbox->counts);
    hot_keep(&self->table, table);
    hot_keep(&self->host, host);
    hot_keep(&self->handler, handler);
    hot_keep(&self->planned, planned);
    hot_keep(&self->react, react);
    hot_keep(&self->failed, failed);
    hot_keep(&self->owner, owner);
    return 0;
}

/* let_go_by(passage): says by what streams leave. */
static PyObject *intake__let_go_by(PyObject *object, PyObject *passage)
{
    if (!PyObject_TypeCheck(passage, hot_passage_type)) {
        PyErr_SetString(PyExc_TypeError, "not a passage");
        return NULL;
    }
    hot_keep(&((hot_intake *)object)->passage, passage);
    Py_RETURN_NONE;
}

static int intake__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_intake *self = (hot_intake *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->host);
    Py_VISIT(self->handler);
    Py_VISIT(self->planned);
    Py_VISIT(self->react);
    Py_VISIT(self->failed);
    Py_VISIT(self->owner);
    Py_VISIT(self->turn);
    Py_VISIT(self->aftermath);
    Py_VISIT(self->pending);
    Py_VISIT(self->again);
    Py_VISIT(self->passage);
    Py_VISIT(self->table);
    Py_VISIT(self->inbox);
    Py_VISIT(self->outbox);
    return 0;
}

static int intake__clear(PyObject *object)
{
    hot_intake *self = (hot_intake *)object;

    Py_CLEAR(self->host);
    Py_CLEAR(self->handler);
    Py_CLEAR(self->react);
    Py_CLEAR(self->failed);
    Py_CLEAR(self->turn);
    Py_CLEAR(self->aftermath);
    Py_CLEAR(self->pending);
    Py_CLEAR(self->again);
    Py_CLEAR(self->passage);
    return 0;
}

static void intake__dealloc(PyObject *object)
{
    hot_intake *self = (hot_intake *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *forgotten;

    PyObject_GC_UnTrack(object);
    forgotten = intake__forget(object, NULL);
    Py_XDECREF(forgotten);
    intake__clear(object);
    Py_CLEAR(self->planned);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->table);
    Py_CLEAR(self->inbox);
    Py_CLEAR(self->outbox);
    Py_CLEAR(self->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef intake__methods[] = {
    {"let_go_by", intake__let_go_by, METH_O, "Says by what streams leave."},
    {"look_at", intake__look_at, METH_VARARGS, "Says who is asked whether there is something else to do."},
    {"turns", intake__turns, METH_O, "Waits, and takes turns of messages alone; see Intake.turns."},
    {"wait", intake__wait, METH_O, "Waits, and receives; see Intake.wait."},
    {"serve_streams", intake__serve_streams, METH_NOARGS,
     "Serves what the last wait has found to be readable streams; returns the rest of what it has found."},
    {"ready_streams", intake__ready_streams, METH_NOARGS, "Lists what serve_streams is about to serve."},
    {"forget", intake__forget, METH_NOARGS, "Forgets what the last wait has found."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot intake__slots[] = {
    {Py_tp_doc, (void *)"The base of HotIntake."},
    {Py_tp_init, (void *)intake__init},
    {Py_tp_methods, intake__methods},
    {Py_tp_traverse, (void *)intake__traverse},
    {Py_tp_clear, (void *)intake__clear},
    {Py_tp_dealloc, (void *)intake__dealloc},
    {0, NULL},
};

static PyType_Spec intake__spec = {
    .name = "netcore._native._hot.Intake",
    .basicsize = sizeof(hot_intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = intake__slots,
};
