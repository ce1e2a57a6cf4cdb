/* A filter at its usual work: the hot half of connection/stream/filtered.py.
 *
 * A stream has a `front` while nothing waits, neither for a file nor for the peer. Then what comes and what is written
 * goes through the filter here; whatever is to follow from that besides is the twin's. */

#include "hot.h"

/* An attribute of a filter. -1 if an error is set, else whether it is anything but `usual`. */
static int filtering__differs(PyObject *filter, PyObject *name, PyObject *usual)
{
    PyObject *value = PyObject_GetAttr(filter, name);
    int differs = value == NULL ? -1 : value != usual;

    Py_XDECREF(value);
    return differs;
}

/* Whether a filter has found an end, or an error; -1 if an error is set. */
static int filtering__is_over(PyObject *filter)
{
    int ended = filtering__differs(filter, hot_name_ended, Py_False);

    return ended ? ended : filtering__differs(filter, hot_name_failure, Py_None);
}

/* Whether a filter holds what was written; -1 if an error is set. */
static int filtering__holds(PyObject *filter)
{
    PyObject *held = PyObject_GetAttr(filter, hot_name_held);
    int holds = held == NULL ? -1 : PyObject_IsTrue(held);

    Py_XDECREF(held);
    return holds;
}

/* The filter of a stream, if what comes for it, and what is written, has a short way; a new reference. */
static PyObject *filtering__usual(const hot_stream *stream)
{
    if (stream->front == NULL || !PyList_CheckExact(stream->front) || hot_is_none(stream->filtering))
        return NULL;
    return PyObject_GetAttr(stream->filtering, hot_name_filter);
}

/* Whether a stream has a filter that `filtering_show` may be asked for. */
static int filtering_is_usual(const hot_stream *stream)
{
    return stream->front != NULL && stream->front != Py_None && stream->receiving && hot_is_none(stream->kept) &&
           !(stream->flags & HOT_PAUSED);
}

/* Has the error that is set, what a filter has raised, end its connection; see FilteredHalves.filter_failed. */
static int filtering__fail(hot_stream *stream)
{
    PyObject *error, *done;

    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    error = hot_fetch();
    done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_filter_failed, error, NULL);
    Py_XDECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Gives a filter what has come: n bytes of the arena, from lo on. Returns what it makes of them. */
static PyObject *filtering__feed(const hot_inbox *inbox, PyObject *filter, Py_ssize_t lo, Py_ssize_t n)
{
    PyObject *begin = PyLong_FromSsize_t(lo);
    PyObject *end = begin ? PyLong_FromSsize_t(lo + n) : NULL;
    PyObject *slice = end ? PySlice_New(begin, end, NULL) : NULL;
    PyObject *view = slice ? PyObject_GetItem(inbox->whole, slice) : NULL;
    PyObject *plain = view ? PyObject_CallMethodObjArgs(filter, hot_name_feed, view, NULL) : NULL;

    if (plain != NULL) { /* what fails keeps it in its traceback, and the view the arena */
        PyObject *released = PyObject_CallMethodObjArgs(view, hot_name_release, NULL);
        if (released == NULL)
            Py_CLEAR(plain);
        Py_XDECREF(released);
    }
    Py_XDECREF(begin);
    Py_XDECREF(end);
    Py_XDECREF(slice);
    Py_XDECREF(view);
    return plain;
}

/* Shows what a filter makes of n bytes of the arena, from lo on; see FilteredHalves.show. Returns whether there is
 * something to show, -1 for an error, which is the stream's to pay for. */
