/* What has been written to a server's socket: the hot half of connection/datagram/outbox.py.
 *
 * Mail that leaves is taken out first, as the batch of an outbox of streams is. */

#include "mail.c"

PyTypeObject *hot_postbox_type;

enum { POSTBOX_OVERHEAD = 64 }; /* what a datagram costs beside its bytes; see pledges.py */

static PyMemberDef postbox__members[] = {
    {"_host", T_OBJECT_EX, offsetof(hot_postbox, host), READONLY, NULL},
    {"_backlog", T_OBJECT_EX, offsetof(hot_postbox, backlog), READONLY, NULL},
    {"_fd", T_PYSSIZET, offsetof(hot_postbox, fd), READONLY, NULL},
    {"cost", T_PYSSIZET, offsetof(hot_postbox, cost), READONLY, NULL},
    {"limit", T_PYSSIZET, offsetof(hot_postbox, limit), 0, NULL},
    {"open", T_BOOL, offsetof(hot_postbox, open), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* DatagramOutbox(host, counts, backlog, fd, send): the address of nc_send_datagrams. */
static int postbox__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_postbox *self = (hot_postbox *)object;
    PyObject *host, *counts, *backlog, *send;
    Py_ssize_t fd;
    void *pointer;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OO!OnO", &host, hot_counts_type, &counts, &backlog, &fd, &send))
        return -1;
    pointer = PyLong_AsVoidPtr(send);
    if (pointer == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "0 is the address of no function");
        return -1;
    }
    memcpy(&self->send, &pointer, sizeof pointer);
    hot_keep(&self->host, host);
    hot_keep(&self->counts, counts);
    hot_keep(&self->backlog, backlog);
    self->fd = fd;
    self->open = 1;
    return 0;
}

