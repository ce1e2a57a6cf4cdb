/* The type of the middle of a turn: the hot half of eventloop/intake.py. */

#include "intake.h"

/* look_at(turn, aftermath, pending, again): who has to be asked whether there is something else to do. */
static PyObject *intake__look_at(PyObject *object, PyObject *args)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *turn, *aftermath, *pending, *again;

    if (!PyArg_ParseTuple(args, "OOOO!", &turn, &aftermath, &pending, &PyDict_Type, &again))
        return NULL;
    hot_keep(&self->turn, turn);
    hot_keep(&self->aftermath, aftermath);
    hot_keep(&self->pending, pending);
    hot_keep(&self->again, again);
    return hot_none();
}

/* ready_streams(): lists what serve_streams is about to serve. */
static PyObject *intake__ready_streams(PyObject *object, PyObject *ignored)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *list = PyList_New(0);

    (void)ignored;
    for (int i = 0; list != NULL && i < self->count + self->bulky; i++) {
        int at = i < self->count ? i : HOT_BATCH - 1 - (i - self->count);
        if (PyList_Append(list, (PyObject *)self->streams[at]) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* Forgets what a wait has found, in a forked child. */
static PyObject *intake__forget(PyObject *object, PyObject *ignored)
{
    hot_intake *self = (hot_intake *)object;
    hot_stream *streams[HOT_BATCH];
    int count = self->count + self->bulky;

    (void)ignored;
    self->forgotten = 1;
    memcpy(streams, self->streams, (size_t)self->count * sizeof *streams);
    memcpy(streams + self->count, self->streams + HOT_BATCH - self->bulky, (size_t)self->bulky * sizeof *streams);
    if (!self->serving) /* what a wait has found that another thread is in, is not its own yet */
        intake__let_go(self, streams, self->found > 0 ? count : 0);
    return hot_none();
}

/* Intake(host, handler, table, planned, react, failed, poller, cap, edge_chunk): poller is its memory's owner, its
 * address and that of what waits for it. */
static int intake__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *host, *handler, *table, *planned, *react, *failed, *owner, *address, *wait, *inbox, *outbox;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOO!O!OO(OOO)nn", &host, &handler, hot_table_type, &table, &PyList_Type, &planned,
                          &react, &failed, &owner, &address, &wait, &self->cap, &self->edge_chunk))
        return -1;
    self->poller = PyLong_AsVoidPtr(address);
    if (PyErr_Occurred() || hot_function(&self->wait, wait) < 0)
        return -1;
    inbox = stream__take(host, hot_name_inbox, hot_inbox_type);
    if (inbox == NULL)
        return -1;
    hot_replace(&self->inbox, inbox);
    outbox = stream__take(host, hot_name_outbox, hot_outbox_type);
    if (outbox == NULL)
        return -1;
    hot_replace(&self->outbox, outbox);
    hot_keep(&self->counts, self->outbox->counts);
    hot_keep(&self->table, table);
    hot_keep(&self->host, host);
    hot_keep(&self->handler, handler);
    hot_keep(&self->planned, planned);
    hot_keep(&self->react, react);
    hot_keep(&self->failed, failed);
    hot_keep(&self->owner, owner);
    return 0;
}

/* let_go_by(passage): says by what streams leave. */
static PyObject *intake__let_go_by(PyObject *object, PyObject *passage)
{
    if (!PyObject_TypeCheck(passage, hot_passage_type)) {
        PyErr_SetString(PyExc_TypeError, "not a passage");
        return NULL;
    }
    hot_keep(&((hot_intake *)object)->passage, passage);
    return hot_none();
}

static int intake__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_intake *self = (hot_intake *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->host);
    Py_VISIT(self->handler);
    Py_VISIT(self->planned);
    Py_VISIT(self->react);
    Py_VISIT(self->failed);
    Py_VISIT(self->owner);
    Py_VISIT(self->turn);
    Py_VISIT(self->aftermath);
    Py_VISIT(self->pending);
    Py_VISIT(self->again);
    Py_VISIT(self->passage);
    Py_VISIT(self->table);
    Py_VISIT(self->inbox);
    Py_VISIT(self->outbox);
    if (self->found == 0 || self->serving) /* not its own yet, in a wait that goes on; not any more, in a turn */
        return 0;
    for (int i = 0; i < self->count; i++)
        Py_VISIT(self->streams[i]);
    for (int i = 1; i <= self->bulky; i++)
        Py_VISIT(self->streams[HOT_BATCH - i]);
    return 0;
}

static int intake__clear(PyObject *object)
{
    hot_intake *self = (hot_intake *)object;
    PyObject *forgotten = intake__forget(object, NULL);

    Py_XDECREF(forgotten);
    Py_CLEAR(self->host);
    Py_CLEAR(self->handler);
    Py_CLEAR(self->react);
    Py_CLEAR(self->failed);
    Py_CLEAR(self->turn);
    Py_CLEAR(self->aftermath);
    Py_CLEAR(self->pending);
    Py_CLEAR(self->again);
    Py_CLEAR(self->passage);
    return 0;
}

static void intake__dealloc(PyObject *object)
{
    hot_intake *self = (hot_intake *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    intake__clear(object);
    Py_CLEAR(self->planned);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->table);
    Py_CLEAR(self->inbox);
    Py_CLEAR(self->outbox);
    Py_CLEAR(self->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef intake__methods[] = {
    {"let_go_by", intake__let_go_by, METH_O, "Says by what streams leave."},
    {"look_at", intake__look_at, METH_VARARGS, "Says who is asked whether there is something else to do."},
    {"turns", intake__turns, METH_O, "Waits, and takes turns of messages alone; see Intake.turns."},
    {"wait", intake__wait, METH_O, "Waits, and receives; see Intake.wait."},
    {"serve_streams", intake__serve_streams, METH_NOARGS,
     "Serves what the last wait has found to be readable streams; returns the rest of what it has found."},
    {"ready_streams", intake__ready_streams, METH_NOARGS, "Lists what serve_streams is about to serve."},
    {"forget", intake__forget, METH_NOARGS, "Forgets what the last wait has found."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot intake__slots[] = {
    {Py_tp_doc, (void *)"The base of HotIntake."},
    {Py_tp_init, (void *)intake__init},
    {Py_tp_methods, intake__methods},
    {Py_tp_traverse, (void *)intake__traverse},
    {Py_tp_clear, (void *)intake__clear},
    {Py_tp_dealloc, (void *)intake__dealloc},
    {0, NULL},
};

static PyType_Spec intake__spec = {
    .name = "netcore._native._hot.Intake",
    .basicsize = sizeof(hot_intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = intake__slots,
};
