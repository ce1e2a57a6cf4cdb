/* How streams come and go: the hot half of eventloop/connections.py and departures.py. */

#include "passage.h"

PyTypeObject *hot_passage_type;

static void passage__charge(hot_passage *self, hot_stream *payer)
{
    hot_charge(self->host, (PyObject *)payer);
}

static int passage__take(PyObject **field, PyObject *from, PyObject *name)
{
    hot_replace(field, PyObject_GetAttr(from, name));
    return *field == NULL ? -1 : 0;
}

/* Whether a callback is a function of EventHandler's; not something that wraps it, and passes on what it is asked. */
static char passage__is_usual(hot_passage *self, PyObject *name, PyObject *usual)
{
    PyObject *callback = PyObject_GetAttr(self->handler, name);
    int is_method = callback != NULL && (PyObject *)Py_TYPE(callback) == self->method_type;
    PyObject *function = is_method ? PyObject_GetAttr(callback, hot_name___func__) : NULL;
    char is_usual = function != NULL && function == usual;

    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception))
        passage__charge(self, NULL); /* a KeyboardInterrupt does not come again */
    PyErr_Clear();                   /* the call raises it again */
    Py_XDECREF(function);
    Py_XDECREF(callback);
    return is_usual;
}

/* Looks, once in a turn, which callbacks the handler has of its own; a call of one that does nothing takes longer than
 * all that is done here besides it. */
static void passage__look_at_handler(hot_passage *self)
{
    if (self->looked)
        return;
    self->looked = 1;
    self->skips_open = passage__is_usual(self, hot_name_on_open, self->usual_on_open);
    self->skips_eof = passage__is_usual(self, hot_name_on_eof, self->usual_on_eof);
    self->skips_close = passage__is_usual(self, hot_name_on_close, self->usual_on_close);
}

/* Calls a callback of the handler, whose second argument may be NULL; see callbacks.run. Returns the action, a new
 * reference, or NULL if there is none. */
static PyObject *passage__run(hot_passage *self, hot_stream *stream, PyObject *name, PyObject *argument)
{
    PyObject *action, *done;

    hot_look(self->counts);
    action = PyObject_CallMethodObjArgs(self->handler, name, stream, argument, NULL);
    if (action == NULL) {
        PyObject *error = hot_fetch();
        done = PyObject_CallFunctionObjArgs(self->failed, self->host, stream, error, NULL);
        if (done == NULL)
            passage__charge(self, stream);
        Py_XDECREF(done);
        Py_XDECREF(error);
    } else {
        hot_called(self->counts);
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

/* Has the poller watch a descriptor (NC_ADD), or no more. */
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

#include "arriving.c"
#include "leaving.c"

/* Passage(host, type, table, by_id, arriving, doors, gated, (poller, address), (control, accept, close), interest, idle_timeout,
 * (react, failed), (open, peer_closed, closed), (action, over), (on_open, on_eof, on_close, type of methods)). */
static int passage__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *host, *type, *table, *by_id, *arriving, *doors, *poller_object, *poller, *control, *accept, *end;
    PyObject *idle_timeout, *react, *failed, *open, *peer_closed, *gone, *close, *over, *inbox, *outbox;
    PyObject *on_open, *on_eof, *on_close, *method_type;
    int gated;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOO!O!O!O!p(OO)(OOO)iO(OO)(OOO)(OO)(OOOO)", &host, &type, hot_table_type, &table,
                          &PyDict_Type, &by_id, &PyDict_Type, &arriving, &PyDict_Type, &doors, &gated, &poller_object, &poller, &control,
                          &accept, &end, &self->interest, &idle_timeout, &react, &failed, &open, &peer_closed, &gone,
                          &close, &over, &on_open, &on_eof, &on_close, &method_type))
        return -1;
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, hot_stream_type)) {
        PyErr_SetString(PyExc_TypeError, "not a class of streams");
        return -1;
    }
    self->poller = PyLong_AsVoidPtr(poller);
    if (PyErr_Occurred() || hot_function(&self->control, control) < 0 || hot_function(&self->accept, accept) < 0 ||
        hot_function(&self->end, end) < 0)
        return -1;
    self->gated = (char)gated;
    self->looked = 0;
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox == NULL)
        return -1;
    hot_replace(&self->inbox, inbox);
    outbox = stream__take(host, hot_name_outbox, hot_outbox_type);
    if (outbox == NULL)
        return -1;
    hot_replace(&self->outbox, outbox);
    if (passage__take(&self->handler, host, hot_name_handler) < 0 ||
        passage__take(&self->descriptors, host, hot_name_descriptors) < 0 ||
        passage__take(&self->lock, host, hot_name_descriptor_lock) < 0 ||
        passage__take(&self->callers, self->lock, hot_name_callers) < 0)
        return -1;
    Py_INCREF(type);
    hot_replace(&self->type, type);
    self->make = (allocfunc)PyType_GetSlot(self->type, Py_tp_alloc);
    hot_keep(&self->counts, self->outbox->counts);
    hot_keep(&self->host, host);
    hot_keep(&self->table, table);
    hot_keep(&self->by_id, by_id);
    hot_keep(&self->arriving, arriving);
    hot_keep(&self->doors, doors);
    hot_keep(&self->poller_object, poller_object);
    hot_keep(&self->idle_timeout, idle_timeout);
    hot_keep(&self->react, react);
    hot_keep(&self->failed, failed);
    hot_keep(&self->open, open);
    hot_keep(&self->peer_closed, peer_closed);
    hot_keep(&self->gone, gone);
    hot_keep(&self->close, close);
    hot_keep(&self->over, over);
    hot_keep(&self->usual_on_open, on_open);
    hot_keep(&self->usual_on_eof, on_eof);
    hot_keep(&self->usual_on_close, on_close);
    hot_keep(&self->method_type, method_type);
    return 0;
}

