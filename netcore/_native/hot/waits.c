/* What Python says of a wait, and what it is told. */

#include "hot.h"

static const double waits__longest = 1e6; /* seconds: waiting again costs nothing */

/* Gets the limit of a wait, in seconds; less than none for None, which is for ever. */
static int waits_limit(PyObject *timeout, double *limit)
{
    *limit = -1.0;
    if (timeout == Py_None)
        return 0;
    *limit = PyFloat_AsDouble(timeout);
    if (*limit == -1.0 && PyErr_Occurred())
        return -1;
    if (*limit > waits__longest)
        *limit = waits__longest;
    return 0;
}

/* Lists events, as pairs of descriptor and readiness. */
static PyObject *waits_events(int count, const nc_socket *fds, const int *readiness)
{
    PyObject *list = PyList_New(count);

    for (int i = 0; list != NULL && i < count; i++) {
        PyObject *event = Py_BuildValue("(ni)", (Py_ssize_t)fds[i], readiness[i]);
        if (event == NULL || PyList_SetItem(list, i, event) < 0)
            Py_CLEAR(list);
    }
    return list;
}
