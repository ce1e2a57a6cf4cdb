/* How streams leave: the hot half of eventloop/departures.py, and of connection/core/life.py.
 *
 * It is one call for the commonest end: the peer has ended, `on_eof` has answered with CLOSE, and nothing is owed. Then
 * three rounds through the table of states, and the end of the turn, have nothing to add. Any other end goes the way of
 * all. */

#include "passage.h"

enum { LEAVING_ORIGIN = 16 | 32 }; /* DIALLED and ENROLLED of connection/core/life.py */

/* Whether nothing has been asked of a stream, or has happened to it, that its end would have to heed. */
static int leaving__is_plain(const hot_passage *self, const hot_stream *stream)
{
    return stream->id != NULL && hot_is_none(stream->ending) && hot_is_none(stream->filtering) && hot_is_none(stream->backlog) &&
           hot_is_none(stream->kept) && hot_is_none(stream->pledges) && stream->posted == 0 && (stream->flags & ~LEAVING_ORIGIN) == 0 &&
           (stream->noted != self->outbox->number || self->outbox->filling.count == 0);
}

static void leaving__close_descriptor(hot_passage *self, hot_stream *stream)
{
    PyObject *done;
    nc_socket fd = stream->fd;
    int locked = 0;

    if (hot_is_none(stream->local)) { /* first, since others may run meanwhile, and ask for it as well */
        done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_remember_local_address, NULL);
        if (done == NULL)
            passage__charge(self, NULL);
        Py_XDECREF(done);
    }
    if (PyList_Size(self->callers) != 0) { /* another thread works on a descriptor; who is about to sees first what is done */
        done = PyObject_CallMethodObjArgs(self->lock, hot_name_acquire, NULL);
        locked = done != NULL;
        if (!locked)
            passage__charge(self, NULL);
        Py_XDECREF(done);
    }
    if (self->control != NULL && self->end != NULL) {
        Py_BEGIN_ALLOW_THREADS
        self->control(self->poller, NC_REMOVE, fd, 0); /* the system may have forgotten it already */
        self->end(1, &fd);
        Py_END_ALLOW_THREADS
        done = self->gated ? PyObject_CallMethod(self->descriptors, "gone", "n", (Py_ssize_t)fd) : Py_None;
        if (!self->gated)
            Py_INCREF(done);
    } else {
        if (passage__watch(self, fd, NC_REMOVE) < 0) {
            if (PyErr_ExceptionMatches(PyExc_OSError))
                PyErr_Clear();
            else
                passage__charge(self, NULL);
        }
        done = PyObject_CallMethod(self->descriptors, "close", "[n]", (Py_ssize_t)fd);
    }
    if (done == NULL)
        passage__charge(self, NULL);
    Py_XDECREF(done);
    if (locked) {
        done = PyObject_CallMethodObjArgs(self->lock, hot_name_release, NULL);
        if (done == NULL)
            passage__charge(self, NULL);
        Py_XDECREF(done);
    }
}

/* Closes a stream, whose life is over, and tells the handler; see Departures. */
static void leaving__leave(hot_passage *self, hot_stream *stream)
{
    PyObject *action;

    stream->receiving = stream->plain = 0;
    stream->wire = stream->interest = -1;
    hot_keep(&stream->state, self->gone);
    hot_keep(&stream->ending, self->over);
    hot_keep(&stream->straight, NULL);
    self->counts->parting++; /* first, so that nobody sees it neither here nor there */
    if (table__put(self->table, stream->fd, NULL) < 0 || PyDict_DelItem(self->by_id, stream->id) < 0)
        PyErr_Clear();
    leaving__close_descriptor(self, stream);
    self->counts->ended_here++;
    if (!hot_is_none(stream->deadlines)) {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_end_deadlines, NULL);
        if (done == NULL)
            passage__charge(self, NULL);
        Py_XDECREF(done);
    }
    if (!self->skips_close) {
        action = passage__run(self, stream, hot_name_on_close, Py_None);
        passage__react(self, stream, hot_name_on_close, action);
        Py_XDECREF(action);
    }
    stream->lo = stream->hi = 0;
    self->counts->parting--;
}

/* Deals with the end of a stream by the peer, if that can be done here: else returns 0, and has done nothing. */
static int passage_end(hot_passage *self, hot_stream *stream)
{
    PyObject *action, *done;

    if (self->counts == NULL || self->noting)
        return 0;
    passage__look_at_handler(self); /* first, since it may run anything, as in a __getattr__, or others meanwhile */
    if (stream->state != self->open || !stream->receiving || hot_is_none(stream->straight) ||
        !leaving__is_plain(self, stream))
        return 0;
    if (self->skips_eof) {
        leaving__leave(self, stream);
        return 1;
    }
    stream->receiving = stream->plain = 0;
    hot_keep(&stream->state, self->peer_closed);
    action = passage__run(self, stream, hot_name_on_eof, NULL);
    if (action == self->close && stream->state == self->peer_closed && leaving__is_plain(self, stream)) {
        leaving__leave(self, stream);
    } else {
        done = PyObject_CallMethodObjArgs(self->host, hot_name_settle_later, stream, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
        passage__react(self, stream, hot_name_on_eof, action);
    }
    Py_XDECREF(action);
    return 1;
}
