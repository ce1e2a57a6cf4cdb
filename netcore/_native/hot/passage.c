/* How streams come and go: the hot half of eventloop/connections.py and departures.py. */

#include "passage.h"

PyTypeObject *hot_passage_type;

static void passage__charge(hot_passage *self, hot_stream *payer)
{
    hot_charge(self->host, (PyObject *)payer);
}

/* Calls a callback of the handler, whose second argument may be NULL; see callbacks.run. Returns the action, a new
 * reference, or NULL if there is none. */
static PyObject *passage__run(hot_passage *self, hot_stream *stream, PyObject *name, PyObject *argument)
{
    PyObject *action = PyObject_CallMethodObjArgs(self->handler, name, stream, argument, NULL);
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

static void passage__react(hot_passage *self, hot_stream *stream, PyObject *name, PyObject *action)
{
    PyObject *callback, *done;

    if (action == NULL || action == Py_None)
        return;
    callback = PyObject_GetAttr(self->handler, name);
    done = callback ? PyObject_CallFunctionObjArgs(self->react, self->host, stream, callback, action, NULL) : NULL;
    if (done == NULL)
        passage__charge(self, stream);
    Py_XDECREF(done);
    Py_XDECREF(callback);
}

#include "arriving.c"
#include "leaving.c"

/* Passage(host, handler, connections, type, table, by_id, arriving, closed, descriptors, gated, (poller, address), (control, close), interest,
 * idle_timeout, (react, failed), (open, peer_closed, closed), (action, reason, over)). */
static int passage__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *host, *handler, *connections, *type, *table, *by_id, *arriving, *closed, *descriptors, *poller_object, *poller, *control, *end;
    PyObject *idle_timeout, *react, *failed, *open, *peer_closed, *gone, *close, *reason, *over, *inbox, *outbox;
    void *pointer;
    int gated;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOOOO!O!O!O!Op(OO)(OO)iO(OO)(OOO)(OOO)", &host, &handler, &connections, &type, hot_table_type, &table,
                          &PyDict_Type, &by_id, &PyDict_Type, &arriving, &PyDict_Type, &closed, &descriptors, &gated, &poller_object, &poller,
                          &control, &end, &self->interest, &idle_timeout, &react, &failed, &open, &peer_closed, &gone, &close,
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
    hot_keep(&self->connections, connections);
    Py_INCREF(type);
    hot_replace(&self->type, type);
    self->make = (allocfunc)PyType_GetSlot(self->type, Py_tp_alloc);
    hot_keep(&self->table, table);
    hot_keep(&self->by_id, by_id);
    hot_keep(&self->arriving, arriving);
    hot_keep(&self->closed, closed);
    hot_keep(&self->descriptors, descriptors);
    hot_keep(&self->poller_object, poller_object);
    hot_keep(&self->idle_timeout, idle_timeout);
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
    FIELD(connections)                                                                                     \
    FIELD(descriptors)                                                                                     \
    FIELD(by_id)                                                                                           \
    FIELD(arriving)                                                                                           \
    FIELD(closed)                                                                                          \
    FIELD(type)                                                                                            \
    FIELD(idle_timeout)                                                                                     \
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
    {"open", arriving__open, METH_VARARGS, "Makes streams of what was accepted and opens them."},
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
