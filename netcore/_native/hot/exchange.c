/* The batched turn for asyncio's transports: the twin of aio/batch.py's Batch. */

#include "channel.c"
#include "courses.c"

PyTypeObject *hot_exchange_type;

static PyMemberDef exchange__members[] = {
    {"thread", T_ULONG, offsetof(hot_exchange, thread), 0, NULL},
    {"stopping", T_BOOL, offsetof(hot_exchange, stopping), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Batch(poller, calls, busy, complain): poller is its memory's owner, its address and that of what waits for it. */
static int exchange__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_exchange *self = (hot_exchange *)object;
    PyObject *keeper, *address, *wait, *calls, *busy, *complain;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "(OOO)OOO", &keeper, &address, &wait, &calls, &busy, &complain))
        return -1;
    self->poller = PyLong_AsVoidPtr(address);
    if (PyErr_Occurred() || hot_function(&self->wait, wait) < 0 || calls_find(&self->calls, calls) < 0)
        return -1;
    if (self->calls.ring != NULL) {
        PyErr_SetString(PyExc_ValueError, "channels do not receive from a ring");
        return -1;
    }
    if (self->arena == NULL)
        self->arena = PyMem_Malloc(EXCHANGE_ARENA);
    if (self->arena == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    hot_keep(&self->keeper, keeper);
    hot_keep(&self->busy, busy);
    hot_keep(&self->complain, complain);
    return 0;
}

