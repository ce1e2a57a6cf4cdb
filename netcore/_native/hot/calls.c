/* What is done with sockets: functions, by their addresses. */

#include "hot.h"

static int calls__address(PyObject *addresses, const char *name, void *place)
{
    PyObject *address = PyMapping_GetItemString(addresses, (char *)name);
    void *pointer;

    if (address == NULL)
        return -1;
    pointer = PyLong_AsVoidPtr(address);
    Py_DECREF(address);
    if (pointer == NULL && PyErr_Occurred())
        return -1;
    memcpy(place, &pointer, sizeof pointer); /* ISO C has no cast from there to a function */
    return 0;
}

/* Finds the functions whose addresses are given by name. */
static int calls_find(hot_calls *to, PyObject *addresses)
{
    if (calls__address(addresses, "ring", &to->ring) < 0 || calls__address(addresses, "receive", &to->receive) < 0 ||
        calls__address(addresses, "receive_one", &to->receive_one) < 0 ||
        calls__address(addresses, "send", &to->send) < 0 || calls__address(addresses, "send_one", &to->send_one) < 0 ||
        calls__address(addresses, "available", &to->available) < 0)
        return -1;
    return 0;
}
