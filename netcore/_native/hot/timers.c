/* The timers of an asyncio loop: a heap in a list, as that of heapq, of asyncio's own handles. */

#include "handles.h"

enum { TIMERS_FEW = 100 }; /* of which cancelled ones may stay; see base_events.py */

static const double timers__longest = 24 * 3600; /* seconds that a wait takes at most; see base_events.py */

static inline PyObject **handles__place(PyObject *handle, Py_ssize_t at)
{
    return (PyObject **)((char *)handle + at);
}

static inline PyObject *handles_get(PyObject *handle, Py_ssize_t at)
{
    return *handles__place(handle, at);
}

/* Puts a reference, which it takes over, in a field. */
static inline void handles_put(PyObject *handle, Py_ssize_t at, PyObject *value)
{
    hot_replace(handles__place(handle, at), value);
}

static inline void handles_keep(PyObject *handle, Py_ssize_t at, PyObject *value)
{
    hot_keep(handles__place(handle, at), value);
}

/* When a timer of the list is due. What is no timer as it should be is an error. */
static int timers__when(const hot_handles *self, PyObject *handle, double *when)
{
    PyObject *value = NULL;

    if (handle == NULL) /* a time that is no float has changed the list when it was asked for its number */
        return -1;
    if (PyObject_TypeCheck(handle, self->timer))
        value = handles_get(handle, self->timer_at[HANDLES_WHEN]);
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "%R is no timer", handle);
        return -1;
    }
    *when = PyFloat_AsDouble(value);
    return *when == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static void timers__swap(PyObject *heap, Py_ssize_t a, Py_ssize_t b)
{
    PyObject *x = PyList_GetItem(heap, a);
    PyObject *y = PyList_GetItem(heap, b);

    Py_INCREF(x);
    Py_INCREF(y);
    PyList_SetItem(heap, a, y);
    PyList_SetItem(heap, b, x);
}

/* Moves an entry towards the root, to where its parent is not later; as heapq does. */
static int timers__rise(const hot_handles *self, PyObject *heap, Py_ssize_t at)
{
    double own, other;

    if (timers__when(self, PyList_GetItem(heap, at), &own) < 0)
        return -1;
    while (at > 0) {
        Py_ssize_t parent = (at - 1) / 2;
        if (timers__when(self, PyList_GetItem(heap, parent), &other) < 0)
            return -1;
        if (!(own < other))
            break;
        timers__swap(heap, at, parent);
        at = parent;
    }
    return 0;
}

/* Adds a timer. */
static int timers_push(const hot_handles *self, PyObject *heap, PyObject *handle)
{
    Py_ssize_t at;

    if (!PyList_CheckExact(heap)) {
        PyErr_SetString(PyExc_TypeError, "timers are kept in a list");
        return -1;
    }
    if (PyList_Append(heap, handle) < 0)
        return -1;
    at = PyList_Size(heap) - 1;
    if (timers__rise(self, heap, at) < 0) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        PyList_SetSlice(heap, at, at + 1, NULL); /* a time that is no number: as if it had not been asked for */
        PyErr_Restore(type, error, trace);
        return -1;
    }
    return 0;
}

/* Takes the earliest timer out; a new reference. */
static PyObject *timers__pop(const hot_handles *self, PyObject *heap)
{
    Py_ssize_t last = PyList_Size(heap) - 1;
    Py_ssize_t at = 0;
    PyObject *first = PyList_GetItem(heap, 0);

    Py_XINCREF(first);
    if (first == NULL)
        return NULL;
    if (last > 0)
        timers__swap(heap, 0, last);
    if (PyList_SetSlice(heap, last, last + 1, NULL) < 0)
        goto failed;
    while (2 * at + 1 < last) { /* down to a leaf along the earlier children, and from there up: fewer comparisons */
        Py_ssize_t child = 2 * at + 1;
        double left, right;
        if (child + 1 < last) {
            if (timers__when(self, PyList_GetItem(heap, child), &left) < 0 ||
                timers__when(self, PyList_GetItem(heap, child + 1), &right) < 0)
                goto failed;
            child += !(left < right);
        }
        timers__swap(heap, at, child);
        at = child;
    }
    if (last > 0 && timers__rise(self, heap, at) < 0)
        goto failed;
    return first;
failed:
    Py_DECREF(first);
    return NULL;
}

static PyObject *timers__list(const hot_handles *self)
{
    PyObject *heap = PyObject_GetAttr(self->loop, hot_name__scheduled);

    if (heap != NULL && !PyList_CheckExact(heap)) {
        PyErr_SetString(PyExc_TypeError, "timers are kept in a list");
        Py_CLEAR(heap);
    }
    return heap;
}

/* What the loop's clock shows, which tests replace on the loop that they have: a new reference. */
static PyObject *timers_clock(const hot_handles *self)
{
    PyObject *replaced = PyDict_GetItemWithError(self->attributes, hot_name_time);

    if (replaced == NULL)
        return PyErr_Occurred() ? NULL : PyObject_CallFunctionObjArgs(self->time, NULL);
    Py_INCREF(replaced); /* it may restore the clock */
    PyObject *now = PyObject_CallFunctionObjArgs(replaced, NULL);
    Py_DECREF(replaced);
    return now;
}

