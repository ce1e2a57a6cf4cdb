/* Arguments of sessions. What converts them may run code of others. */

#include "hot.h"
#include <math.h>

static const double kcp_arguments__farthest = 1e12; /* seconds; see session.py */

static int kcp_arguments_conversation(PyObject *given, uint32_t *conversation)
{
    PyObject *number = PyNumber_Index(given);
    int overflow = 0;
    long long value = number ? PyLong_AsLongLongAndOverflow(number, &overflow) : -1;

    Py_XDECREF(number);
    if (number == NULL)
        return -1;
    if (overflow || value < 0 || value > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "conversation is %R: it has 32 bits", given);
        return -1;
    }
    *conversation = (uint32_t)value;
    return 0;
}

static int kcp_arguments_epoch(PyObject *given, uint32_t *epoch)
{
    PyObject *number = given ? PyNumber_Index(given) : NULL;

    *epoch = number ? (uint32_t)PyLong_AsUnsignedLongLongMask(number) : 0;
    Py_XDECREF(number);
    return given && !number ? -1 : 0;
}

/* Finds the arguments of a method, by their places or names; those that are not given stay NULL. */
static int kcp_arguments_find(const char *method, const char *const *names, Py_ssize_t least, PyObject *const *args,
                              Py_ssize_t nargs, PyObject *given_names, PyObject **found, Py_ssize_t most)
{
    Py_ssize_t named = given_names ? PyTuple_Size(given_names) : 0;

    if (nargs > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments at most: %zd were given", method, most, nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < most; i++)
        found[i] = i < nargs ? args[i] : NULL;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(given_names, i);
        Py_ssize_t at = 0;
        while (at < most && PyUnicode_CompareWithASCIIString(name, names[at]) != 0)
            at++;
        if (at == most || found[at] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected argument %R", method, name);
            return -1;
        }
        found[at] = args[nargs + i];
    }
    for (Py_ssize_t i = 0; i < least; i++) {
        if (found[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() is missing the argument '%s'", method, names[i]);
            return -1;
        }
    }
    return 0;
}

/* A new reference to bytes that nobody changes. */
static PyObject *kcp_arguments_bytes(PyObject *data)
{
    PyObject *view, *bytes;

    if (PyBytes_CheckExact(data)) {
        Py_INCREF(data);
        return data;
    }
    view = PyMemoryView_FromObject(data);
    bytes = view ? PyBytes_FromObject(view) : NULL;
    Py_XDECREF(view);
    return bytes;
}

static int kcp_arguments_time(PyObject *given, double *seconds, int64_t *milliseconds)
{
    *seconds = PyFloat_AsDouble(given);
    if (*seconds == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear(); /* an int that is too large for a float is too large for a time */
        *seconds = HUGE_VAL;
    }
    if (!(*seconds >= -kcp_arguments__farthest && *seconds <= kcp_arguments__farthest)) {
        PyErr_Format(PyExc_ValueError, "%R is no time", given);
        return -1;
    }
    *milliseconds = (int64_t)(*seconds * 1000 + 0.5);
    return 0;
}
