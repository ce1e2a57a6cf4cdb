/* Callbacks and timers of an asyncio loop: handles.c, timers.c. */
#ifndef HOT_HANDLES_H
#define HOT_HANDLES_H

#include "hot.h"

/* The fields of asyncio.Handle and asyncio.TimerHandle, which are slots of classes in Python. */
enum {
    HANDLES_CALLBACK,
    HANDLES_ARGS,
    HANDLES_CANCELLED,
    HANDLES_LOOP,
    HANDLES_SOURCE_TRACEBACK,
    HANDLES_REPR,
    HANDLES_CONTEXT,
    HANDLES_FIELDS, /* those of every handle; a timer's follow */
    HANDLES_SCHEDULED = HANDLES_FIELDS,
    HANDLES_WHEN,
    HANDLES_TIMER_FIELDS
};

/* What a loop has to run, and will have. */
typedef struct {
    PyObject_HEAD
    PyObject *loop;
    PyObject *attributes; /* those of the loop itself, beside its class's: a dict */
    PyObject *ready; /* a deque */
    PyObject *append;
    PyObject *popleft;
    PyObject *copy_context;
    PyObject *time;
    PyObject *failed;
    PyObject *compact;
    PyTypeObject *plain; /* asyncio.Handle */
    PyTypeObject *timer; /* asyncio.TimerHandle */
    Py_ssize_t at[HANDLES_FIELDS]; /* where the fields are in each */
    Py_ssize_t timer_at[HANDLES_TIMER_FIELDS];
    double resolution; /* seconds of the clock */
} hot_handles;

#endif
