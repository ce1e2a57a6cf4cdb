/* Waiting, and turns of messages alone: the hot half of eventloop/turn.py.
 *
 * A wait receives as well, before it takes the GIL again: for the streams that are ready for reading and nothing else,
 * as nearly all are in nearly every turn. What was received is kept until it is served.
 *
 * The table of streams is changed on the loop's own thread only, which is why it may be read there without the GIL. */

#include "intake.h"

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

/* Waits for so many seconds, less than none being for ever, and receives. Returns how much is ready; -1 for an error
 * that is set. */
static int intake__look(hot_intake *self, double limit)
{
    int found;

    if (self->planned == NULL || self->host == NULL)
        return hot_unready(self);
    if (self->serving) {
        PyErr_SetString(PyExc_RuntimeError, "a wait within a turn");
        return -1;
    }
    if (self->passage != NULL)
        self->passage->looked = 0;
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

/* wait(timeout): see Intake.wait. */
static PyObject *intake__wait(PyObject *object, PyObject *timeout)
{
    double limit;
    int found;

    if (waits_limit(timeout, &limit) < 0)
        return NULL;
    found = intake__look((hot_intake *)object, limit);
    return found < 0 ? NULL : PyLong_FromLong(found);
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

    if (self->planned == NULL || self->host == NULL)
        return hot_unready(self);
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
        *rest = waits_events(self->left, self->fds, self->readiness);
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

/* Whether others have more to do in this turn than they were told of, so that a listener has to leave them their part. */
static int intake__is_shared(hot_intake *self)
{
    PyObject *watchers = PyObject_GetAttr(self->host, hot_name_watchers);
    PyObject *going_on = watchers ? PyObject_GetAttr(watchers, hot_name_going_on) : NULL;
    int is_shared = going_on == NULL || PyObject_IsTrue(going_on) != 0;

    PyErr_Clear();
    Py_XDECREF(going_on);
    Py_XDECREF(watchers);
    return is_shared;
}

/* Serves what a wait has found: streams, and a listener if it is all there is besides, here; anything else in Python. */
static int intake__serve_all(hot_intake *self)
{
    nc_socket alone = self->left == 1 && self->readiness[0] == NC_READABLE ? self->fds[0] : -1;
    PyObject *door = alone >= 0 && self->passage != NULL ? passage_door(self->passage, alone) : NULL;
    int is_here = self->left == 0 || (door != NULL && !intake__is_shared(self));
    PyObject *rest = NULL;
    PyObject *done;

    Py_XDECREF(door);
    if (intake__serve(self, is_here ? NULL : &rest) < 0)
        return -1;
    if (is_here) {
        if (alone >= 0)
            passage_answer(self->passage, alone); /* unless a callback has closed it */
        return 0;
    }
    done = PyObject_CallMethodObjArgs((PyObject *)self, hot_name_serve_rest, rest, NULL);
    Py_DECREF(rest);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* turns(timeout): waits, and as long as nothing else is to be done than to serve what is ready takes whole turns, the
 * order of which is that of Turn.run: wait, receive, handle, send.
 *
 * Returns what wait does, or -1 if what it has found last is served already, and the turn, which is counted, is to be
 * ended. */
static PyObject *intake__turns(PyObject *object, PyObject *timeout)
{
    hot_intake *self = (hot_intake *)object;
    double limit;
    int found;

    if (waits_limit(timeout, &limit) < 0)
        return NULL;
    found = intake__look(self, limit);
    while (found > 0 && PyObject_Size(self->planned) == 0 && PyObject_Size(self->again) == 0) {
        int quiet;
        self->counts->events += found;
        self->counts->turns++;
        if (self->counts->meter != NULL)
            meter_begin_turn(self->counts->meter);
        if (intake__say(self, 0) < 0)
            return NULL;
        if (self->outbox->taken)
            outbox_begin_turn(self->outbox);
        if (intake__serve_all(self) < 0)
            return NULL;
        if (PyObject_Size(self->pending) != 0 || PyObject_Size(self->planned) != 0)
            return PyErr_Occurred() ? NULL : PyLong_FromLong(-1); /* what these write leaves in the same batch */
        if (outbox_flush(self->outbox) < 0)
            return NULL;
        if (intake__say(self, 1) < 0) /* before the last look: who adds a task looks after that, see Turn.run */
            return NULL;
        quiet = intake__is_quiet(self);
        if (quiet <= 0)
            return quiet < 0 ? NULL : PyLong_FromLong(-1);
        if (self->counts->meter != NULL)
            meter_end_turn(self->counts->meter);
        found = intake__look(self, -1.0);
    }
    return found < 0 ? NULL : PyLong_FromLong(found);
}