/* Has a transport keep what was not sent of a chunk, a reference that this takes over; see Owner.unsent. */
static int exchange__keep(const hot_channel *channel, PyObject *chunk, Py_ssize_t n)
{
    PyObject *left = chunk ? PyLong_FromSsize_t(n) : NULL;
    PyObject *done = left ? PyObject_CallMethodObjArgs(channel->owner, hot_name_unsent, chunk, left, NULL) : NULL;

    Py_XDECREF(chunk);
    Py_XDECREF(left);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Tells it what has become of that; see Owner.hampered. */
static int exchange__hamper(hot_exchange *self, const hot_channel *channel, Py_ssize_t n)
{
    PyObject *left = PyLong_FromSsize_t(n);
    PyObject *done = left ? PyObject_CallMethodObjArgs(channel->owner, hot_name_hampered, left, NULL) : NULL;

    Py_XDECREF(left);
    Py_XDECREF(done);
    return done == NULL ? exchange__bear(self) : 0;
}

/* Puts off the error that is set until others have been told: the first is raised then. */
static void exchange__put_off(PyObject **error)
{
    PyObject *raised = hot_fetch();

    if (*error == NULL)
        *error = raised;
    else
        Py_XDECREF(raised);
}

/* What a transport is told that could not keep the rest of a chunk, for the error that is set: it cannot go on. */
static Py_ssize_t exchange__unkept(PyObject **error)
{
    if (exchange__is_exit())
        exchange__put_off(error);
    else
        PyErr_Clear();
    return -ENOMEM;
}

/* Sends a chunk now. */
static int exchange_send_now(hot_exchange *self, hot_channel *channel, PyObject *chunk)
{
    const char *data = PyBytes_AsString(chunk);
    Py_ssize_t n = PyBytes_Size(chunk);
    nc_socket fd = channel->fd;
    PyObject *error = NULL;
    int status;

    Py_BEGIN_ALLOW_THREADS
    n = self->calls.send_one(fd, data, (size_t)n);
    Py_END_ALLOW_THREADS
    if (n == 0 || channel->owner == NULL)
        return 0;
    channel->usual = 0;
    Py_INCREF(chunk);
    if (exchange__keep(channel, chunk, n) < 0)
        n = exchange__unkept(&error);
    status = exchange__hamper(self, channel, n);
    if (status == 0 && error != NULL) {
        hot_raise(error);
        return -1;
    }
    Py_XDECREF(error);
    return status;
}

/* Tells transports of what was not sent. All have kept theirs before a protocol is called, which may write to any of
 * them, and all are told, whatever one of them raises. */
static int exchange__take_back(hot_exchange *self, hot_batch *batch)
{
    PyObject *error = NULL;
    size_t begin = 0;

    for (Py_ssize_t i = 0; i < batch->count; i++) {
        hot_channel *channel = (hot_channel *)batch->writers[i];
        if (channel->owner == NULL)
            batch->unsent[i] = 0;
        if (batch->unsent[i] != 0) {
            channel->usual = 0;
            if (exchange__keep(channel, batch__chunk(batch, i, begin), batch->unsent[i]) < 0)
                batch->unsent[i] = exchange__unkept(&error);
        }
        if (batch->pointers[i] == NULL)
            begin += batch->lengths[i];
    }
    for (Py_ssize_t i = 0; i < batch->count; i++) {
        hot_channel *channel = (hot_channel *)batch->writers[i];
        if (batch->unsent[i] != 0 && channel->owner != NULL && exchange__hamper(self, channel, batch->unsent[i]) < 0)
            exchange__put_off(&error);
    }
    if (error == NULL)
        return 0;
    hot_raise(error);
    return -1;
}

/* Sends all that was noted down: -1 with an error, else whether some was not sent, of which its transport was told. */
static int exchange_flush(hot_exchange *self)
{
    hot_batch batch = self->filling;
    int troubled, status;

    if (batch.count == 0)
        return 0;
    self->filling = self->spare;
    memset(&self->spare, 0, sizeof self->spare);
    for (Py_ssize_t i = 0; i < batch.count; i++) {
        hot_channel *channel = (hot_channel *)batch.writers[i];
        channel->waiting = 0;
        batch.sockets[i] = channel->fd;
    }
    Py_BEGIN_ALLOW_THREADS
    troubled = outbox__offer(&self->calls, &batch);
    Py_END_ALLOW_THREADS
    status = troubled ? 1 : 0;
    if (troubled && exchange__take_back(self, &batch) < 0)
        status = -1;
    batch__empty(&batch);
    if (self->spare.room == 0)
        self->spare = batch;
    else
        batch__free(&batch);
    return status;
}

static PyObject *exchange__flush(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return exchange_flush((hot_exchange *)object) < 0 ? NULL : hot_none();
}

static int exchange__reserve(hot_exchange *self, Py_ssize_t fd)
{
    Py_ssize_t room = self->room ? self->room : 256;
    hot_channel **table;

    if (fd < self->room)
        return 0;
    while (room <= fd)
        room *= 2;
    table = PyMem_Realloc(self->table, (size_t)room * sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(table + self->room, 0, (size_t)(room - self->room) * sizeof *table);
    self->table = table;
    self->room = room;
    return 0;
}

static int exchange__is_channel(hot_exchange *self, PyObject *channel)
{
    if (PyObject_TypeCheck(channel, hot_channel_type) && ((hot_channel *)channel)->batch == self)
        return 1;
    PyErr_SetString(PyExc_TypeError, "not a channel of this batch");
    return 0;
}

/* watch(channel): see Batch.watch. */
static PyObject *exchange__watch(PyObject *object, PyObject *argument)
{
    hot_exchange *self = (hot_exchange *)object;
    hot_channel *channel = (hot_channel *)argument;

    if (!exchange__is_channel(self, argument) || exchange__reserve(self, channel->fd) < 0)
        return NULL;
    if (self->table[channel->fd] != NULL)
        self->table[channel->fd]->watched = 0;
    self->table[channel->fd] = channel;
    channel->watched = 1;
    return hot_none();
}

static void exchange__unwatch(hot_exchange *self, hot_channel *channel)
{
    channel->watched = 0;
    if (self != NULL && channel->fd < self->room && self->table[channel->fd] == channel)
        self->table[channel->fd] = NULL;
}

/* neglect(channel): see Batch.neglect. */
static PyObject *exchange__neglect(PyObject *object, PyObject *argument)
{
    hot_exchange *self = (hot_exchange *)object;

    if (!exchange__is_channel(self, argument))
        return NULL;
    if (((hot_channel *)argument)->watched)
        exchange__unwatch(self, (hot_channel *)argument);
    return hot_none();
}

/* Waits for so many seconds, less than none being for ever, and sorts what is found. Returns how much that is. */
static int exchange__look(hot_exchange *self, double limit)
{
    int found;

    if (self->keeper == NULL)
        return hot_unready(self);
    if (self->poller->handle < 0) {
        PyErr_SetString(PyExc_ValueError, "the poller is closed");
        return -1;
    }
    self->left = 0;
    if (self->at >= self->count) /* also where the last one's callback waits, within the delivery */
        self->at = self->count = self->received = 0;
    Py_BEGIN_ALLOW_THREADS
    found = self->wait(self->poller, limit, HOT_BATCH, self->fds, self->readiness);
    Py_END_ALLOW_THREADS
    if (found < 0) {
        errno = -found;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    for (int i = 0; i < found; i++) {
        nc_socket fd = self->fds[i];
        hot_channel *channel = fd < self->room ? self->table[fd] : NULL;
        if (channel != NULL) {
            Py_INCREF(channel);
            self->channels[self->count++] = channel;
        } else {
            self->fds[self->left] = fd;
            self->readiness[self->left++] = self->readiness[i];
        }
    }
    return found;
}

/* Whether messages are all there is to do. */
static int exchange__is_quiet(const hot_exchange *self, PyObject *timers, Py_ssize_t planned)
{
    return self->left == 0 && !self->stopping && PyObject_Size(self->busy) == 0 && PyList_Size(timers) == planned;
}

/* wait(timeout, timers): sends, waits, and, as long as messages are all there is to do, takes whole turns; see
 * Batch.wait. While timers wait these turns are few, and do not wait themselves. */
static PyObject *exchange__wait(PyObject *object, PyObject *args)
{
    hot_exchange *self = (hot_exchange *)object;
    PyObject *timeout, *timers;
    Py_ssize_t planned;
    double limit;
    int troubled;

    if (!PyArg_ParseTuple(args, "OO!", &timeout, &PyList_Type, &timers))
        return NULL;
    if (waits_limit(timeout, &limit) < 0)
        return NULL;
    troubled = exchange_flush(self);
    if (troubled < 0)
        return NULL;
    if (troubled) /* the transports that were told may have planned what the time-out knows nothing of */
        limit = 0.0;
    if (self->at < self->count) /* broken off: what is left comes first */
        return PyList_New(0);
    planned = PyList_Size(timers);
    for (int turns = 0;; turns++) {
        int found = exchange__look(self, limit);
        if (found < 0)
            return NULL;
        if (found == 0 || (planned > 0 && turns >= EXCHANGE_TURNS) || !exchange__is_quiet(self, timers, planned))
            break;
        if (exchange__serve(self) < 0)
            return NULL;
        troubled = exchange_flush(self);
        if (troubled < 0)
            return NULL;
        if (troubled || !exchange__is_quiet(self, timers, planned))
            break;
        limit = planned > 0 ? 0.0 : limit;
    }
    return waits_events(self->left, self->fds, self->readiness);
}

/* deliver(): see Batch.deliver. */
static PyObject *exchange__deliver(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return exchange__serve((hot_exchange *)object) < 0 ? NULL : hot_none();
}

/* let_go(): see Batch.let_go. */
static PyObject *exchange__let_go(PyObject *object, PyObject *ignored)
{
    hot_exchange *self = (hot_exchange *)object;

    (void)ignored;
    Py_CLEAR(self->busy);
    Py_CLEAR(self->complain);
    return hot_none();
}

static PyObject *exchange__pending(PyObject *object, void *ignored)
{
    const hot_exchange *self = (hot_exchange *)object;

    (void)ignored;
    return PyBool_FromLong(self->at < self->count);
}

static int exchange__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_exchange *self = (hot_exchange *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->busy);
    Py_VISIT(self->complain);
    Py_VISIT(self->keeper);
    for (Py_ssize_t i = 0; i < self->filling.count; i++) {
        Py_VISIT(self->filling.writers[i]);
        Py_VISIT(self->filling.owners[i]);
    }
    for (int i = self->at; i < self->count; i++)
        Py_VISIT(self->channels[i]);
    return 0;
}

static int exchange__clear(PyObject *object)
{
    hot_exchange *self = (hot_exchange *)object;
    hot_batch batch = self->filling;
    int at = self->at, count = self->count;

    memset(&self->filling, 0, sizeof self->filling);
    self->at = self->count = self->received = 0;
    for (; at < count; at++)
        Py_CLEAR(self->channels[at]);
    batch__empty(&batch);
    batch__free(&batch);
    Py_CLEAR(self->busy);
    Py_CLEAR(self->complain);
    return 0;
}

static void exchange__dealloc(PyObject *object)
{
    hot_exchange *self = (hot_exchange *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    exchange__clear(object);
    batch__free(&self->spare);
    PyMem_Free(self->table);
    PyMem_Free(self->arena);
    Py_CLEAR(self->keeper);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef exchange__methods[] = {
    {"watch", exchange__watch, METH_O, "Receives with the batch from now on."},
    {"neglect", exchange__neglect, METH_O, "Ends what watch began."},
    {"wait", exchange__wait, METH_VARARGS, "Sends what was written, and waits."},
    {"deliver", exchange__deliver, METH_NOARGS, "Receives from the channels that are ready, and hands it over."},
    {"flush", exchange__flush, METH_NOARGS, "Sends all that was noted down."},
    {"let_go", exchange__let_go, METH_NOARGS, "Forgets whom to complain to."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef exchange__properties[] = {
    {"pending", exchange__pending, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot exchange__slots[] = {
    {Py_tp_doc, (void *)"See Batch of netcore.aio."},
    {Py_tp_init, (void *)exchange__init},
    {Py_tp_members, exchange__members},
    {Py_tp_methods, exchange__methods},
    {Py_tp_getset, exchange__properties},
    {Py_tp_traverse, (void *)exchange__traverse},
    {Py_tp_clear, (void *)exchange__clear},
    {Py_tp_dealloc, (void *)exchange__dealloc},
    {0, NULL},
};

static PyType_Spec exchange__spec = {
    .name = "netcore._native._hot.Batch",
    .basicsize = sizeof(hot_exchange),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = exchange__slots,
};
