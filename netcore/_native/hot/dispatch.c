/* From bytes to the handler: the hot half of connection/stream/dispatch.py. */

#include "intake.h"

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
    } else {
        hot_called(self->counts);
    }
    if (stream->lo != stream->hi) {
        done = intake__tell(self, stream, hot_name_keep, NULL);
        Py_XDECREF(done);
    }
    Py_CLEAR(stream->source);
    if (hot_has_views(self->inbox)) {
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
    stream->bytes_received += n;
    stream->bulk = n >= INTAKE_LARGE && self->outbox->calls.available.plain != NULL;
    if (stream->plain) {
        stream->lo = lo;
        stream->hi = lo + n;
    } else if (filtering_is_usual(stream)) {
        int shown = filtering_show(stream, self->outbox, lo, n);
        if (shown < 0)
            intake__charge(self, stream);
        if (shown <= 0)
            return;
        hot_look(self->counts);
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
        hot_look(self->counts);
    }
    intake__call(self, on_traffic, stream);
}
