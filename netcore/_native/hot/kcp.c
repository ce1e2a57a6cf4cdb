/* KCP without I/O: the twin of netcore/kcp.
 *
 * Segments are structs in rings, one for what comes and one for what goes. What has come stays in its datagrams until it
 * is read. Whatever may run code of others, as converting arguments may, comes before the state is looked at, and
 * datagrams leave when it is whole again: so whoever is called meanwhile may use the session. */

#include "kcp_arguments.c"
#include "kcp_options.c"
#include "kcp_session.c"

PyTypeObject *hot_kcp_type;

static PyObject *kcp__usual_options; /* see usual_kcp_options */

static const double kcp__longest_rest = 60.0;

static PyMemberDef kcp__members[] = {
    {"conversation", T_UINT, offsetof(hot_kcp, conversation), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(hot_kcp, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Looks whether those are of the right types that nothing converts. */
static int kcp__check(PyObject *output, PyObject *options)
{
    int is_right = 1;

    if (!PyCallable_Check(output)) {
        PyErr_Format(PyExc_TypeError, "output is %R: it must be callable", output);
        return -1;
    }
    if (kcp__usual_options != NULL)
        is_right = PyObject_IsInstance(options, (PyObject *)Py_TYPE(kcp__usual_options));
    if (is_right == 0)
        PyErr_Format(PyExc_TypeError, "options is %R: it must be a KcpOptions, or None", options);
    return is_right == 1 ? 0 : -1;
}

/* Kcp(conversation, output, options=None, *, epoch=0, unproven=False) */
static int kcp__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"conversation", "output", "options", "epoch", "unproven", NULL};
    hot_kcp *self = (hot_kcp *)object;
    PyObject *given, *output, *options_given = Py_None, *epoch_given = NULL;
    kcp_options options;
    uint32_t conversation, epoch;
    int is_unproven = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O$Op", names, &given, &output, &options_given, &epoch_given,
                                     &is_unproven))
        return -1;
    if (options_given == Py_None)
        options_given = kcp__usual_options ? kcp__usual_options : Py_None;
    if (kcp_arguments_conversation(given, &conversation) < 0 || kcp_arguments_epoch(epoch_given, &epoch) < 0 ||
        kcp__check(output, options_given) < 0 || kcp_options_read(options_given, &options) < 0)
        return -1;
    kcp_inbound_free(&self->inbound);
    kcp_queue_free(&self->outbound);
    self->options = options;
    self->conversation = conversation;
    self->epoch = epoch;
    self->secret = epoch ^ (uint32_t)((uintptr_t)self >> 4);
    self->round_trip = (kcp_round_trip){.timeout = KCP_INITIAL_TIMEOUT};
    self->allowance = (kcp_allowance){.keeping = KCP_INITIAL_BYTES, .is_endless = !is_unproven};
    self->probe = (kcp_probe){0};
    self->inbound.window = options.receive_window;
    self->outbound.peer_window = KCP_MOST_FRAGMENTS;
    self->outbound.widest = 0;
    self->outbound.congestion.threshold = KCP_LEAST_THRESHOLD;
    self->now = self->flush_at = self->told = 0;
    self->has_flushed = self->is_asked = self->is_finished = 0;
    hot_keep(&self->output, output);
    return 0;
}

static hot_kcp *kcp__ready(PyObject *object)
{
    hot_kcp *self = (hot_kcp *)object;

    if (self->output != NULL)
        return self;
    hot_unready(self);
    return NULL;
}

/* send(data): see Kcp.send. */
static PyObject *kcp__send(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    static const char *const expected[] = {"data"};
    PyObject *data, *bytes;
    hot_kcp *self;
    int status;

    if (kcp_arguments_find("send", expected, 1, args, nargs, names, &data, 1) < 0)
        return NULL;
    bytes = kcp_arguments_bytes(data);
    if (bytes == NULL)
        return NULL;
    self = kcp__ready(object);
    status = self ? kcp_queue_send(&self->outbound, &self->options, PyBytes_AsString(bytes),
                                      (size_t)PyBytes_Size(bytes))
                  : -1;
    Py_DECREF(bytes);
    return status < 0 ? NULL : hot_none();
}

