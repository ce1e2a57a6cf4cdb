/* A server's datagram socket: the hot half of connection/datagram/port.py. A batch is received, and handed over, in one
 * call. */

#include "datagrams.h"

PyTypeObject *hot_port_type;

/* Port(host, handler, react, failed, outbox, conn_class, receive, longest): the address of nc_receive_datagrams, and the
 * bytes of a datagram that are received at most. */
static int port__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_port *self = (hot_port *)object;
    PyObject *host, *handler, *react, *failed, *outbox, *conn_class, *receive, *inbox;
    Py_ssize_t longest;
    void *pointer;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOOOO!O!On", &host, &handler, &react, &failed, hot_postbox_type, &outbox, &PyType_Type,
                          &conn_class, &receive, &longest))
        return -1;
    pointer = PyLong_AsVoidPtr(receive);
    if (pointer == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "0 is the address of no function");
        return -1;
    }
    if (!PyType_IsSubtype((PyTypeObject *)conn_class, hot_datagram_type)) {
        PyErr_SetString(PyExc_TypeError, "connections of another kind");
        return -1;
    }
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox == NULL)
        return -1;
    memcpy(&self->receive, &pointer, sizeof pointer);
    hot_replace(&self->inbox, inbox);
    hot_keep(&self->host, host);
    hot_keep(&self->handler, handler);
    hot_keep(&self->react, react);
    hot_keep(&self->failed, failed);
    hot_keep(&self->outbox, outbox);
    hot_keep(&self->counts, self->outbox->counts);
    hot_keep(&self->conn_class, conn_class);
    self->fd = self->outbox->fd;
    self->longest = (size_t)longest;
    return 0;
}

static void port__charge(hot_port *self)
{
    PyObject *error = hot_fetch();
    PyObject *done = error ? PyObject_CallMethodObjArgs(self->host, hot_name_charge, Py_None, error, NULL) : NULL;

    if (done == NULL)
        PyErr_WriteUnraisable(self->host);
    Py_XDECREF(done);
    Py_XDECREF(error);
}

/* Charges nobody for what has failed; takes over the result. */
static void port__check(hot_port *self, PyObject *done)
{
    if (done == NULL)
        port__charge(self);
    Py_XDECREF(done);
}

/* Gets the connection for one datagram, which is the one of an earlier datagram if nobody has kept that. */
static hot_datagram *port__conn(hot_port *self, const unsigned char *name, size_t name_size, const char *slot,
                                Py_ssize_t size)
{
    hot_datagram *conn = self->spare;

    self->spare = NULL;
    if (conn == NULL) {
        conn = (hot_datagram *)((allocfunc)PyType_GetSlot(self->conn_class, Py_tp_alloc))(self->conn_class, 0);
        if (conn == NULL)
            return NULL;
        hot_keep(&conn->port, self);
        hot_keep(&conn->outbox, self->outbox);
    }
    memcpy(conn->name, name, name_size);
    conn->name_size = name_size;
    conn->slot = slot;
    conn->lo = 0;
    conn->hi = conn->bytes_received = size;
    conn->bytes_sent = 0;
    return conn;
}

/* Lets go of a connection after its callback. The next datagram gets it if there is no other reference than that of the
 * one answer it has just written, which can do without: if it fails, nobody could tell a new connection from it. Of
 * several answers that fail the second finds it as the first has left it. */
static void port__let_go(hot_port *self, hot_datagram *conn)
{
    hot_mail *mail = &self->outbox->filling;

    if (conn->rare == NULL && conn->weakrefs == NULL && conn->outbox != NULL && self->spare == NULL) {
        int answered = mail__is_last_of(mail, conn);
        if (Py_REFCNT(conn) == 1 + answered) {
            if (answered)
                Py_CLEAR(mail->senders[mail->count - 1]);
            self->spare = conn;
            return;
        }
    }
    Py_DECREF(conn);
}

static void port__deliver(hot_port *self, PyObject *on_traffic, hot_datagram *conn)
{
    PyObject *action = PyObject_CallFunctionObjArgs(on_traffic, conn, NULL);

    if (action == NULL) {
        PyObject *error = hot_fetch();
        port__check(self, PyObject_CallFunctionObjArgs(self->failed, self->host, conn, error, NULL));
        Py_XDECREF(error);
    } else {
        hot_called(self->counts);
    }
    datagram_forget(conn);
    if (hot_has_views(self->inbox))
        port__check(self, PyObject_CallMethodObjArgs((PyObject *)self->inbox, hot_name_release_views, NULL));
    if (action != NULL && action != Py_None)
        port__check(self, PyObject_CallFunctionObjArgs(self->react, self->host, conn, on_traffic, action, NULL));
    Py_XDECREF(action);
}

