/* One datagram of a server: the hot half of connection/datagram/answer.py and reading.py.
 *
 * What is left to read is a window, of the slot where the kernel has put the datagram, or of a bytes object that was
 * made of it: by `peek`, say, whose view may be kept for longer than the slot is the datagram's. */

#include "datagrams.h"

PyTypeObject *hot_datagram_type;

static PyMemberDef datagram__members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(hot_datagram, weakrefs), READONLY, NULL},
    {"_port", T_OBJECT_EX, offsetof(hot_datagram, port), READONLY, NULL},
    {"_rare", T_OBJECT, offsetof(hot_datagram, rare), 0, NULL},
    {"bytes_received", T_PYSSIZET, offsetof(hot_datagram, bytes_received), 0, NULL},
    {"bytes_sent", T_PYSSIZET, offsetof(hot_datagram, bytes_sent), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Ends what there is to read. */
static void datagram_forget(hot_datagram *self)
{
    self->slot = NULL;
    self->lo = self->hi = 0;
    Py_CLEAR(self->source);
}

static int datagram__show(hot_datagram *self, PyObject *data)
{
    PyObject *bytes = PyBytes_FromObject(data);

    if (bytes == NULL)
        return -1;
    self->slot = NULL;
    self->lo = 0;
    self->hi = PyBytes_Size(bytes);
    hot_replace(&self->source, bytes);
    return 0;
}

static int datagram__set_name(hot_datagram *self, const char *name, Py_ssize_t size)
{
    if (size > DATAGRAMS_NAME) {
        PyErr_SetString(PyExc_ValueError, "the name of no datagram socket");
        return -1;
    }
    memcpy(self->name, name, (size_t)size);
    self->name_size = (size_t)size;
    return 0;
}

/* Datagram(port, data, name); see DatagramConn.__init__. */
static int datagram__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_datagram *self = (hot_datagram *)object;
    PyObject *port, *data, *name;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!OS", hot_port_type, &port, &data, &name) ||
        datagram__set_name(self, PyBytes_AsString(name), PyBytes_Size(name)) < 0 || datagram__show(self, data) < 0)
        return -1;
    self->bytes_received = self->hi;
    hot_keep(&self->port, port);
    hot_keep(&self->outbox, self->port->outbox);
    return 0;
}

static const char *datagram__window(const hot_datagram *self)
{
    return (self->source ? PyBytes_AsString(self->source) : self->slot ? self->slot : "") + self->lo;
}

/* Makes an object of what is left to read, which is there for longer than the slot. */
static int datagram__lift(hot_datagram *self)
{
    PyObject *bytes;

    if (self->source != NULL)
        return 0;
    bytes = PyBytes_FromStringAndSize(datagram__window(self), self->hi - self->lo);
    if (bytes == NULL)
        return -1;
    self->source = bytes;
    self->slot = NULL;
    self->hi -= self->lo;
    self->lo = 0;
    return 0;
}

/* A view of the first bytes that are left. */
static PyObject *datagram__view(hot_datagram *self, Py_ssize_t n)
{
    PyObject *whole, *begin, *end, *slice = NULL, *view = NULL;

    if (datagram__lift(self) < 0)
        return NULL;
    whole = PyMemoryView_FromObject(self->source);
    if (whole == NULL || n == PyBytes_Size(self->source))
        return whole;
    begin = PyLong_FromSsize_t(self->lo);
    end = begin ? PyLong_FromSsize_t(self->lo + n) : NULL;
    slice = end ? PySlice_New(begin, end, NULL) : NULL;
    view = slice ? PyObject_GetItem(whole, slice) : NULL;
    Py_XDECREF(begin);
    Py_XDECREF(end);
    Py_XDECREF(slice);
    Py_DECREF(whole);
    return view;
}

static PyObject *datagram__data(PyObject *object, void *ignored)
{
    hot_datagram *self = (hot_datagram *)object;

    (void)ignored;
    if (datagram__lift(self) < 0)
        return NULL;
    if (self->hi - self->lo < PyBytes_Size(self->source))
        return datagram__view(self, self->hi - self->lo);
    Py_INCREF(self->source);
    return self->source;
}

static int datagram__set_data(PyObject *object, PyObject *value, void *ignored)
{
    (void)ignored;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the data of a datagram cannot be deleted");
        return -1;
    }
    return datagram__show((hot_datagram *)object, value);
}

static PyObject *datagram__buffered(PyObject *object, void *ignored)
{
    const hot_datagram *self = (const hot_datagram *)object;

    (void)ignored;
    return PyLong_FromSsize_t(self->hi - self->lo);
}

static PyObject *datagram__name(PyObject *object, void *ignored)
{
    const hot_datagram *self = (const hot_datagram *)object;

    (void)ignored;
    return PyBytes_FromStringAndSize((const char *)self->name, (Py_ssize_t)self->name_size);
}

static PyObject *datagram__outbox(PyObject *object, void *ignored)
{
    PyObject *outbox = (PyObject *)((hot_datagram *)object)->outbox;

    (void)ignored;
    outbox = outbox ? outbox : Py_None;
    Py_INCREF(outbox);
    return outbox;
}