/* input(datagram, now=None): see Kcp.input. */
static PyObject *kcp__input(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    static const char *const expected[] = {"datagram", "now"};
    PyObject *given[2], *datagram;
    int64_t now = INT64_MIN;
    double seconds;
    hot_kcp *self;
    int status = 0;

    if (kcp_arguments_find("input", expected, 1, args, nargs, names, given, 2) < 0)
        return NULL;
    datagram = kcp_arguments_bytes(given[0]);
    if (datagram == NULL)
        return NULL;
    if (!hot_is_none(given[1]))
        status = kcp_arguments_time(given[1], &seconds, &now);
    self = status == 0 ? kcp__ready(object) : NULL;
    status = self ? kcp_session_input(self, datagram, now) : -1;
    Py_DECREF(datagram);
    return status < 0 ? NULL : hot_none();
}

/* finish(): see Kcp.finish. */
static PyObject *kcp__finish(PyObject *object, PyObject *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    if (self == NULL)
        return NULL;
    self->is_finished = 1;
    return hot_none();
}

/* receive(): see Kcp.receive. */
static PyObject *kcp__receive(PyObject *object, PyObject *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    while (self != NULL) {
        PyObject *data = kcp_inbound_receive(&self->inbound);
        if (data == NULL)
            return PyErr_Occurred() ? NULL : hot_none();
        if (PyBytes_Size(data) > 0 || !self->options.stream)
            return data;
        Py_DECREF(data);
    }
    return NULL;
}

/* drain(): see Kcp.drain. */
static PyObject *kcp__drain(PyObject *object, PyObject *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? kcp_inbound_drain(&self->inbound) : NULL;
}

/* Finds the one argument that a method has, a time; NULL for an error. */
static hot_kcp *kcp__at(PyObject *object, const char *method, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *names, double *seconds, int64_t *now)
{
    static const char *const expected[] = {"now"};
    PyObject *given;

    if (kcp_arguments_find(method, expected, 1, args, nargs, names, &given, 1) < 0 || kcp_arguments_time(given, seconds, now) < 0)
        return NULL;
    return kcp__ready(object);
}

/* update(now): see Kcp.update. */
static PyObject *kcp__update(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    double seconds;
    int64_t now;
    hot_kcp *self = kcp__at(object, "update", args, nargs, names, &seconds, &now);

    return self == NULL || kcp_session_update(self, now) < 0 ? NULL : hot_none();
}

/* flush(now): see Kcp.flush. */
static PyObject *kcp__flush(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    double seconds;
    int64_t now;
    hot_kcp *self = kcp__at(object, "flush", args, nargs, names, &seconds, &now);

    if (self == NULL)
        return NULL;
    self->now = now;
    self->flush_at = now + self->options.interval;
    self->has_flushed = 1;
    return kcp_session_flush(self) < 0 ? NULL : hot_none();
}

/* A time as it was given, or a later one in milliseconds. */
static PyObject *kcp__later(double seconds, int64_t milliseconds)
{
    double other = (double)milliseconds / 1000;

    return PyFloat_FromDouble(other > seconds ? other : seconds);
}

/* next_due(now): see Kcp.next_due. */
static PyObject *kcp__next_due(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    double seconds;
    int64_t now, when;
    hot_kcp *self = kcp__at(object, "next_due", args, nargs, names, &seconds, &now);

    if (self == NULL)
        return NULL;
    return kcp_session_next_due(self, now, &when) ? kcp__later(seconds, when) : hot_none();
}

/* next_update(now): see Kcp.next_update. */
static PyObject *kcp__next_update(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    double seconds;
    int64_t now, when;
    hot_kcp *self = kcp__at(object, "next_update", args, nargs, names, &seconds, &now);

    if (self == NULL)
        return NULL;
    if (!self->has_flushed)
        return PyFloat_FromDouble(seconds);
    if (!kcp_session_next_due(self, now, &when))
        return PyFloat_FromDouble(seconds + kcp__longest_rest);
    return kcp__later(seconds, when);
}

