/* What a handler reads: the hot half of connection/stream/reading.py. Nothing here has kept bytes. */

#include "hot.h"

/* How many bytes are in the window. It is changed in Python, too: what is no window there is, is empty. */
static Py_ssize_t reading__here(const hot_stream *self)
{
    Py_ssize_t end = self->source ? PyBytes_Size(self->source) : self->inbox ? self->inbox->size : 0;

    return 0 <= self->lo && self->lo <= self->hi && self->hi <= end ? self->hi - self->lo : 0;
}

static const char *reading__window(const hot_stream *self)
{
    return (self->source ? PyBytes_AsString(self->source) : self->inbox->memory) + self->lo;
}

/* Gets the only argument, a number of bytes, none or negative meaning all: -1 is an error, or not a usual call. */
static int reading__size(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, Py_ssize_t here, Py_ssize_t *n)
{
    *n = here;
    if (nargs == 0 && kwnames == NULL)
        return 0;
    if (nargs != 1 || kwnames != NULL || !PyLong_CheckExact(args[0]))
        return -1;
    *n = PyLong_AsSsize_t(args[0]);
    if (*n == -1 && PyErr_Occurred())
        PyErr_Clear(); /* more than there can be, or less than none */
    if (*n < 0 || *n > here)
        *n = here;
    return 0;
}

/* Calls the method of the twin. */
static PyObject *reading__ask(PyObject *self, PyObject *name, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames)
{
    Py_ssize_t named = kwnames ? PyTuple_Size(kwnames) : 0;
    PyObject *method = PyObject_GetAttr(self, name);
    PyObject *given = method ? PyTuple_New(nargs) : NULL;
    PyObject *keywords = given && named ? PyDict_New() : NULL;
    PyObject *result = NULL;

    if (given == NULL || (named && keywords == NULL))
        goto done;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        Py_INCREF(args[i]);
        if (PyTuple_SetItem(given, i, args[i]) < 0)
            goto done;
    }
    for (Py_ssize_t i = 0; i < named; i++)
        if (PyDict_SetItem(keywords, PyTuple_GetItem(kwnames, i), args[nargs + i]) < 0)
            goto done;
    result = PyObject_Call(method, given, keywords);
done:
    Py_XDECREF(method);
    Py_XDECREF(given);
    Py_XDECREF(keywords);
    return result;
}

/* Calls the method of the twin, which knows no window but that of the arena: another one's bytes are kept before. */
static PyObject *reading__ask_twin(PyObject *object, PyObject *name, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames)
{
    if (((hot_stream *)object)->source != NULL) {
        PyObject *kept = PyObject_CallMethodObjArgs(object, hot_name_keep, NULL);
        if (kept == NULL)
            return NULL;
        Py_DECREF(kept);
    }
    return reading__ask(object, name, args, nargs, kwnames);
}

static PyObject *reading__read(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_stream *self = (hot_stream *)object;
    Py_ssize_t here = reading__here(self);
    Py_ssize_t n;
    PyObject *data;

    if (!hot_is_none(self->kept) || reading__size(args, nargs, kwnames, here, &n) < 0)
        return reading__ask_twin(object, hot_name__python_read, args, nargs, kwnames);
    if (self->source != NULL && n == PyBytes_Size(self->source)) {
        data = self->source;
        self->source = NULL;
        self->lo = self->hi = 0;
        return data;
    }
    data = PyBytes_FromStringAndSize(here ? reading__window(self) : "", n);
    if (data != NULL)
        self->lo += n;
    return data;
}

static PyObject *reading__discard(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_stream *self = (hot_stream *)object;
    Py_ssize_t n;

    if (!hot_is_none(self->kept) || reading__size(args, nargs, kwnames, reading__here(self), &n) < 0)
        return reading__ask(object, hot_name__python_discard, args, nargs, kwnames);
    self->lo += n;
    return PyLong_FromSsize_t(n);
}

/* A view of the window, which ends with the callback; see Inbox.views. */
static PyObject *reading__view(hot_stream *self, Py_ssize_t n)
{
    PyObject *begin, *end, *slice;
    PyObject *whole = NULL;
    PyObject *view = NULL;

    if (self->inbox == NULL || self->inbox->views == NULL || self->inbox->whole == NULL) {
        hot_unready(self);
        return NULL;
    }
    begin = PyLong_FromSsize_t(self->lo);
    end = begin ? PyLong_FromSsize_t(self->lo + n) : NULL;
    slice = end ? PySlice_New(begin, end, NULL) : NULL;
    if (slice != NULL) {
        whole = self->source ? PyMemoryView_FromObject(self->source) : self->inbox->whole;
        if (whole != NULL && self->source == NULL)
            Py_INCREF(whole);
        view = whole ? PyObject_GetItem(whole, slice) : NULL;
        if (view != NULL && PyList_Append(self->inbox->views, view) < 0)
            Py_CLEAR(view);
    }
    Py_XDECREF(begin);
    Py_XDECREF(end);
    Py_XDECREF(slice);
    Py_XDECREF(whole);
    return view;
}

/* peek and next: what is more than there is, is an error, which the twin raises. */
static PyObject *reading__look(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                               Py_ssize_t *taken)
{
    hot_stream *self = (hot_stream *)object;
    Py_ssize_t here = reading__here(self);
    Py_ssize_t n = here;

    if (!hot_is_none(self->kept) || kwnames != NULL || nargs > 1 || (nargs == 1 && !PyLong_CheckExact(args[0])))
        return NULL;
    if (nargs == 1) {
        n = PyLong_AsSsize_t(args[0]);
        if (n == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return NULL;
        }
        if (n > here)
            return NULL;
        if (n < 0)
            n = here;
    }
    *taken = n;
    return reading__view(self, n);
}

static PyObject *reading__peek(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t n;
    PyObject *view = reading__look(self, args, nargs, kwnames, &n);

    if (view == NULL && !PyErr_Occurred())
        return reading__ask_twin(self, hot_name__python_peek, args, nargs, kwnames);
    return view;
}

static PyObject *reading__next(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t n;
    PyObject *view = reading__look(self, args, nargs, kwnames, &n);

    if (view == NULL && !PyErr_Occurred())
        return reading__ask_twin(self, hot_name__python_next, args, nargs, kwnames);
    if (view != NULL)
        ((hot_stream *)self)->lo += n;
    return view;
}

static PyObject *reading__buffered(PyObject *object, void *ignored)
{
    hot_stream *self = (hot_stream *)object;
    PyObject *kept = self->kept, *size;

    (void)ignored;
    if (hot_is_none(kept))
        return PyLong_FromSsize_t(reading__here(self));
    Py_INCREF(kept); /* asked on another thread, it may be dropped meanwhile */
    size = PyObject_GetAttr(kept, hot_name_buffered);
    Py_DECREF(kept);
    return size;
}