/* Seconds of the loop's clock. */
static int timers__now(const hot_handles *self, double *now)
{
    PyObject *time = timers_clock(self);

    if (time == NULL)
        return -1;
    *now = PyFloat_AsDouble(time);
    Py_DECREF(time);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int timers__count_cancelled(const hot_handles *self, Py_ssize_t change, Py_ssize_t *count)
{
    PyObject *number = PyObject_GetAttr(self->loop, hot_name__timer_cancelled_count);
    int status = 0;

    *count = number ? PyLong_AsSsize_t(number) : -1;
    Py_XDECREF(number);
    if (*count == -1 && PyErr_Occurred())
        return -1;
    if (change != 0) {
        number = PyLong_FromSsize_t(*count + change);
        status = number ? PyObject_SetAttr(self->loop, hot_name__timer_cancelled_count, number) : -1;
        Py_XDECREF(number);
    }
    return status;
}

/* Takes out timers that are cancelled: the first ones, or all if they are many. */
static int timers__tidy(const hot_handles *self, PyObject *heap)
{
    Py_ssize_t planned = PyList_Size(heap);
    Py_ssize_t cancelled = 0;
    Py_ssize_t taken = 0;

    if (planned > TIMERS_FEW) {
        if (timers__count_cancelled(self, 0, &cancelled) < 0)
            return -1;
        if (2 * cancelled > planned) {
            PyObject *done = PyObject_CallFunctionObjArgs(self->compact, NULL);
            Py_XDECREF(done);
            return done == NULL ? -1 : 0;
        }
    }
    for (; planned > 0; planned--, taken++) {
        PyObject *first = PyList_GetItem(heap, 0);
        if (!PyObject_TypeCheck(first, self->timer) ||
            handles_get(first, self->timer_at[HANDLES_CANCELLED]) != Py_True)
            break;
        first = timers__pop(self, heap);
        if (first == NULL)
            return -1;
        handles_keep(first, self->timer_at[HANDLES_SCHEDULED], Py_False);
        Py_DECREF(first);
    }
    return taken ? timers__count_cancelled(self, -taken, &cancelled) : 0;
}

/* timeout(): how long the loop may wait: 0 if there is something to run, None if nothing is planned. */
static PyObject *timers__timeout(PyObject *object, PyObject *ignored)
{
    hot_handles *self = (hot_handles *)object;
    PyObject *heap = NULL;
    PyObject *stopping, *result = NULL;
    double when, now;
    int is_busy;

    (void)ignored;
    if (self->loop == NULL || self->compact == NULL) {
        hot_unready(self);
        return NULL;
    }
    heap = timers__list(self);
    if (heap == NULL || (PyList_Size(heap) > 0 && timers__tidy(self, heap) < 0))
        goto done;
    stopping = PyObject_GetAttr(self->loop, hot_name__stopping);
    is_busy = stopping ? PyObject_IsTrue(stopping) : -1;
    Py_XDECREF(stopping);
    if (is_busy < 0)
        goto done;
    hot_replace(&heap, timers__list(self)); /* a new one, if it was compacted */
    if (heap == NULL)
        goto done;
    if (is_busy || PyObject_Size(self->ready) != 0) {
        result = PyFloat_FromDouble(0.0);
    } else if (PyList_Size(heap) == 0) {
        result = hot_none();
    } else if (timers__when(self, PyList_GetItem(heap, 0), &when) == 0 && timers__now(self, &now) == 0) {
        now = when - now;
        now = now > timers__longest ? timers__longest : now;
        result = PyFloat_FromDouble(now > 0.0 ? now : 0.0);
    }
done:
    Py_XDECREF(heap);
    return result;
}

/* Makes the timers that are due ready to run. */
static int timers_due(const hot_handles *self)
{
    PyObject *heap = timers__list(self);
    double end, when;
    int status = -1;

    if (heap == NULL)
        return -1;
    if (PyList_Size(heap) == 0) {
        Py_DECREF(heap);
        return 0;
    }
    if (timers__now(self, &end) < 0)
        goto done;
    end += self->resolution;
    while (PyList_Size(heap) > 0) {
        PyObject *handle, *put;
        if (timers__when(self, PyList_GetItem(heap, 0), &when) < 0)
            goto done;
        if (when >= end)
            break;
        handle = timers__pop(self, heap);
        if (handle == NULL)
            goto done;
        handles_keep(handle, self->timer_at[HANDLES_SCHEDULED], Py_False);
        put = PyObject_CallFunctionObjArgs(self->append, handle, NULL);
        Py_DECREF(handle);
        Py_XDECREF(put);
        if (put == NULL)
            goto done;
    }
    status = 0;
done:
    Py_DECREF(heap);
    return status;
}
