/* How streams come and go: the hot half of eventloop/connections.py and departures.py.
 *
 * Arriving is one call from the descriptor to `on_open`. Leaving is one call for the commonest end: the peer has ended,
 * `on_eof` has answered with CLOSE, and nothing is owed. Then three rounds through the table of states, and the end of
 * the turn, have nothing to add. Any other end goes the way of all. */

#include "hot.h"

typedef int (*hot_control)(nc_poller *, int, nc_socket, int);
typedef void (*hot_close)(int, const nc_socket *);

typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *poller_object;
    PyObject *descriptors;
    PyObject *by_id;
    PyObject *arriving;
    PyObject *closed;
    PyObject *type;
    PyObject *react;
    PyObject *failed;
    PyObject *open; /* states */
    PyObject *peer_closed;
    PyObject *gone;
    PyObject *close;  /* the action */
    PyObject *reason; /* of such an end, */
    PyObject *over;   /* and what it leaves in `ending` */
    hot_table *table;
    hot_inbox *inbox;
    hot_outbox *outbox;
    hot_counts *counts;
    nc_poller *poller;
    hot_control control; /* NULL where Python keeps a table of its own; then it is asked */
    hot_close end;       /* likewise */
    int interest;
    char gated; /* places are given back */
} hot_passage;

PyTypeObject *hot_passage_type;

static void passage__charge(hot_passage *self, hot_stream *payer)
{
    hot_charge(self->host, (PyObject *)payer);
}

/* Calls a callback of the handler, whose second argument may be NULL; see callbacks.run. Returns the action, a new
 * reference, or NULL if there is none. */
