/* What a handler writes: the hot half of connection/stream/writing.py. */

#include "hot.h"

enum {
    WRITING_LARGE = 16384, /* bytes of a write that is offered to the kernel at once */
    WRITING_VIEW = 8192    /* bytes of a view that may be worth keeping as it is, rather than copying it */
};

/* Where a write may go the short way, the outbox; else NULL. */
static hot_outbox *writing_outbox(const hot_stream *self)
{
    if (hot_is_none(self->straight) || (!hot_is_none(self->deadlines) && !deadlines_are_hot(self->deadlines)))
        return NULL;
    return (hot_outbox *)self->straight;
}

/* Notes down that so many bytes are about to leave. */
static int writing__progress(const hot_stream *self, Py_ssize_t n)
{
    return hot_is_none(self->deadlines) ? 0 : deadlines_wrote((hot_deadlines *)self->deadlines, self->host, n);
}

/* Has an outbox sent that is full; returns what write does. */
static PyObject *writing__flushed(hot_stream *self, const hot_outbox *outbox, Py_ssize_t n)
{
    if (outbox->size >= outbox->limit) {
        PyObject *sent = PyObject_CallMethodObjArgs((PyObject *)self, hot_name__flush_early, NULL);
        if (sent == NULL)
            return NULL;
        Py_DECREF(sent);
    }
    return PyLong_FromSsize_t(n);
}

/* What follows when bytes were put into the outbox; returns what write does. */
static PyObject *writing_done(hot_stream *self, hot_outbox *outbox, Py_ssize_t n)
{
    return writing__progress(self, n) < 0 ? NULL : writing__flushed(self, outbox, n);
}

static PyObject *writing__bytes(hot_stream *self, hot_outbox *outbox, PyObject *bytes)
{
    Py_ssize_t n = PyBytes_Size(bytes);
    const char *data = PyBytes_AsString(bytes);

    if (n >= WRITING_LARGE && outbox->filling.count == 0 && hot_is_loop_thread(outbox)) {
        if (writing__progress(self, n) < 0)
            return NULL;
        Py_INCREF(outbox);
        if (outbox_send_now(outbox, self, bytes, data, n) < 0)
            n = -1;
        Py_DECREF(outbox);
        return n < 0 ? NULL : PyLong_FromSsize_t(n);
    }
    if (outbox_add(outbox, self, bytes, data, n) < 0)
        return NULL;
    return writing_done(self, outbox, n);
}

/* Copies what write would copy anyway: a bytearray, and a view of less than may be worth keeping. NULL without an
 * error if that is for the twin to decide. */
static PyObject *writing__copy(PyObject *data)
{
    PyObject *bytes;

    if (Py_TYPE(data) == &PyMemoryView_Type) {
        Py_ssize_t n = PyObject_Size(data);
        if (n < 0)
            PyErr_Clear(); /* it is released, or has no length */
        if (n < 0 || n >= WRITING_VIEW)
            return NULL;
    } else if (Py_TYPE(data) != &PyByteArray_Type) {
        return NULL;
    }
    bytes = PyBytes_FromObject(data);
    if (bytes == NULL)
        PyErr_Clear();
    return bytes;
}

/* Whether a write may go in front of a filter: not on another thread, whose mistake the twin tells. */
static hot_outbox *writing__front(const hot_stream *self)
{
    PyObject *outbox;

    if (self->front == NULL || !PyList_CheckExact(self->front))
        return NULL;
    outbox = PyObject_GetAttr(self->host, hot_name_outbox);
    if (outbox == NULL || !PyObject_TypeCheck(outbox, hot_outbox_type) || !hot_is_loop_thread((hot_outbox *)outbox) ||
        ((hot_outbox *)outbox)->producers == NULL) {
        PyErr_Clear();
        Py_CLEAR(outbox);
    }
    return (hot_outbox *)outbox;
}

/* Puts bytes in front of a filter; see FilteredHalves.accept. */
static PyObject *writing__put_in_front(hot_stream *self, hot_outbox *outbox, PyObject *bytes)
{
    Py_ssize_t n = PyBytes_Size(bytes);

    if (n > 0) {
        if (PyDict_SetItem(outbox->producers, (PyObject *)self, Py_None) < 0 || PyList_Append(self->front, bytes) < 0)
            return NULL;
        outbox->size += n;
    }
    return writing__flushed(self, outbox, n);
}

static PyObject *writing__write(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_stream *self = (hot_stream *)object;
    hot_outbox *outbox = nargs == 1 && kwnames == NULL ? writing_outbox(self) : NULL;
    PyObject *copy, *result;

    if (outbox != NULL && PyBytes_CheckExact(args[0]))
        return writing__bytes(self, outbox, args[0]);
    if (outbox == NULL && nargs == 1 && kwnames == NULL && PyBytes_CheckExact(args[0])) {
        outbox = writing__front(self);
        if (outbox != NULL) {
            result = writing__put_in_front(self, outbox, args[0]);
            Py_DECREF(outbox);
            return result;
        }
    }
    copy = outbox != NULL && hot_is_loop_thread(outbox) ? writing__copy(args[0]) : NULL;
    if (copy == NULL)
        return reading__ask(object, hot_name__python_write, args, nargs, kwnames);
    result = writing__bytes(self, outbox, copy);
    Py_DECREF(copy);
    return result;
}

/* Writes the bytes of a tuple; other things are for the twin, since a wrong one is to leave nothing of the others. */
static PyObject *writing__each(PyObject *object, PyObject *chunks)
{
    Py_ssize_t count = PyTuple_Size(chunks);
    Py_ssize_t total = 0;

    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *chunk = PyTuple_GetItem(chunks, i);
        PyObject *written = writing__write(object, &chunk, 1, NULL);
        if (written == NULL)
            return NULL;
        Py_DECREF(written);
        total += PyBytes_Size(chunk);
    }
    return PyLong_FromSsize_t(total);
}

static int writing__are_bytes(PyObject *chunks)
{
    Py_ssize_t i = PyTuple_Size(chunks);

    while (i > 0 && PyBytes_CheckExact(PyTuple_GetItem(chunks, i - 1)))
        i--;
    return i == 0;
}

static PyObject *writing__writev(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *chunks = NULL;
    PyObject *result;

    if (nargs == 1 && kwnames == NULL && PyList_CheckExact(args[0])) {
        chunks = PyList_AsTuple(args[0]); /* what is called may change a list */
        if (chunks == NULL)
            return NULL;
    } else if (nargs == 1 && kwnames == NULL && PyTuple_CheckExact(args[0])) {
        chunks = args[0];
        Py_INCREF(chunks);
    }
    if (chunks != NULL && writing__are_bytes(chunks))
        result = writing__each(object, chunks);
    else
        result = reading__ask(object, hot_name__python_writev, args, nargs, kwnames);
    Py_XDECREF(chunks);
    return result;
}
