/* Progress that puts deadlines off, of which there is some in every message: the hot half of
 * connection/core/deadlines.py. The rest of it, periods and what they are measured from, is Python's. */

#include "hot.h"

PyTypeObject *hot_deadlines_type;

static PyMemberDef deadlines__members[] = {
    {"last_in", T_DOUBLE, offsetof(hot_deadlines, last_in), 0, NULL},
    {"_last_out", T_DOUBLE, offsetof(hot_deadlines, last_out), 0, NULL},
    {"_wrote_at", T_DOUBLE, offsetof(hot_deadlines, wrote_at), 0, NULL},
    {"_queued", T_PYSSIZET, offsetof(hot_deadlines, queued), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Whether they are of the kind that C knows; a stream may have none, or, from Python, others. */
static int deadlines_are_hot(PyObject *deadlines)
{
    return PyObject_TypeCheck(deadlines, hot_deadlines_type);
}

/* The time of the loop; see Host.time. */
static int deadlines__time(PyObject *host, double *now)
{
    PyObject *time = host ? PyObject_GetAttr(host, hot_name_time) : NULL;

    if (time == NULL) {
        if (host == NULL)
            PyErr_SetString(PyExc_RuntimeError, "no loop tells the time");
        return -1;
    }
    *now = PyFloat_AsDouble(time);
    Py_DECREF(time);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* Bytes were received; see Deadlines.last_in. */
static int deadlines_received(PyObject *deadlines, PyObject *host)
{
    PyObject *time;
    int status;

    if (deadlines_are_hot(deadlines))
        return deadlines__time(host, &((hot_deadlines *)deadlines)->last_in);
    time = PyObject_GetAttr(host, hot_name_time);
    status = time == NULL ? -1 : PyObject_SetAttr(deadlines, hot_name_last_in, time);
    Py_XDECREF(time);
    return status;
}

/* So many bytes go to the kernel at the end of this turn; see Deadlines.wrote. */
static int deadlines_wrote(hot_deadlines *self, PyObject *host, Py_ssize_t n)
{
    double now;

    if (deadlines__time(host, &now) < 0)
        return -1;
    if (now != self->wrote_at) {
        self->last_out = self->wrote_at;
        self->wrote_at = now;
        self->queued = 0;
    }
    self->queued = n < PY_SSIZE_T_MAX - self->queued ? self->queued + n : PY_SSIZE_T_MAX;
    return 0;
}

static void deadlines__dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyType_Slot deadlines__slots[] = {
    {Py_tp_doc, (void *)"The base of HotDeadlines."},
    {Py_tp_members, deadlines__members},
    {Py_tp_dealloc, (void *)deadlines__dealloc},
    {0, NULL},
};

static PyType_Spec deadlines__spec = {
    .name = "netcore._native._hot.Deadlines",
    .basicsize = sizeof(hot_deadlines),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = deadlines__slots,
};
