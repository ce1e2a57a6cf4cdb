/* What a session is told in the beginning: from kcp/options.py. */

#include "kcp.h"

/* Reads a whole number of the options, within its bounds. */
static int kcp_options__number(PyObject *options, const char *name, int64_t least, int64_t most, int64_t *value)
{
    PyObject *given = PyObject_GetAttrString(options, name);
    PyObject *number = given ? PyNumber_Index(given) : NULL;

    Py_XDECREF(given);
    *value = number ? PyLong_AsLongLong(number) : -1;
    Py_XDECREF(number);
    if (*value == -1 && PyErr_Occurred())
        return -1;
    if (*value < least || *value > most) {
        PyErr_Format(PyExc_ValueError, "%s is %lld: it must be from %lld to %lld", name, (long long)*value,
                     (long long)least, (long long)most);
        return -1;
    }
    return 0;
}

static int kcp_options__switch(PyObject *options, const char *name, int *value)
{
    PyObject *given = PyObject_GetAttrString(options, name);

    *value = given ? PyObject_IsTrue(given) : -1;
    Py_XDECREF(given);
    return *value < 0 ? -1 : 0;
}

static int kcp_options__interval(PyObject *options, int64_t *value)
{
    PyObject *given = PyObject_GetAttrString(options, "interval");
    double seconds = given ? PyFloat_AsDouble(given) : -1.0;

    Py_XDECREF(given);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0.001 && seconds <= 5)) {
        PyErr_SetString(PyExc_ValueError, "interval must be from 0.001 to 5");
        return -1;
    }
    seconds *= 1000;
    *value = (int64_t)seconds;
    seconds -= (double)*value;
    *value += seconds > 0.5 || (seconds == 0.5 && *value % 2 == 1); /* as round does */
    return 0;
}

/* Reads all of them; they may have got round the checks of that class. */
static int kcp_options_read(PyObject *options, kcp_options *to)
{
    int64_t no_delay;

    if (kcp_options__number(options, "no_delay", 0, 2, &no_delay) < 0 || kcp_options__interval(options, &to->interval) < 0 ||
        kcp_options__number(options, "fast_resend", 0, KCP_LARGEST_WINDOW, &to->fast_resend) < 0 ||
        kcp_options__switch(options, "congestion_control", &to->congestion_control) < 0 ||
        kcp_options__number(options, "send_window", 1, KCP_LARGEST_WINDOW, &to->send_window) < 0 ||
        kcp_options__number(options, "receive_window", 1, KCP_LARGEST_WINDOW, &to->receive_window) < 0 ||
        kcp_options__number(options, "mtu", KCP_HEADER + 1, KCP_LARGEST_DATAGRAM, &to->mtu) < 0 ||
        kcp_options__switch(options, "stream", &to->stream) < 0 ||
        kcp_options__number(options, "dead_link", 1, (int64_t)1 << 31, &to->dead_link) < 0)
        return -1;
    to->no_delay = (int)no_delay;
    to->segment_size = to->mtu - KCP_HEADER;
    return 0;
}