#define PASSAGE_FIELDS(FIELD)                                                                              \
    FIELD(host)                                                                                         \
    FIELD(handler)                                                                                      \
    FIELD(poller_object)                                                                                \
    FIELD(descriptors)                                                                                  \
    FIELD(lock)                                                                                         \
    FIELD(callers)                                                                                      \
    FIELD(by_id)                                                                                        \
    FIELD(arriving)                                                                                     \
    FIELD(doors)                                                                                           \
    FIELD(type)                                                                                         \
    FIELD(idle_timeout)                                                                                 \
    FIELD(react)                                                                                        \
    FIELD(failed)                                                                                       \
    FIELD(open)                                                                                         \
    FIELD(peer_closed)                                                                                  \
    FIELD(gone)                                                                                         \
    FIELD(close)                                                                                        \
    FIELD(over)                                                                                         \
    FIELD(usual_on_open)                                                                                \
    FIELD(usual_on_eof)                                                                                 \
    FIELD(usual_on_close)                                                                               \
    FIELD(method_type)                                                                                  \
    FIELD(table)                                                                                        \
    FIELD(inbox)                                                                                        \
    FIELD(outbox)                                                                                       \
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

static PyMemberDef passage__members[] = {
    {"turning_away", T_BOOL, offsetof(hot_passage, turning_away), 0, NULL},
    {"noting", T_BOOL, offsetof(hot_passage, noting), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef passage__methods[] = {
    {"accept", arriving__accept, METH_VARARGS, "Makes streams of all that a listener has and opens them."},
    {"open", arriving__open, METH_VARARGS, "Makes streams of what was accepted and opens them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot passage__slots[] = {
    {Py_tp_doc, (void *)"The base of HotConnections."},
    {Py_tp_init, (void *)passage__init},
    {Py_tp_members, passage__members},
    {Py_tp_methods, passage__methods},
    {Py_tp_traverse, (void *)passage__traverse},
    {Py_tp_clear, (void *)passage__clear},
    {Py_tp_dealloc, (void *)passage__dealloc},
    {0, NULL},
};

static PyType_Spec passage__spec = {
    .name = "netcore._native._hot.Passage",
    .basicsize = sizeof(hot_passage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = passage__slots,
};
