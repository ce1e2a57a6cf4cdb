/* Counters of a loop that C adds to. */

#include "hot.h"

PyTypeObject *hot_counts_type;

static PyMemberDef counts__members[] = {
    {"accepted", T_LONGLONG, offsetof(hot_counts, accepted), 0, NULL},
    {"turns", T_LONGLONG, offsetof(hot_counts, turns), 0, NULL},
    {"events", T_LONGLONG, offsetof(hot_counts, events), 0, NULL},
    {"messages", T_LONGLONG, offsetof(hot_counts, messages), 0, NULL},
    {"bytes_received", T_LONGLONG, offsetof(hot_counts, bytes_received), 0, NULL},
    {"bytes_sent", T_LONGLONG, offsetof(hot_counts, bytes_sent), 0, NULL},
    {"datagrams_received", T_LONGLONG, offsetof(hot_counts, datagrams_received), 0, NULL},
    {"datagrams_sent", T_LONGLONG, offsetof(hot_counts, datagrams_sent), 0, NULL},
    {"ended_here", T_LONGLONG, offsetof(hot_counts, ended_here), 0, NULL},
    {"parting", T_INT, offsetof(hot_counts, parting), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *counts__meter(PyObject *self, void *ignored)
{
    PyObject *meter = (PyObject *)((hot_counts *)self)->meter;

    (void)ignored;
    meter = meter ? meter : Py_None;
    Py_INCREF(meter);
    return meter;
}

static int counts__set_meter(PyObject *self, PyObject *value, void *ignored)
{
    (void)ignored;
    if (hot_is_none(value)) {
        hot_keep(&((hot_counts *)self)->meter, NULL);
        return 0;
    }
    if (!PyObject_TypeCheck(value, hot_meter_type) || ((hot_meter *)value)->clock == NULL) {
        PyErr_SetString(PyExc_TypeError, "not a meter of the hot kind, with a clock");
        return -1;
    }
    hot_keep(&((hot_counts *)self)->meter, value);
    return 0;
}

static PyGetSetDef counts__properties[] = {
    {"meter", counts__meter, counts__set_meter, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static void counts__dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    Py_CLEAR(((hot_counts *)self)->meter);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyType_Slot counts__slots[] = {
    {Py_tp_doc, (void *)"Counts of what C moves; the base of HotCounters."},
    {Py_tp_members, counts__members},
    {Py_tp_getset, counts__properties},
    {Py_tp_dealloc, (void *)counts__dealloc},
    {0, NULL},
};

static PyType_Spec counts__spec = {
    .name = "netcore._native._hot.Counts",
    .basicsize = sizeof(hot_counts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = counts__slots,
};