/* Tells of a datagram that was too long. */
static void port__tell_lost(hot_port *self, const unsigned char *name, size_t name_size)
{
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)name, (Py_ssize_t)name_size);

    port__check(self, bytes ? PyObject_CallMethodObjArgs((PyObject *)self, hot_name_lost, bytes, NULL) : NULL);
    Py_XDECREF(bytes);
}

static void port__deliver_all(hot_port *self, PyObject *on_traffic, int count, size_t name_size)
{
    const unsigned char *name = self->names;

    hot_look(self->counts);
    for (int i = 0; i < count; i++, name += name_size) {
        Py_ssize_t size = self->lengths[i];
        const char *slot = self->slots + (size_t)i * NC_DATAGRAM_SLOT;
        hot_datagram *conn;
        if (size < 0) {
            port__tell_lost(self, name, name_size);
            continue;
        }
        if (size > NC_DATAGRAM_SLOT)
            slot = self->slots + DATAGRAMS_BATCH * NC_DATAGRAM_SLOT + (size_t)i * self->longest;
        conn = port__conn(self, name, name_size, slot, size);
        if (conn == NULL) {
            port__charge(self);
            continue;
        }
        port__deliver(self, on_traffic, conn);
        port__let_go(self, conn);
    }
}

/* Gets the memory to receive into, which nobody needs before the first datagram. */
static int port__place(hot_port *self)
{
    PyObject *address = PyObject_CallMethodObjArgs((PyObject *)self, hot_name__slots, NULL);

    if (address != NULL)
        self->slots = PyLong_AsVoidPtr(address);
    Py_XDECREF(address);
    return self->slots == NULL ? -1 : 0;
}

/* take_batch(limit): receives up to so many datagrams, and calls the handler for each.
 *
 * Returns how many there were, their bytes, and the negative errno that has ended the batch, or 0. */
static PyObject *port__take_batch(PyObject *object, PyObject *number)
{
    hot_port *self = (hot_port *)object;
    long limit = PyLong_AsLong(number);
    PyObject *on_traffic;
    int name_size, error, count;
    long long size = 0;

    if (limit == -1 && PyErr_Occurred())
        return NULL;
    if (self->counts == NULL || self->host == NULL) {
        hot_unready(self);
        return NULL;
    }
    if (self->delivering) {
        PyErr_SetString(PyExc_RuntimeError, "a batch within a batch");
        return NULL;
    }
    if (self->slots == NULL && port__place(self) < 0)
        return NULL;
    on_traffic = PyObject_GetAttr(self->handler, hot_name_on_traffic);
    if (on_traffic == NULL)
        return NULL;
    limit = limit < DATAGRAMS_BATCH ? limit : DATAGRAMS_BATCH;
    self->delivering = 1;
    Py_BEGIN_ALLOW_THREADS
    count = self->receive(self->fd, DATAGRAMS_BATCH, (int)limit, self->slots, self->longest, self->lengths, self->names,
                          &name_size, &error);
    Py_END_ALLOW_THREADS
    for (int i = 0; i < count; i++)
        size += self->lengths[i] > 0 ? self->lengths[i] : 0;
    self->counts->datagrams_received += count;
    self->counts->bytes_received += size;
    port__deliver_all(self, on_traffic, count, (size_t)name_size);
    self->delivering = 0;
    Py_DECREF(on_traffic);
    return Py_BuildValue("(iLi)", count, size, error);
}

static int port__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_port *self = (hot_port *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->host);
    Py_VISIT(self->handler);
    Py_VISIT(self->react);
    Py_VISIT(self->failed);
    Py_VISIT(self->conn_class);
    Py_VISIT(self->inbox);
    Py_VISIT(self->outbox);
    Py_VISIT(self->spare);
    return 0;
}

/* Breaks circles. What is left is what connections that are called later still look at. */
static int port__clear(PyObject *object)
{
    hot_port *self = (hot_port *)object;

    Py_CLEAR(self->spare);
    Py_CLEAR(self->host);
    Py_CLEAR(self->handler);
    Py_CLEAR(self->react);
    Py_CLEAR(self->failed);
    return 0;
}

static void port__dealloc(PyObject *object)
{
    hot_port *self = (hot_port *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    port__clear(object);
    Py_CLEAR(self->conn_class);
    Py_CLEAR(self->inbox);
    Py_CLEAR(self->outbox);
    Py_CLEAR(self->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef port__methods[] = {
    {"take_batch", port__take_batch, METH_O, "Receives datagrams, and calls the handler for each."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot port__slots[] = {
    {Py_tp_doc, (void *)"The base of HotDatagramPort."},
    {Py_tp_init, (void *)port__init},
    {Py_tp_methods, port__methods},
    {Py_tp_traverse, (void *)port__traverse},
    {Py_tp_clear, (void *)port__clear},
    {Py_tp_dealloc, (void *)port__dealloc},
    {0, NULL},
};

static PyType_Spec port__spec = {
    .name = "netcore._native._hot.Port",
    .basicsize = sizeof(hot_port),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = port__slots,
};