static int datagram__set_outbox(PyObject *object, PyObject *value, void *ignored)
{
    (void)ignored;
    if (value != NULL && value != Py_None && !PyObject_TypeCheck(value, hot_postbox_type)) {
        PyErr_SetString(PyExc_TypeError, "an outbox of another kind");
        return -1;
    }
    hot_keep(&((hot_datagram *)object)->outbox, value == Py_None ? NULL : value);
    return 0;
}

static PyObject *datagram__read(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_datagram *self = (hot_datagram *)object;
    Py_ssize_t n;
    PyObject *data;

    if (reading__size(args, nargs, kwnames, self->hi - self->lo, &n) < 0)
        return reading__ask(object, hot_name__python_read, args, nargs, kwnames);
    if (self->source != NULL && n == PyBytes_Size(self->source)) {
        data = self->source;
        self->source = NULL;
        self->lo = self->hi = 0;
        return data;
    }
    data = PyBytes_FromStringAndSize(datagram__window(self), n);
    if (data != NULL)
        self->lo += n;
    return data;
}

static PyObject *datagram__discard(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_datagram *self = (hot_datagram *)object;
    Py_ssize_t n;

    if (reading__size(args, nargs, kwnames, self->hi - self->lo, &n) < 0)
        return reading__ask(object, hot_name__python_discard, args, nargs, kwnames);
    self->lo += n;
    return PyLong_FromSsize_t(n);
}

/* peek and next: what is more than there is, is an error, which the twin raises. */
static PyObject *datagram__look(hot_datagram *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                Py_ssize_t *n)
{
    Py_ssize_t here = self->hi - self->lo;
    PyObject *view;

    *n = here;
    if (nargs == 1 && PyLong_CheckExact(args[0])) {
        *n = PyLong_AsSsize_t(args[0]);
        if (*n == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            return NULL;
        }
        *n = *n < 0 ? here : *n;
    } else if (nargs != 0) {
        return NULL;
    }
    if (kwnames != NULL || *n > here || self->port == NULL || self->port->inbox == NULL ||
        self->port->inbox->views == NULL)
        return NULL;
    view = datagram__view(self, *n);
    if (view != NULL && PyList_Append(self->port->inbox->views, view) < 0)
        Py_CLEAR(view);
    return view;
}

static PyObject *datagram__peek(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t n;
    PyObject *view = datagram__look((hot_datagram *)object, args, nargs, kwnames, &n);

    if (view == NULL && !PyErr_Occurred())
        return reading__ask(object, hot_name__python_peek, args, nargs, kwnames);
    return view;
}

static PyObject *datagram__next(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t n;
    PyObject *view = datagram__look((hot_datagram *)object, args, nargs, kwnames, &n);

    if (view == NULL && !PyErr_Occurred())
        return reading__ask(object, hot_name__python_next, args, nargs, kwnames);
    if (view != NULL)
        ((hot_datagram *)object)->lo += n;
    return view;
}

static PyObject *datagram__write(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_datagram *self = (hot_datagram *)object;
    hot_postbox *outbox = self->outbox;
    Py_ssize_t n;
    int status;

    if (nargs != 1 || kwnames != NULL || !PyBytes_CheckExact(args[0]) || outbox == NULL || !outbox->open)
        return reading__ask(object, hot_name__python_write, args, nargs, kwnames);
    n = PyBytes_Size(args[0]);
    Py_INCREF(outbox);
    status = postbox_add(outbox, object, args[0], PyBytes_AsString(args[0]), n, self->name, self->name_size);
    Py_DECREF(outbox);
    self->bytes_sent += status < 0 ? 0 : n;
    return status < 0 ? NULL : PyLong_FromSsize_t(n);
}

static int datagram__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_datagram *self = (hot_datagram *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->port);
    Py_VISIT(self->outbox);
    Py_VISIT(self->rare);
    return 0;
}

static int datagram__clear(PyObject *object)
{
    hot_datagram *self = (hot_datagram *)object;

    Py_CLEAR(self->outbox);
    Py_CLEAR(self->rare);
    return 0;
}

static void datagram__dealloc(PyObject *object)
{
    hot_datagram *self = (hot_datagram *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    datagram__clear(object);
    Py_CLEAR(self->source);
    Py_CLEAR(self->port);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef datagram__methods[] = {
    STREAM_METHOD("read", datagram__read),
    STREAM_METHOD("peek", datagram__peek),
    STREAM_METHOD("next", datagram__next),
    STREAM_METHOD("discard", datagram__discard),
    STREAM_METHOD("write", datagram__write),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef datagram__properties[] = {
    {"data", datagram__data, datagram__set_data, NULL, NULL},
    {"inbound_buffered", datagram__buffered, NULL, NULL, NULL},
    {"_name", datagram__name, NULL, NULL, NULL},
    {"_outbox", datagram__outbox, datagram__set_outbox, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot datagram__slots[] = {
    {Py_tp_doc, (void *)"The base of HotDatagramConn."},
    {Py_tp_init, (void *)datagram__init},
    {Py_tp_members, datagram__members},
    {Py_tp_methods, datagram__methods},
    {Py_tp_getset, datagram__properties},
    {Py_tp_traverse, (void *)datagram__traverse},
    {Py_tp_clear, (void *)datagram__clear},
    {Py_tp_dealloc, (void *)datagram__dealloc},
    {0, NULL},
};

static PyType_Spec datagram__spec = {
    .name = "netcore._native._hot.Datagram",
    .basicsize = sizeof(hot_datagram),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = datagram__slots,
};