static PyObject *passage__run(hot_passage *self, hot_stream *stream, PyObject *callback, PyObject *argument)
{
    PyObject *action = callback ? PyObject_CallFunctionObjArgs(callback, stream, argument, NULL) : NULL;
    PyObject *done;

    if (action == NULL) {
        PyObject *error = hot_fetch();
        done = PyObject_CallFunctionObjArgs(self->failed, self->host, stream, error, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
        Py_XDECREF(error);
    }
    if (hot_has_views(self->inbox)) {
        done = PyObject_CallMethodObjArgs((PyObject *)self->inbox, hot_name_release_views, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
    }
    return action;
}

static void passage__react(hot_passage *self, hot_stream *stream, PyObject *callback, PyObject *action)
{
    if (action != NULL && action != Py_None) {
        PyObject *done = PyObject_CallFunctionObjArgs(self->react, self->host, stream, callback, action, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
    }
}

/* Arriving. */

static int passage__watch(hot_passage *self, nc_socket fd, int operation)
{
    PyObject *done;

    if (self->control != NULL) {
        int result = self->control(self->poller, operation, fd, self->interest);
        if (result < 0) {
            errno = -result;
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return result < 0 ? -1 : 0;
    }
    if (operation == NC_ADD)
        done = PyObject_CallMethod(self->poller_object, "register", "ni", (Py_ssize_t)fd, self->interest);
    else
        done = PyObject_CallMethod(self->poller_object, "unregister", "n", (Py_ssize_t)fd);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* open(fd, network, remote, local): makes a stream of a descriptor and opens it; see Connections.establish. Nothing has
 * happened if this raises. */
static PyObject *passage__open(PyObject *object, PyObject *args)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *network, *remote, *local, *made, *callback, *action;
    hot_stream *stream;
    Py_ssize_t fd;

    if (!PyArg_ParseTuple(args, "nOOO", &fd, &network, &remote, &local))
        return NULL;
    if (self->counts == NULL || self->host == NULL) {
        hot_unready(self);
        return NULL;
    }
    made = PyObject_CallFunction(self->type, "OnOOO", self->host, fd, network, remote, local);
    if (made == NULL)
        return NULL;
    stream = (hot_stream *)made;
    if (passage__watch(self, fd, NC_ADD) < 0)
        goto failed;
    /* From one table to the other, the second last, so that nobody sees it neither here nor there; and with nothing in
     * between that may let another thread run, which would count it twice. */
    if (table__put(self->table, fd, stream) < 0 || PyDict_SetItem(self->by_id, stream->id, made) < 0) {
        PyObject *error = hot_fetch();
        if (table_at(self->table, fd) == stream && table__put(self->table, fd, NULL) < 0)
            PyErr_Clear();
        if (passage__watch(self, fd, NC_REMOVE) < 0)
            PyErr_Clear();
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        goto failed;
    }
    if (PyDict_Size(self->arriving) > 0) {
        PyObject *removed = PyObject_CallMethod(self->arriving, "pop", "nO", fd, Py_None);
        if (removed == NULL)
            PyErr_Clear();
        Py_XDECREF(removed);
    }
    stream->interest = self->interest;
    callback = PyObject_GetAttr(self->handler, hot_name_on_open);
    action = passage__run(self, stream, callback, NULL);
    passage__react(self, stream, callback, action);
    Py_XDECREF(callback);
    Py_XDECREF(action);
    return made;
failed:
    Py_DECREF(made);
    return NULL;
}

/* Leaving. */

/* Whether nothing has been asked of a stream, or has happened to it, that its end would have to heed. */
static int passage__is_plain(const hot_passage *self, const hot_stream *stream)
{
    return stream->id != NULL && hot_is_none(stream->ending) && hot_is_none(stream->filtering) && hot_is_none(stream->backlog) &&
           hot_is_none(stream->kept) && hot_is_none(stream->deadlines) && hot_is_none(stream->pledges) &&
           stream->posted == 0 && stream->flags == 0 &&
           (stream->noted != self->outbox->number || self->outbox->filling.count == 0);
}

static void passage__close_descriptor(hot_passage *self, hot_stream *stream)
{
    PyObject *lock = PyObject_GetAttr(self->host, hot_name_descriptor_lock);
    PyObject *done = lock ? PyObject_CallMethodObjArgs(lock, hot_name_acquire, NULL) : NULL;
    nc_socket fd = stream->fd;
    int locked = done != NULL;

    if (!locked)
        passage__charge(self, NULL);
    Py_XDECREF(done);
    if (hot_is_none(stream->local)) {
        done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_remember_local_address, NULL);
        if (done == NULL)
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
        done = PyObject_CallMethodObjArgs(lock, hot_name_release, NULL);
        if (done == NULL)
            passage__charge(self, NULL);
        Py_XDECREF(done);
    }
    Py_XDECREF(lock);
}

static void passage__count_end(hot_passage *self)
{
    PyObject *before = PyDict_GetItemWithError(self->closed, self->reason);
    PyObject *now = before ? PyLong_FromLongLong(PyLong_AsLongLong(before) + 1) : NULL;

    if (now == NULL || PyDict_SetItem(self->closed, self->reason, now) < 0)
        passage__charge(self, NULL);
    Py_XDECREF(now);
}

/* Closes a stream, whose life is over, and tells the handler; see Departures. */
static void passage__leave(hot_passage *self, hot_stream *stream)
{
    PyObject *callback, *action;

    stream->receiving = stream->plain = 0;
    stream->wire = stream->interest = -1;
    hot_keep(&stream->state, self->gone);
    hot_keep(&stream->ending, self->over);
    hot_keep(&stream->straight, NULL);
    self->counts->parting++; /* first, so that nobody sees it neither here nor there */
    if (table__put(self->table, stream->fd, NULL) < 0 || PyDict_DelItem(self->by_id, stream->id) < 0)
        PyErr_Clear();
    passage__close_descriptor(self, stream);
    passage__count_end(self);
    callback = PyObject_GetAttr(self->handler, hot_name_on_close);
    action = passage__run(self, stream, callback, Py_None);
    passage__react(self, stream, callback, action);
    Py_XDECREF(callback);
    Py_XDECREF(action);
    stream->lo = stream->hi = 0;
    self->counts->parting--;
}

/* Deals with the end of a stream by the peer, if that can be done here: else returns 0, and has done nothing. */
static int passage_end(hot_passage *self, hot_stream *stream)
{
    PyObject *callback, *action, *done;

    if (self->counts == NULL || stream->state != self->open || !stream->receiving || hot_is_none(stream->straight) ||
        !passage__is_plain(self, stream))
        return 0;
    self->counts->messages--; /* it was counted as one */
    stream->receiving = stream->plain = 0;
    hot_keep(&stream->state, self->peer_closed);
    callback = PyObject_GetAttr(self->handler, hot_name_on_eof);
    action = passage__run(self, stream, callback, NULL);
    if (action == self->close && stream->state == self->peer_closed && passage__is_plain(self, stream)) {
        passage__leave(self, stream);
    } else {
        done = PyObject_CallMethodObjArgs(self->host, hot_name_settle_later, stream, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
        passage__react(self, stream, callback, action);
    }
    Py_XDECREF(callback);
    Py_XDECREF(action);
    return 1;
}

/* Passage(host, handler, type, table, by_id, arriving, closed, descriptors, gated, (poller, address), (control, close), interest,
 * (react, failed), (open, peer_closed, closed), (action, reason, over)). */
static int passage__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *host, *handler, *type, *table, *by_id, *arriving, *closed, *descriptors, *poller_object, *poller, *control, *end;
    PyObject *react, *failed, *open, *peer_closed, *gone, *close, *reason, *over, *inbox, *outbox;
    void *pointer;
    int gated;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOOO!O!O!O!Op(OO)(OO)i(OO)(OOO)(OOO)", &host, &handler, &type, hot_table_type, &table,
                          &PyDict_Type, &by_id, &PyDict_Type, &arriving, &PyDict_Type, &closed, &descriptors, &gated, &poller_object, &poller,
                          &control, &end, &self->interest, &react, &failed, &open, &peer_closed, &gone, &close,
                          &reason, &over))
        return -1;
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, hot_stream_type)) {
        PyErr_SetString(PyExc_TypeError, "not a class of streams");
        return -1;
    }
    self->poller = PyLong_AsVoidPtr(poller);
    pointer = PyLong_AsVoidPtr(control);
    memcpy(&self->control, &pointer, sizeof pointer);
    pointer = PyLong_AsVoidPtr(end);
    memcpy(&self->end, &pointer, sizeof pointer);
    if (PyErr_Occurred())
        return -1;
    self->gated = (char)gated;
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox == NULL)
        return -1;
    hot_replace(&self->inbox, inbox);
    outbox = stream__take(host, hot_name_outbox, hot_outbox_type);
    if (outbox == NULL)
        return -1;
    hot_replace(&self->outbox, outbox);
    hot_keep(&self->counts, self->outbox->counts);
    hot_keep(&self->host, host);
    hot_keep(&self->handler, handler);
    hot_keep(&self->type, type);
    hot_keep(&self->table, table);
    hot_keep(&self->by_id, by_id);
    hot_keep(&self->arriving, arriving);
    hot_keep(&self->closed, closed);
    hot_keep(&self->descriptors, descriptors);
    hot_keep(&self->poller_object, poller_object);
    hot_keep(&self->react, react);
    hot_keep(&self->failed, failed);
    hot_keep(&self->open, open);
    hot_keep(&self->peer_closed, peer_closed);
    hot_keep(&self->gone, gone);
    hot_keep(&self->close, close);
    hot_keep(&self->reason, reason);
    hot_keep(&self->over, over);
    return 0;
}

