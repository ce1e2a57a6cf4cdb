/* The fields of a stream connection, and those of its methods that a message needs.
 *
 * This is at the bottom of the connection's classes, since of several bases only one may have fields. */

#include "reading.c"
#include "writing.c"

PyTypeObject *hot_stream_type;

static PyMemberDef stream__members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(hot_stream, weakrefs), READONLY, NULL},
    {"_lo", T_PYSSIZET, offsetof(hot_stream, lo), 0, NULL},
    {"_hi", T_PYSSIZET, offsetof(hot_stream, hi), 0, NULL},
    {"id", T_OBJECT_EX, offsetof(hot_stream, id), 0, NULL},
    {"network", T_OBJECT_EX, offsetof(hot_stream, network), 0, NULL},
    {"context", T_OBJECT, offsetof(hot_stream, context), 0, NULL},
    {"_host", T_OBJECT_EX, offsetof(hot_stream, host), 0, NULL},
    {"_remote", T_OBJECT_EX, offsetof(hot_stream, remote), 0, NULL},
    {"_local", T_OBJECT, offsetof(hot_stream, local), 0, NULL},
    {"state", T_OBJECT_EX, offsetof(hot_stream, state), 0, NULL},
    {"ending", T_OBJECT, offsetof(hot_stream, ending), 0, NULL},
    {"deadlines", T_OBJECT, offsetof(hot_stream, deadlines), 0, NULL},
    {"_pledges", T_OBJECT, offsetof(hot_stream, pledges), 0, NULL},
    {"_reasons", T_OBJECT, offsetof(hot_stream, reasons), 0, NULL},
    {"_kept", T_OBJECT, offsetof(hot_stream, kept), 0, NULL},
    {"_backlog", T_OBJECT, offsetof(hot_stream, backlog), 0, NULL},
    {"_filtering", T_OBJECT, offsetof(hot_stream, filtering), 0, NULL},
    {"_front", T_OBJECT, offsetof(hot_stream, front), 0, NULL},
    {"fd", T_PYSSIZET, offsetof(hot_stream, fd), 0, NULL},
    {"wire", T_PYSSIZET, offsetof(hot_stream, wire), 0, NULL},
    {"interest", T_INT, offsetof(hot_stream, interest), 0, NULL},
    {"_flags", T_INT, offsetof(hot_stream, flags), 0, NULL},
    {"_posted", T_INT, offsetof(hot_stream, posted), 0, NULL},
    {"bytes_received", T_LONGLONG, offsetof(hot_stream, bytes_received), 0, NULL},
    {"bytes_sent", T_LONGLONG, offsetof(hot_stream, bytes_sent), 0, NULL},
    {"_opened", T_DOUBLE, offsetof(hot_stream, opened), 0, NULL},
    {"receiving", T_BOOL, offsetof(hot_stream, receiving), 0, NULL},
    {"_plain", T_BOOL, offsetof(hot_stream, plain), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *stream__take(PyObject *from, PyObject *name, PyTypeObject *type)
{
    PyObject *value = PyObject_GetAttr(from, name);

    if (value != NULL && !PyObject_TypeCheck(value, type)) {
        PyErr_Format(PyExc_TypeError, "%S of the host is not of the hot kind", name);
        Py_CLEAR(value);
    }
    return value;
}

/* Asks the loop for the time; less than none for an error that is set. */
static double stream__time(PyObject *host)
{
    PyObject *now = PyObject_CallMethodObjArgs(host, hot_name_clock, NULL);
    double seconds = now ? PyFloat_AsDouble(now) : -1.0;

    Py_XDECREF(now);
    return seconds;
}

/* Fills in what a new stream begins with. */
static int stream__begin(hot_stream *self, PyObject *host, hot_inbox *inbox, hot_outbox *outbox, Py_ssize_t fd,
                         PyObject *network, PyObject *remote, PyObject *local, double opened)
{
    PyObject *id = PyIter_Next(hot_ids);

    if (id == NULL)
        return -1;
    hot_replace(&self->id, id);
    hot_keep(&self->inbox, inbox);
    hot_keep(&self->straight, outbox);
    hot_keep(&self->host, host);
    hot_keep(&self->network, network);
    hot_keep(&self->remote, remote);
    hot_keep(&self->local, local);
    hot_keep(&self->state, hot_open);
    self->opened = opened;
    self->fd = self->wire = fd;
    self->interest = -1;
    self->receiving = self->plain = 1;
    return 0;
}

/* Stream(host, fd, network, remote, local); see StreamConnection.__init__. */
static int stream__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    PyObject *host, *network, *remote, *local, *inbox;
    PyObject *outbox = NULL;
    Py_ssize_t fd;
    int status = -1;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OnOOO", &host, &fd, &network, &remote, &local))
        return -1;
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox != NULL)
        outbox = stream__take(host, hot_name_outbox, hot_outbox_type);
    if (outbox != NULL) {
        double opened = stream__time(host);
        if (!PyErr_Occurred())
            status = stream__begin((hot_stream *)object, host, (hot_inbox *)inbox, (hot_outbox *)outbox, fd, network,
                                   remote, local, opened);
    }
    Py_XDECREF(inbox);
    Py_XDECREF(outbox);
    return status;
}