/* Calls a method for what it does. */
static int postbox__call(PyObject *object, PyObject *name, PyObject *first, PyObject *second)
{
    PyObject *done = PyObject_CallMethodObjArgs(object, name, first, second, NULL);

    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Notes a datagram down; see DatagramOutbox.add. */
static int postbox_add(hot_postbox *self, PyObject *sender, PyObject *owner, const char *data, Py_ssize_t n,
                       const unsigned char *name, size_t name_size)
{
    if (self->filling.count == 0 &&
        postbox__call(self->host, hot_name_settle_later, (PyObject *)self, NULL) < 0)
        return -1;
    if (mail__add(&self->filling, sender, owner, data, (size_t)n, name, name_size) < 0)
        return -1;
    self->cost += n + POSTBOX_OVERHEAD;
    return self->cost < self->limit ? 0 : postbox__call((PyObject *)self, hot_name_flush_early, NULL, NULL);
}

static PyObject *postbox__add(PyObject *object, PyObject *args)
{
    PyObject *chunk, *name, *sender;

    if (!PyArg_ParseTuple(args, "SSO", &chunk, &name, &sender) ||
        postbox_add((hot_postbox *)object, sender == Py_None ? NULL : sender, chunk, PyBytes_AsString(chunk),
                    PyBytes_Size(chunk), (const unsigned char *)PyBytes_AsString(name), (size_t)PyBytes_Size(name)) < 0)
        return NULL;
    return hot_none();
}

/* Has Python look at what was refused, and what failed. */
static int postbox__judge(hot_postbox *self, const hot_mail *mail)
{
    PyObject *list = mail__list(mail);
    PyObject *failures = list ? mail__list_failures(mail) : NULL;
    int status = failures ? postbox__call((PyObject *)self, hot_name__take_back, list, failures) : -1;

    Py_XDECREF(list);
    Py_XDECREF(failures);
    return status;
}

static int postbox__queue(hot_postbox *self, const hot_mail *mail)
{
    PyObject *list = mail__list(mail);
    int status = list ? postbox__call((PyObject *)self, hot_name__queue, list, NULL) : -1;

    Py_XDECREF(list);
    return status;
}

static int postbox__offer(hot_postbox *self, hot_mail *mail, Py_ssize_t size)
{
    int troubled;
    nc_socket fd = self->fd;

    if (!self->open) /* written by a thread that must not: the descriptor may be another's by now */
        return 0;
    self->counts->datagrams_sent += mail->count;
    self->counts->bytes_sent += size;
    Py_BEGIN_ALLOW_THREADS
    troubled = self->send(fd, (int)mail->count, mail->lengths, mail->joined, mail->pointers, mail->names, mail->unsent);
    Py_END_ALLOW_THREADS
    return troubled ? postbox__judge(self, mail) : 0;
}

static PyObject *postbox__flush(PyObject *object, PyObject *ignored)
{
    hot_postbox *self = (hot_postbox *)object;
    hot_mail mail = self->filling;
    Py_ssize_t size = self->cost - POSTBOX_OVERHEAD * mail.count;
    Py_ssize_t waiting;
    int status;

    (void)ignored;
    if (mail.count == 0)
        return hot_none();
    waiting = PyObject_Size(self->backlog);
    if (waiting < 0)
        return NULL;
    self->filling = self->spare;
    memset(&self->spare, 0, sizeof self->spare);
    self->cost = 0;
    status = waiting ? postbox__queue(self, &mail) : postbox__offer(self, &mail, size);
    if (status < 0) { /* what lets go of the mail may run anything, which is not to find an error set */
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        mail__empty(&mail);
        PyErr_Restore(type, error, trace);
    } else {
        mail__empty(&mail);
    }
    if (self->spare.room == 0)
        self->spare = mail;
    else
        mail__free(&mail);
    if (status < 0)
        return NULL;
    return hot_none();
}

/* Forgets what has been written. */
static PyObject *postbox__clear_mail(PyObject *object, PyObject *ignored)
{
    hot_postbox *self = (hot_postbox *)object;
    hot_mail mail = self->filling;

    (void)ignored;
    memset(&self->filling, 0, sizeof self->filling);
    self->cost = 0;
    mail__empty(&mail);
    mail__free(&mail);
    return hot_none();
}

static Py_ssize_t postbox__length(PyObject *object)
{
    return ((hot_postbox *)object)->filling.count;
}

static int postbox__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_postbox *self = (hot_postbox *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->host);
    Py_VISIT(self->backlog);
    for (Py_ssize_t i = 0; i < self->filling.count; i++) {
        Py_VISIT(self->filling.senders[i]);
        Py_VISIT(self->filling.owners[i]);
    }
    return 0;
}

static int postbox__clear(PyObject *object)
{
    hot_postbox *self = (hot_postbox *)object;
    PyObject *done = postbox__clear_mail(object, NULL);

    Py_XDECREF(done);
    Py_CLEAR(self->host);
    return 0;
}

static void postbox__dealloc(PyObject *object)
{
    hot_postbox *self = (hot_postbox *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    postbox__clear(object);
    mail__free(&self->spare);
    Py_CLEAR(self->backlog);
    Py_CLEAR(self->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef postbox__methods[] = {
    {"add", postbox__add, METH_VARARGS, "Notes a datagram down; see DatagramOutbox.add."},
    {"flush", postbox__flush, METH_NOARGS, "Sends what has been written; see DatagramOutbox.flush."},
    {"clear", postbox__clear_mail, METH_NOARGS, "Forgets what has been written."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot postbox__slots[] = {
    {Py_tp_doc, (void *)"The base of HotDatagramOutbox."},
    {Py_tp_init, (void *)postbox__init},
    {Py_tp_members, postbox__members},
    {Py_tp_methods, postbox__methods},
    {Py_tp_traverse, (void *)postbox__traverse},
    {Py_tp_clear, (void *)postbox__clear},
    {Py_tp_dealloc, (void *)postbox__dealloc},
    {Py_mp_length, (void *)postbox__length},
    {0, NULL},
};

static PyType_Spec postbox__spec = {
    .name = "netcore._native._hot.DatagramOutbox",
    .basicsize = sizeof(hot_postbox),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = postbox__slots,
};