/* _begin_at(number): has a session count from there on, before it has done anything. Tests see numbers go round. */
static PyObject *kcp__begin_at(PyObject *object, PyObject *given)
{
    long long number = PyLong_AsLongLong(given);
    hot_kcp *self;

    if (number == -1 && PyErr_Occurred())
        return NULL;
    self = kcp__ready(object);
    if (self == NULL)
        return NULL;
    if (number < 0 || number > (long long)1 << 40 || self->has_flushed || self->inbound.room || self->outbound.room) {
        PyErr_SetString(PyExc_ValueError, "it has begun, or cannot begin there");
        return NULL;
    }
    self->inbound.first = self->inbound.next = self->told = number;
    self->outbound.unacknowledged = self->outbound.next = number;
    return hot_none();
}

static PyObject *kcp__waiting(PyObject *object, void *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? PyLong_FromLongLong(kcp_session__waiting(self)) : NULL;
}

static PyObject *kcp__held(PyObject *object, void *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? PyLong_FromLongLong(self->outbound.held) : NULL;
}

static PyObject *kcp__dead(PyObject *object, void *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? PyBool_FromLong(kcp_session__is_dead(self)) : NULL;
}

static PyObject *kcp__owing(PyObject *object, void *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? PyBool_FromLong(self->is_finished && self->inbound.receipts.count > 0) : NULL;
}

static PyObject *kcp__proven(PyObject *object, void *ignored)
{
    hot_kcp *self = kcp__ready(object);

    (void)ignored;
    return self ? PyBool_FromLong(self->allowance.is_endless) : NULL;
}

static PyObject *kcp__repr(PyObject *object)
{
    hot_kcp *self = (hot_kcp *)object;

    return PyUnicode_FromFormat("<Kcp %lu: %lld waiting%s>", (unsigned long)self->conversation,
                                (long long)kcp_session__waiting(self), kcp_session__is_dead(self) ? ", dead" : "");
}

static PyGetSetDef kcp__properties[] = {
    {"waiting", kcp__waiting, NULL, NULL, NULL},
    {"held", kcp__held, NULL, NULL, NULL},
    {"dead", kcp__dead, NULL, NULL, NULL},
    {"owing", kcp__owing, NULL, NULL, NULL},
    {"proven", kcp__proven, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* usual_kcp_options(options): what a session has that is given none. */
static PyObject *kcp__set_usual_options(PyObject *module, PyObject *options)
{
    (void)module;
    hot_keep(&kcp__usual_options, options);
    return hot_none();
}

static int kcp__traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((hot_kcp *)object)->output);
    return 0;
}

static int kcp__clear(PyObject *object)
{
    Py_CLEAR(((hot_kcp *)object)->output);
    return 0;
}

static void kcp__dealloc(PyObject *object)
{
    hot_kcp *self = (hot_kcp *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(object);
    kcp__clear(object);
    kcp_inbound_free(&self->inbound);
    kcp_queue_free(&self->outbound);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef kcp__methods[] = {
    STREAM_METHOD("send", kcp__send),
    STREAM_METHOD("input", kcp__input),
    {"finish", kcp__finish, METH_NOARGS, NULL},
    {"receive", kcp__receive, METH_NOARGS, NULL},
    {"drain", kcp__drain, METH_NOARGS, NULL},
    STREAM_METHOD("update", kcp__update),
    STREAM_METHOD("flush", kcp__flush),
    STREAM_METHOD("next_update", kcp__next_update),
    STREAM_METHOD("next_due", kcp__next_due),
    {"_begin_at", kcp__begin_at, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot kcp__slots[] = {
    {Py_tp_doc, (void *)"Kcp(conversation, output, options=None, *, epoch=0, unproven=False)\n--\n\n"
                        "The hot half of netcore.kcp.Kcp."},
    {Py_tp_init, (void *)kcp__init},
    {Py_tp_repr, (void *)kcp__repr},
    {Py_tp_members, kcp__members},
    {Py_tp_methods, kcp__methods},
    {Py_tp_getset, kcp__properties},
    {Py_tp_traverse, (void *)kcp__traverse},
    {Py_tp_clear, (void *)kcp__clear},
    {Py_tp_dealloc, (void *)kcp__dealloc},
    {0, NULL},
};

static PyType_Spec kcp__spec = {
    .name = "netcore._native._hot.Kcp",
    .basicsize = sizeof(hot_kcp),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = kcp__slots,
};
