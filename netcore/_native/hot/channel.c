/* The hot half of a transport of asyncio's: the twin of aio/batch.py's Channel. */

#include "exchange.h"

PyTypeObject *hot_channel_type;

static int exchange_flush(hot_exchange *self);

static PyMemberDef channel__members[] = {
    {"batch", T_OBJECT_EX, offsetof(hot_channel, batch), READONLY, NULL},
    {"owner", T_OBJECT_EX, offsetof(hot_channel, owner), READONLY, NULL},
    {"sock", T_OBJECT_EX, offsetof(hot_channel, sock), READONLY, NULL},
    {"fd", T_PYSSIZET, offsetof(hot_channel, fd), READONLY, NULL},
    {"receive", T_OBJECT, offsetof(hot_channel, receive), 0, NULL},
    {"waiting", T_PYSSIZET, offsetof(hot_channel, waiting), READONLY, NULL},
    {"usual", T_BOOL, offsetof(hot_channel, usual), 0, NULL},
    {"watched", T_BOOL, offsetof(hot_channel, watched), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Channel(batch, owner, sock) */
static int channel__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_channel *self = (hot_channel *)object;
    PyObject *batch, *owner, *sock, *number;
    Py_ssize_t fd;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!OO", hot_exchange_type, &batch, &owner, &sock))
        return -1;
    number = PyObject_CallMethod(sock, "fileno", NULL);
    if (number == NULL)
        return -1;
    fd = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    if (fd < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the socket is closed");
        return -1;
    }
    hot_keep(&self->batch, batch);
    hot_keep(&self->owner, owner);
    hot_keep(&self->sock, sock);
    self->fd = (nc_socket)fd;
    self->usual = 1;
    return 0;
}

/* Has the transport do what is not usual. */
static PyObject *channel__leave(hot_channel *self, PyObject *data)
{
    PyObject *done;

    if (self->owner == NULL) {
        hot_unready(self);
        return NULL;
    }
    done = PyObject_CallMethodObjArgs(self->owner, hot_name_write_slowly, data, NULL);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    return hot_none();
}

static int exchange_send_now(hot_exchange *self, hot_channel *channel, PyObject *chunk);

/* write(data): see Channel.write. */
static PyObject *channel__write(PyObject *object, PyObject *data)
{
    hot_channel *self = (hot_channel *)object;
    hot_exchange *batch = self->batch;
    Py_ssize_t n;

    if (!self->usual || !PyBytes_CheckExact(data) || batch == NULL || batch->thread != PyThread_get_thread_ident())
        return channel__leave(self, data);
    n = PyBytes_Size(data);
    if (n >= EXCHANGE_LARGE) {
        if (exchange_flush(batch) < 0) /* which has others tried first, and this channel */
            return NULL;
        if (!self->usual)
            return channel__leave(self, data);
        if (exchange_send_now(batch, self, data) < 0)
            return NULL;
    } else if (n > 0) {
        if (batch__add(&batch->filling, object, data, PyBytes_AsString(data), (size_t)n) < 0)
            return NULL;
        self->waiting += n;
        if (self->waiting >= EXCHANGE_LARGE && exchange_flush(batch) < 0)
            return NULL;
    }
    return hot_none();
}

/* flush(): see Channel.flush. */
static PyObject *channel__flush(PyObject *object, PyObject *ignored)
{
    hot_channel *self = (hot_channel *)object;

    (void)ignored;
    if (self->waiting > 0 && self->batch != NULL && exchange_flush(self->batch) < 0)
        return NULL;
    return hot_none();
}

static PyObject *channel__handle(PyObject *object, void *ignored)
{
    PyObject *handle = ((hot_channel *)object)->handle;

    (void)ignored;
    handle = handle ? handle : Py_None;
    Py_INCREF(handle);
    return handle;
}

static int channel__set_handle(PyObject *object, PyObject *handle, void *ignored)
{
    hot_channel *self = (hot_channel *)object;
    PyObject *context = NULL;
    PyObject *run = NULL;

    (void)ignored;
    if (handle != NULL && handle != Py_None) {
        if (handle == self->handle)
            return 0;
        context = PyObject_GetAttr(handle, hot_name__context);
        run = context ? PyObject_GetAttr(context, hot_name_run) : NULL;
        Py_XDECREF(context);
        if (run == NULL)
            return -1;
    }
    hot_keep(&self->handle, handle);
    hot_replace(&self->run, run);
    return 0;
}

static int channel__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_channel *self = (hot_channel *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->batch);
    Py_VISIT(self->owner);
    Py_VISIT(self->sock);
    Py_VISIT(self->receive);
    Py_VISIT(self->handle);
    Py_VISIT(self->run);
    return 0;
}

static void exchange__unwatch(hot_exchange *self, hot_channel *channel);

static int channel__clear(PyObject *object)
{
    hot_channel *self = (hot_channel *)object;

    if (self->watched)
        exchange__unwatch(self->batch, self);
    self->usual = 0;
    Py_CLEAR(self->batch);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->sock);
    Py_CLEAR(self->receive);
    Py_CLEAR(self->handle);
    Py_CLEAR(self->run);
    return 0;
}

static void channel__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    channel__clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef channel__methods[] = {
    {"write", channel__write, METH_O, "Notes bytes down for the end of the iteration."},
    {"flush", channel__flush, METH_NOARGS, "Sends what was noted down."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef channel__properties[] = {
    {"handle", channel__handle, channel__set_handle, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot channel__slots[] = {
    {Py_tp_doc, (void *)"See Channel of netcore.aio."},
    {Py_tp_init, (void *)channel__init},
    {Py_tp_members, channel__members},
    {Py_tp_methods, channel__methods},
    {Py_tp_getset, channel__properties},
    {Py_tp_traverse, (void *)channel__traverse},
    {Py_tp_clear, (void *)channel__clear},
    {Py_tp_dealloc, (void *)channel__dealloc},
    {0, NULL},
};

static PyType_Spec channel__spec = {
    .name = "netcore._native._hot.Channel",
    .basicsize = sizeof(hot_channel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = channel__slots,
};
