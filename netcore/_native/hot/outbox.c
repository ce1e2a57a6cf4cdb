/* What a turn has written to streams: the hot half of connection/stream/outbox.py.
 *
 * A batch that leaves is taken out first, since nothing keeps Python from writing meanwhile: another thread, which
 * must not, or a finalizer of what the batch lets go of. */

#include "batch.c"
#include "calls.c"

PyTypeObject *hot_outbox_type;

static PyMemberDef outbox__members[] = {
    {"producers", T_OBJECT_EX, offsetof(hot_outbox, producers), 0, NULL},
    {"size", T_PYSSIZET, offsetof(hot_outbox, size), 0, NULL},
    {"limit", T_PYSSIZET, offsetof(hot_outbox, limit), 0, NULL},
    {"shared", T_BOOL, offsetof(hot_outbox, taken), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Outbox(counts, calls, limit, share): the addresses of functions by name. */
static int outbox__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_outbox *self = (hot_outbox *)object;
    PyObject *counts, *calls;
    Py_ssize_t limit, share;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!Onn", hot_counts_type, &counts, &calls, &limit, &share))
        return -1;
    if (calls_find(&self->calls, calls) < 0)
        return -1;
    hot_keep(&self->counts, counts);
    hot_replace(&self->producers, PyDict_New());
    self->limit = self->usual_limit = limit;
    self->share = share;
    self->turn = self->number = 1;
    return self->producers == NULL ? -1 : 0;
}

/* What is done where Python's own way of failing has failed. */
static void outbox__charge(hot_outbox *self, hot_stream *writer)
{
    PyObject *type, *error, *trace, *result;

    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    result = PyObject_CallMethodObjArgs((PyObject *)self, hot_name_charge, writer ? (PyObject *)writer : Py_None,
                                        error ? error : Py_None, NULL);
    if (result == NULL)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(result);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
}

static PyObject *outbox__list_unsent(const hot_batch *batch)
{
    PyObject *list = PyList_New(0);
    size_t begin = 0;

    for (Py_ssize_t i = 0; list != NULL && i < batch->count; i++) {
        if (batch->unsent[i] != 0) {
            PyObject *chunk = batch__chunk(batch, i, begin);
            PyObject *item = chunk ? Py_BuildValue("(ONn)", batch->writers[i], chunk, batch->unsent[i]) : NULL;
            if (item == NULL || PyList_Append(list, item) < 0)
                Py_CLEAR(list);
            Py_XDECREF(item);
        }
        if (batch->pointers[i] == NULL)
            begin += batch->lengths[i];
    }
    return list;
}

/* Tells writers of what was not sent. */
static void outbox__take_back(hot_outbox *self, const hot_batch *batch)
{
    PyObject *list = outbox__list_unsent(batch);
    PyObject *result = list ? PyObject_CallMethodObjArgs((PyObject *)self, hot_name__take_back, list, NULL) : NULL;

    if (result == NULL) { /* bytes of theirs are lost, so that they cannot go on */
        for (Py_ssize_t i = 0; i < batch->count; i++) {
            if (batch->unsent[i] != 0) {
                if (!PyErr_Occurred())
                    PyErr_NoMemory();
                outbox__charge(self, (hot_stream *)batch->writers[i]);
            }
        }
        PyErr_Clear();
    }
    Py_XDECREF(list);
    Py_XDECREF(result);
}

static int outbox__offer(const hot_calls *calls, hot_batch *batch)
{
    int count = (int)batch->count;

    if (count == 1) {
        const char *data = batch->pointers[0] ? batch->pointers[0] : batch->joined;
        batch->unsent[0] = calls->send_one(batch->sockets[0], data, batch->lengths[0]);
        return batch->unsent[0] != 0;
    }
    if (calls->ring)
        return calls->send.ring(calls->ring, count, batch->sockets, batch->lengths, batch->joined, batch->pointers,
                                batch->unsent);
    return calls->send.plain(count, batch->sockets, batch->lengths, batch->joined, batch->pointers, batch->unsent);
}

static int filtering_produce(hot_outbox *outbox, hot_stream *stream);

/* Has a producer add its entries; see Producer.produce. */
static int outbox__ask(hot_outbox *self, PyObject *producer)
{
    hot_stream *stream = (hot_stream *)producer;
    PyObject *done;

    if (PyObject_TypeCheck(producer, hot_stream_type) && !hot_is_none(stream->front))
        return filtering_produce(self, stream);
    done = PyObject_CallMethodObjArgs(producer, hot_name_produce, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Has all producers add their entries; see BaseOutbox._produce. */
static int outbox__produce(hot_outbox *self)
{
    PyObject *producers = PyDict_Keys(self->producers);

    if (producers == NULL)
        return -1;
    PyDict_Clear(self->producers);
    for (Py_ssize_t i = 0; i < PyList_Size(producers); i++)
        if (outbox__ask(self, PyList_GetItem(producers, i)) < 0)
            outbox__charge(self, (hot_stream *)PyList_GetItem(producers, i));
    Py_DECREF(producers);
    return 0;
}

static int outbox__has_producers(const hot_outbox *self)
{
    return self->producers != NULL && PyDict_Check(self->producers) && PyDict_Size(self->producers) > 0;
}

/* Sends everything. Fails only where nothing was done. */
static int outbox_flush(hot_outbox *self)
{
    hot_batch batch;
    int troubled;

    if (self->counts == NULL)
        return hot_unready(self);
    if (outbox__has_producers(self) && outbox__produce(self) < 0)
        return -1;
    if (self->filling.count == 0)
        return 0;
    batch = self->filling;
    self->filling = self->spare;
    memset(&self->spare, 0, sizeof self->spare);
    self->number++;
    self->counts->bytes_sent += self->size;
    self->size = 0;
    for (Py_ssize_t i = 0; i < batch.count; i++) {
        hot_stream *writer = (hot_stream *)batch.writers[i];
        batch.sockets[i] = writer->wire;
        writer->bytes_sent += (long long)batch.lengths[i];
    }
    Py_BEGIN_ALLOW_THREADS
    troubled = outbox__offer(&self->calls, &batch);
    Py_END_ALLOW_THREADS
    if (troubled)
        outbox__take_back(self, &batch);
    batch__empty(&batch);
    if (self->spare.room == 0)
        self->spare = batch;
    else
        batch__free(&batch);
    return 0;
}

static PyObject *outbox__flush(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    if (outbox_flush((hot_outbox *)object) < 0)
        return NULL;
    return hot_none();
}

static void outbox__take(hot_outbox *self, hot_stream *writer, Py_ssize_t n)
{
    if (writer->turn != self->turn) {
        writer->turn = self->turn;
        writer->taken = 0;
    }
    self->taken = 1;
    writer->taken = n < PY_SSIZE_T_MAX - writer->taken ? writer->taken + n : PY_SSIZE_T_MAX;
}

/* Tells a writer that it has had its share of this turn, or has the rest of it noticed when it is full. */
static int outbox__judge(hot_outbox *self, hot_stream *writer)
{
    Py_ssize_t left = self->share - writer->taken;

    if (left <= 0) {
        PyObject *told = PyObject_CallMethodObjArgs((PyObject *)writer, hot_name_had_share, NULL);
        if (told == NULL)
            return -1;
        Py_DECREF(told);
    } else if (left < self->limit) {
        self->limit = left;
    }
    return 0;
}

/* Counts bytes that a writer has had of this turn; see Outbox.count. */
static int outbox_count(hot_outbox *self, hot_stream *writer, Py_ssize_t n)
{
    outbox__take(self, writer, n);
    return outbox__judge(self, writer);
}

static int outbox__is_stream(PyObject *writer)
{
    if (PyObject_TypeCheck(writer, hot_stream_type))
        return 1;
    PyErr_SetString(PyExc_TypeError, "a writer must be a stream of the same kind");
    return 0;
}

static PyObject *outbox__count(PyObject *object, PyObject *args)
{
    PyObject *writer;
    Py_ssize_t n;

    if (!PyArg_ParseTuple(args, "On", &writer, &n) || !outbox__is_stream(writer) ||
        outbox_count((hot_outbox *)object, (hot_stream *)writer, n) < 0)
        return NULL;
    return hot_none();
}

static PyObject *outbox__has_had_share(PyObject *object, PyObject *writer)
{
    hot_outbox *self = (hot_outbox *)object;
    hot_stream *stream = (hot_stream *)writer;

    if (!outbox__is_stream(writer))
        return NULL;
    return PyBool_FromLong(stream->turn == self->turn && stream->taken >= self->share);
}

static void outbox_begin_turn(hot_outbox *self)
{
    self->turn++;
    self->taken = 0;
    self->limit = self->usual_limit;
}

static PyObject *outbox__begin_turn(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    outbox_begin_turn((hot_outbox *)object);
    return hot_none();
}

/* Sends everything in the midst of a turn, and counts it. The entries are asked for who has written how much before
 * they leave. All are counted before anybody is judged: what a writer had left after some of its entries, and not after
 * the rest, must not lower the limit. Runs of one writer, as entries mostly are, are judged at once. */
static int outbox_flush_early(hot_outbox *self)
{
    Py_ssize_t count;
    PyObject **writers;
    size_t *lengths;
    int status = 0;

    if (outbox__has_producers(self) && outbox__produce(self) < 0)
        return -1;
    count = self->filling.count;
    if (count == 0)
        return 0;
    writers = PyMem_Malloc((size_t)count * (sizeof *writers + sizeof *lengths));
    if (writers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    lengths = (size_t *)(writers + count);
    memcpy(writers, self->filling.writers, (size_t)count * sizeof *writers);
    memcpy(lengths, self->filling.lengths, (size_t)count * sizeof *lengths);
    for (Py_ssize_t i = 0; i < count; i++)
        Py_INCREF(writers[i]);
    status = outbox_flush(self);
    for (Py_ssize_t i = 0; status == 0 && i < count; i++)
        outbox__take(self, (hot_stream *)writers[i], (Py_ssize_t)lengths[i]);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (status == 0 && (i + 1 == count || writers[i + 1] != writers[i]))
            status = outbox__judge(self, (hot_stream *)writers[i]);
        Py_DECREF(writers[i]);
    }
    PyMem_Free(writers);
    return status;
}

static PyObject *outbox__flush_early(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    if (outbox_flush_early((hot_outbox *)object) < 0)
        return NULL;
    return hot_none();
}

/* Notes a chunk down. The bytes stay where `owner` keeps them. */
static int outbox_add(hot_outbox *self, hot_stream *writer, PyObject *owner, const char *data, Py_ssize_t n)
{
    if (n == 0)
        return 0;
    if (batch__add(&self->filling, (PyObject *)writer, owner, data, (size_t)n) < 0)
        return -1;
    writer->noted = self->number;
    self->size += n;
    return 0;
}

/* Sends a chunk now, while nothing else waits to be sent, and counts it. */
static int outbox_send_now(hot_outbox *self, hot_stream *writer, PyObject *chunk, const char *data, Py_ssize_t n)
{
    intptr_t unsent;
    nc_socket wire = writer->wire;

    if (self->counts == NULL)
        return hot_unready(self);
    self->counts->bytes_sent += n;
    writer->bytes_sent += n;
    Py_INCREF(chunk);
    Py_BEGIN_ALLOW_THREADS
    unsent = self->calls.send_one(wire, data, (size_t)n);
    Py_END_ALLOW_THREADS
    if (unsent != 0) {
        PyObject *list = Py_BuildValue("[(OOn)]", writer, chunk, unsent);
        PyObject *told = list ? PyObject_CallMethodObjArgs((PyObject *)self, hot_name__take_back, list, NULL) : NULL;
        if (told == NULL)
            outbox__charge(self, writer);
        Py_XDECREF(list);
        Py_XDECREF(told);
    }
    Py_DECREF(chunk);
    return outbox_count(self, writer, n);
}

/* note(writer, owner, address, size): of what is not bytes. */
static PyObject *outbox__note(PyObject *object, PyObject *args)
{
    PyObject *writer, *owner, *address;
    Py_ssize_t size;
    const char *data;

    if (!PyArg_ParseTuple(args, "OOOn", &writer, &owner, &address, &size) || !outbox__is_stream(writer))
        return NULL;
    data = PyLong_AsVoidPtr(address);
    if (data == NULL && PyErr_Occurred())
        return NULL;
    if (outbox_add((hot_outbox *)object, (hot_stream *)writer, owner, data, size) < 0)
        return NULL;
    return hot_none();
}

/* add(writer, chunk): see Outbox.add. */
static PyObject *outbox__add(PyObject *object, PyObject *args)
{
    PyObject *writer, *chunk;

    if (!PyArg_ParseTuple(args, "OO", &writer, &chunk) || !outbox__is_stream(writer))
        return NULL;
    if (!PyBytes_CheckExact(chunk))
        return PyObject_CallMethodObjArgs(object, hot_name__python_add, writer, chunk, NULL);
    if (outbox_add((hot_outbox *)object, (hot_stream *)writer, chunk, PyBytes_AsString(chunk), PyBytes_Size(chunk)) < 0)
        return NULL;
    return hot_none();
}

static PyObject *outbox__bytes_of(PyObject *object, PyObject *writer)
{
    const hot_batch *batch = &((hot_outbox *)object)->filling;
    size_t total = 0;

    for (Py_ssize_t i = 0; i < batch->count; i++)
        if (batch->writers[i] == writer)
            total += batch->lengths[i];
    return PyLong_FromSize_t(total);
}

static PyObject *outbox__writers(PyObject *object, PyObject *ignored)
{
    const hot_batch *batch = &((hot_outbox *)object)->filling;
    PyObject *list = PyList_New(0);

    (void)ignored;
    for (Py_ssize_t i = 0; list != NULL && i < batch->count; i++)
        if (PyList_Append(list, batch->writers[i]) < 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *outbox__belong_to(PyObject *object, PyObject *thread)
{
    unsigned long ident = PyLong_AsUnsignedLong(thread);

    if (ident == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    ((hot_outbox *)object)->thread = ident;
    return hot_none();
}

/* Forgets everything, in a forked child. */
static PyObject *outbox__clear_entries(PyObject *object, PyObject *ignored)
{
    hot_outbox *self = (hot_outbox *)object;
    hot_batch batch = self->filling;

    (void)ignored;
    memset(&self->filling, 0, sizeof self->filling);
    self->size = 0;
    if (self->producers)
        PyDict_Clear(self->producers);
    batch__empty(&batch);
    batch__free(&batch);
    return hot_none();
}

static Py_ssize_t outbox__length(PyObject *object)
{
    return ((hot_outbox *)object)->filling.count;
}

static int outbox__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_outbox *self = (hot_outbox *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->producers);
    Py_VISIT(self->counts);
    for (Py_ssize_t i = 0; i < self->filling.count; i++) {
        Py_VISIT(self->filling.writers[i]);
        Py_VISIT(self->filling.owners[i]);
    }
    return 0;
}

static int outbox__clear(PyObject *object)
{
    hot_outbox *self = (hot_outbox *)object;
    hot_batch batch = self->filling;

    memset(&self->filling, 0, sizeof self->filling);
    batch__empty(&batch);
    batch__free(&batch);
    Py_CLEAR(self->producers);
    return 0;
}

static void outbox__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    outbox__clear(object);
    batch__free(&((hot_outbox *)object)->spare);
    Py_CLEAR(((hot_outbox *)object)->counts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef outbox__methods[] = {
    {"add", outbox__add, METH_VARARGS, "Notes a chunk down."},
    {"note", outbox__note, METH_VARARGS, "Notes down what lies at an address, and is not bytes."},
    {"begin_turn", outbox__begin_turn, METH_NOARGS, "Begins the accounts anew."},
    {"belong_to", outbox__belong_to, METH_O, "Says which thread is the loop's, by its identifier."},
    {"bytes_of", outbox__bytes_of, METH_O, "Counts the bytes noted down for one connection."},
    {"clear", outbox__clear_entries, METH_NOARGS, "Forgets everything, in a forked child."},
    {"count", outbox__count, METH_VARARGS, "Counts bytes that a writer has had of this turn."},
    {"flush", outbox__flush, METH_NOARGS, "Sends everything."},
    {"flush_early", outbox__flush_early, METH_NOARGS, "Sends everything in the midst of a turn."},
    {"has_had_share", outbox__has_had_share, METH_O, "Whether a writer has had its share of this turn."},
    {"writers", outbox__writers, METH_NOARGS, "Lists whose entries there are."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot outbox__slots[] = {
    {Py_tp_doc, (void *)"The base of HotOutbox."},
    {Py_tp_init, (void *)outbox__init},
    {Py_tp_members, outbox__members},
    {Py_tp_methods, outbox__methods},
    {Py_tp_traverse, (void *)outbox__traverse},
    {Py_tp_clear, (void *)outbox__clear},
    {Py_tp_dealloc, (void *)outbox__dealloc},
    {Py_mp_length, (void *)outbox__length},
    {0, NULL},
};

static PyType_Spec outbox__spec = {
    .name = "netcore._native._hot.Outbox",
    .basicsize = sizeof(hot_outbox),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = outbox__slots,
};
