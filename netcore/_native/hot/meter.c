/* How long turns and callbacks take: the hot half of connection/core/meter.py.
 *
 * Where nothing is measured there is no meter, and a callback costs a look whether there is one. The counts are plain
 * numbers of the loop's thread, and any thread may read them: one may be a moment older than another. */

#include "hot.h"

PyTypeObject *hot_meter_type;

/* Upper bounds of the buckets in nanoseconds; BOUNDS of meter.py. */
static const int64_t meter__bounds[METER_BOUNDS] = {
    1000,      2000,      5000,      10000,      20000,      50000,      100000,     200000,
    500000,    1000000,   2000000,   5000000,    10000000,   20000000,   50000000,   100000000,
    200000000, 500000000, 1000000000, 2000000000, 5000000000, 10000000000,
};

/* Most durations are short: few steps, which the processor foresees. */
static void meter__add(hot_durations *durations, int64_t took)
{
    int bucket = 0;

    while (bucket < METER_BOUNDS && took > meter__bounds[bucket])
        bucket++;
    durations->counts[bucket]++;
    durations->sum += took;
}

/* A wait is over, and callbacks may follow. */
static HOT_SELDOM void meter_begin_turn(hot_meter *self)
{
    self->began = self->stamp = self->clock();
    self->in_turn = 1;
}

/* The next wait is about to begin, or others have the thread. */
static HOT_SELDOM void meter_end_turn(hot_meter *self)
{
    if (self->in_turn)
        meter__add(&self->turns, self->clock() - self->began);
    self->in_turn = 0;
}

/* A callback follows, behind something that has taken its time. */
static HOT_SELDOM void meter_look(hot_meter *self)
{
    self->stamp = self->clock();
}

/* A callback has returned, which followed on one of the above, or on another callback. */
static HOT_SELDOM void meter_called(hot_meter *self)
{
    int64_t now = self->clock();

    meter__add(&self->callbacks, now - self->stamp);
    self->stamp = now;
}

/* Does so if there is a meter. */
static inline void hot_look(const hot_counts *counts)
{
    if (counts->meter != NULL)
        meter_look(counts->meter);
}

static inline void hot_called(const hot_counts *counts)
{
    if (counts->meter != NULL)
        meter_called(counts->meter);
}

/* set_clock(address): that of nc_nanoseconds, before anything else. */
static PyObject *meter__set_clock(PyObject *object, PyObject *address)
{
    hot_meter *self = (hot_meter *)object;
    hot_nanoseconds clock;

    if (hot_function(&clock, address) < 0)
        return NULL;
    if (clock == NULL) {
        PyErr_SetString(PyExc_ValueError, "0 is the address of no clock");
        return NULL;
    }
    self->clock = clock;
    self->stamp = clock();
    return hot_none();
}

static PyObject *meter__do(PyObject *object, void (*what)(hot_meter *))
{
    hot_meter *self = (hot_meter *)object;

    if (self->clock == NULL) {
        hot_unready(self);
        return NULL;
    }
    what(self);
    return hot_none();
}

static PyObject *meter__begin_turn(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return meter__do(object, meter_begin_turn);
}

static PyObject *meter__end_turn(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return meter__do(object, meter_end_turn);
}

static PyObject *meter__look(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return meter__do(object, meter_look);
}

static PyObject *meter__called(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    return meter__do(object, meter_called);
}

/* Returns the counts and the sum. */
static PyObject *meter__show(const hot_durations *durations)
{
    PyObject *counts = PyList_New(METER_BOUNDS + 1);

    for (Py_ssize_t i = 0; counts != NULL && i <= METER_BOUNDS; i++) {
        PyObject *count = PyLong_FromLongLong(durations->counts[i]);
        if (count == NULL || PyList_SetItem(counts, i, count) < 0)
            Py_CLEAR(counts);
    }
    return counts ? Py_BuildValue("(NL)", counts, (long long)durations->sum) : NULL;
}

static PyObject *meter__turns(PyObject *object, void *ignored)
{
    (void)ignored;
    return meter__show(&((hot_meter *)object)->turns);
}

static PyObject *meter__callbacks(PyObject *object, void *ignored)
{
    (void)ignored;
    return meter__show(&((hot_meter *)object)->callbacks);
}

static void meter__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef meter__methods[] = {
    {"set_clock", meter__set_clock, METH_O, "Says, by its address, what clock is read."},
    {"begin_turn", meter__begin_turn, METH_NOARGS, "See BaseMeter.begin_turn."},
    {"end_turn", meter__end_turn, METH_NOARGS, "See BaseMeter.end_turn."},
    {"look", meter__look, METH_NOARGS, "See BaseMeter.look."},
    {"called", meter__called, METH_NOARGS, "See BaseMeter.called."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef meter__properties[] = {
    {"turns", meter__turns, NULL, NULL, NULL},
    {"callbacks", meter__callbacks, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot meter__slots[] = {
    {Py_tp_doc, (void *)"The base of HotMeter."},
    {Py_tp_methods, meter__methods},
    {Py_tp_getset, meter__properties},
    {Py_tp_dealloc, (void *)meter__dealloc},
    {0, NULL},
};

static PyType_Spec meter__spec = {
    .name = "netcore._native._hot.Meter",
    .basicsize = sizeof(hot_meter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = meter__slots,
};