#define PASSAGE_FIELDS(FIELD)                                                                              \
    FIELD(host)                                                                                            \
    FIELD(handler)                                                                                         \
    FIELD(poller_object)                                                                                   \
    FIELD(descriptors)                                                                                     \
    FIELD(by_id)                                                                                           \
    FIELD(arriving)                                                                                           \
    FIELD(closed)                                                                                          \
    FIELD(type)                                                                                            \
    FIELD(react)                                                                                           \
    FIELD(failed)                                                                                          \
    FIELD(open)                                                                                            \
    FIELD(peer_closed)                                                                                     \
    FIELD(gone)                                                                                            \
    FIELD(close)                                                                                           \
    FIELD(reason)                                                                                          \
    FIELD(over)                                                                                            \
    FIELD(table)                                                                                           \
    FIELD(inbox)                                                                                           \
    FIELD(outbox)                                                                                          \
    FIELD(counts)

static int passage__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_passage *self = (hot_passage *)object;

    Py_VISIT(Py_TYPE(object));
#define PASSAGE_FIELD(field) Py_VISIT(self->field);
    PASSAGE_FIELDS(PASSAGE_FIELD)
#undef PASSAGE_FIELD
    return 0;
}

static int passage__clear(PyObject *object)
{
    hot_passage *self = (hot_passage *)object;

#define PASSAGE_FIELD(field) Py_CLEAR(self->field);
    PASSAGE_FIELDS(PASSAGE_FIELD)
#undef PASSAGE_FIELD
    return 0;
}

static void passage__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    passage__clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef passage__methods[] = {
    {"open", passage__open, METH_VARARGS, "Makes a stream of a descriptor and opens it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot passage__slots[] = {
    {Py_tp_doc, (void *)"How streams come and go; see HotConnections."},
    {Py_tp_init, (void *)passage__init},
    {Py_tp_methods, passage__methods},
    {Py_tp_traverse, (void *)passage__traverse},
    {Py_tp_clear, (void *)passage__clear},
    {Py_tp_dealloc, (void *)passage__dealloc},
    {0, NULL},
};

static PyType_Spec passage__spec = {
    .name = "netcore._native._hot.Passage",
    .basicsize = sizeof(hot_passage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = passage__slots,
};
