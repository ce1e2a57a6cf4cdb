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

static void counts__dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyType_Slot counts__slots[] = {
    {Py_tp_doc, (void *)"Counts of what C moves; the base of HotCounters."},
    {Py_tp_members, counts__members},
    {Py_tp_dealloc, (void *)counts__dealloc},
    {0, NULL},
};

static PyType_Spec counts__spec = {
    .name = "netcore._native._hot.Counts",
    .basicsize = sizeof(hot_counts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = counts__slots,
};
