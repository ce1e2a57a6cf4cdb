/* Errors that are somebody's to pay for, or to be told of. */

#include "hot.h"

/* Takes the error that is set, as an exception with its traceback; NULL if there is none. */
static PyObject *hot_fetch(void)
{
    PyObject *type, *error, *trace;

    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (error != NULL && trace != NULL)
        PyException_SetTraceback(error, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return error;
}

/* Sets an error again that hot_fetch has taken; the reference goes with it. */
static void hot_raise(PyObject *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

/* Has somebody, or nobody in particular, pay for the error that is set; see Host.charge. */
static void hot_charge(PyObject *host, PyObject *payer)
{
    PyObject *error = hot_fetch();
    PyObject *result =
        error ? PyObject_CallMethodObjArgs(host, hot_name_charge, payer ? payer : Py_None, error, NULL) : NULL;

    if (result == NULL)
        PyErr_WriteUnraisable(host);
    Py_XDECREF(result);
    Py_XDECREF(error);
}