static int filtering_show(hot_stream *stream, hot_outbox *outbox, Py_ssize_t lo, Py_ssize_t n)
{
    PyObject *filter = filtering__usual(stream);
    PyObject *plain = NULL;
    int over, shown = -1;

    if (filter == NULL)
        return -1;
    over = filtering__is_over(filter);
    if (over) {
        shown = over < 0 ? -1 : 0;
        goto done;
    }
    if (!hot_is_none(stream->deadlines) && deadlines_received(stream->deadlines, stream->host) < 0)
        goto done;
    plain = filtering__feed(stream->inbox, filter, lo, n);
    if (plain == NULL) {
        shown = filtering__fail(stream);
        goto done;
    }
    if (PyDict_SetItem(outbox->producers, (PyObject *)stream, Py_None) < 0)
        goto done;
    over = filtering__is_over(filter);
    if (over < 0)
        goto done;
    if (over || !stream->receiving || stream->flags & HOT_PAUSED || !PyBytes_CheckExact(plain))
        hot_replace(&plain, PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_unwrapped, stream->filtering,
                                                       Py_False, plain, NULL));
    if (plain == NULL)
        goto done;
    shown = PyObject_IsTrue(plain);
    if (shown <= 0)
        goto done;
    if (stream->receiving && !(stream->flags & HOT_PAUSED) && hot_is_none(stream->kept) && PyBytes_CheckExact(plain)) {
        stream->lo = 0;
        stream->hi = PyBytes_Size(plain);
        hot_keep(&stream->source, plain);
    } else {
        PyObject *stored = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_store, plain, NULL);
        shown = stored == NULL ? -1 : 0;
        Py_XDECREF(stored);
    }
done:
    Py_XDECREF(plain);
    Py_DECREF(filter);
    return shown;
}

/* Takes out what was written in front of a filter, and counts its bytes. */
static PyObject *filtering__take_turn(PyObject *turn, Py_ssize_t *size)
{
    PyObject *chunks = PyList_GetSlice(turn, 0, PyList_Size(turn));

    *size = 0;
    if (chunks == NULL || PyList_SetSlice(turn, 0, PyList_Size(turn), NULL) < 0) {
        Py_XDECREF(chunks);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_Size(chunks); i++) {
        Py_ssize_t n = PyObject_Size(PyList_GetItem(chunks, i)); /* bytes, or views of them */
        if (n < 0) {
            Py_DECREF(chunks);
            return NULL;
        }
        *size += n;
    }
    return chunks;
}

/* Brings what was written through a filter; see Filtering.produce. */
static PyObject *filtering__wrap(PyObject *filter, PyObject *chunks)
{
    if (PyList_Size(chunks) > 0) {
        PyObject *done = PyObject_CallMethodObjArgs(filter, hot_name_wrap, chunks, NULL);
        if (done == NULL)
            return NULL;
        Py_DECREF(done);
    }
    return PyObject_CallMethodObjArgs(filter, hot_name_output, NULL);
}

/* Notes raw bytes down that are all that follows from so many plain ones; see FilteredHalves.produced. */
static int filtering__send(hot_outbox *outbox, hot_stream *stream, Py_ssize_t fresh, PyObject *raw)
{
    Py_ssize_t n = PyBytes_Size(raw);

    if (n > 0) {
        if (!hot_is_none(stream->deadlines) &&
            deadlines_wrote((hot_deadlines *)stream->deadlines, stream->host, n) < 0)
            return -1;
        if (outbox_add(outbox, stream, raw, PyBytes_AsString(raw), n) < 0)
            return -1;
    }
    return fresh > n ? outbox_count(outbox, stream, fresh - n) : 0;
}

/* Adds the output of a stream's filter to the outbox; see FilteredHalves.produce. An error is the stream's to pay for. */
static int filtering_produce(hot_outbox *outbox, hot_stream *stream)
{
    PyObject *filter = filtering__usual(stream);
    PyObject *raw = NULL;
    PyObject *chunks, *done;
    Py_ssize_t fresh;
    int holds, status = -1;

    if (filter == NULL)
        return -1;
    chunks = filtering__take_turn(stream->front, &fresh);
    if (chunks == NULL)
        goto done;
    outbox->size -= fresh;
    raw = filtering__wrap(filter, chunks);
    if (raw == NULL) {
        status = filtering__fail(stream);
        goto done;
    }
    holds = filtering__holds(filter);
    if (holds < 0)
        goto done;
    if (holds || !hot_is_none(stream->backlog) || hot_is_none(stream->front) || !PyBytes_CheckExact(raw) ||
        (!hot_is_none(stream->deadlines) && !deadlines_are_hot(stream->deadlines))) {
        done = PyObject_CallMethod((PyObject *)stream, "produced", "OnO", stream->filtering, fresh, raw);
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    } else {
        status = filtering__send(outbox, stream, fresh, raw);
    }
done:
    Py_XDECREF(raw);
    Py_XDECREF(chunks);
    Py_DECREF(filter);
    return status;
}