/* rebind(host): see MovableHalves.rebind. What it was part of, and had had, in the outbox of before says nothing here. */
static PyObject *stream__rebind(PyObject *object, PyObject *host)
{
    hot_stream *self = (hot_stream *)object;
    PyObject *inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    PyObject *outbox = inbox ? stream__take(host, hot_name_outbox, hot_outbox_type) : NULL;

    if (outbox == NULL) {
        Py_XDECREF(inbox);
        return NULL;
    }
    self->taken = 0;
    self->turn = ((hot_outbox *)outbox)->turn - 1;
    self->noted = ((hot_outbox *)outbox)->number - 1;
    if (!hot_is_none(self->straight))
        hot_keep(&self->straight, outbox);
    hot_replace(&self->inbox, inbox);
    Py_DECREF(outbox);
    return hot_none();
}

static PyObject *stream__straight(PyObject *object, void *ignored)
{
    PyObject *value = ((hot_stream *)object)->straight;

    (void)ignored;
    value = value ? value : Py_None;
    Py_INCREF(value);
    return value;
}

static int stream__set_straight(PyObject *object, PyObject *value, void *ignored)
{
    (void)ignored;
    if (value != NULL && value != Py_None && !PyObject_TypeCheck(value, hot_outbox_type)) {
        PyErr_SetString(PyExc_TypeError, "only an outbox of the hot kind is written to straight");
        return -1;
    }
    hot_keep(&((hot_stream *)object)->straight, value);
    return 0;
}

static PyObject *stream__source(PyObject *object, void *ignored)
{
    PyObject *value = ((hot_stream *)object)->source;

    (void)ignored;
    value = value ? value : Py_None;
    Py_INCREF(value);
    return value;
}

static int stream__set_source(PyObject *object, PyObject *value, void *ignored)
{
    (void)ignored;
    if (value == NULL || !PyBytes_CheckExact(value)) {
        PyErr_SetString(PyExc_TypeError, "a window is of bytes, or of the arena");
        return -1;
    }
    hot_keep(&((hot_stream *)object)->source, value);
    return 0;
}

static int stream__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_stream *self = (hot_stream *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->inbox);
    Py_VISIT(self->context);
    Py_VISIT(self->host);
    Py_VISIT(self->remote);
    Py_VISIT(self->local);
    Py_VISIT(self->state);
    Py_VISIT(self->ending);
    Py_VISIT(self->deadlines);
    Py_VISIT(self->pledges);
    Py_VISIT(self->reasons);
    Py_VISIT(self->kept);
    Py_VISIT(self->backlog);
    Py_VISIT(self->straight);
    Py_VISIT(self->filtering);
    Py_VISIT(self->front);
    return 0;
}

/* Breaks circles. The inbox stays: methods that are called later still look for bytes there. */
static int stream__clear(PyObject *object)
{
    hot_stream *self = (hot_stream *)object;

    Py_CLEAR(self->context);
    Py_CLEAR(self->host);
    Py_CLEAR(self->ending);
    Py_CLEAR(self->deadlines);
    Py_CLEAR(self->pledges);
    Py_CLEAR(self->reasons);
    Py_CLEAR(self->backlog);
    Py_CLEAR(self->straight);
    Py_CLEAR(self->filtering);
    Py_CLEAR(self->front);
    return 0;
}

static void stream__dealloc(PyObject *object)
{
    hot_stream *self = (hot_stream *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    stream__clear(object);
    Py_CLEAR(self->kept);
    Py_CLEAR(self->source);
    Py_CLEAR(self->state);
    Py_CLEAR(self->remote);
    Py_CLEAR(self->local);
    Py_CLEAR(self->network);
    Py_CLEAR(self->id);
    Py_CLEAR(self->inbox);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

#define STREAM_METHOD(name, function)                                                                      \
    {name, (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS, NULL}

static PyMethodDef stream__methods[] = {
    STREAM_METHOD("read", reading__read),
    STREAM_METHOD("peek", reading__peek),
    STREAM_METHOD("next", reading__next),
    STREAM_METHOD("discard", reading__discard),
    STREAM_METHOD("write", writing__write),
    STREAM_METHOD("writev", writing__writev),
    {"rebind", stream__rebind, METH_O, "Reads from the inbox, and writes to the outbox, of another loop."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef stream__properties[] = {
    {"_source", stream__source, stream__set_source, NULL, NULL},
    {"_straight", stream__straight, stream__set_straight, NULL, NULL},
    {"inbound_buffered", reading__buffered, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot stream__slots[] = {
    {Py_tp_doc, (void *)"The base of HotStreamConnection."},
    {Py_tp_init, (void *)stream__init},
    {Py_tp_members, stream__members},
    {Py_tp_methods, stream__methods},
    {Py_tp_getset, stream__properties},
    {Py_tp_traverse, (void *)stream__traverse},
    {Py_tp_clear, (void *)stream__clear},
    {Py_tp_dealloc, (void *)stream__dealloc},
    {0, NULL},
};

static PyType_Spec stream__spec = {
    .name = "netcore._native._hot.Stream",
    .basicsize = sizeof(hot_stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = stream__slots,
};
