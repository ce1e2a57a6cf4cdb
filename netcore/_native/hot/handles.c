/* Running the callbacks of an asyncio loop, and making the handles that stand for them.
 *
 * The twin is asyncio's own loop in Python, whose order this keeps. The handles are asyncio's own, too: objects of its
 * classes, made and read where their slots lie, which is found out once, by looking for what was put there. */

#include "timers.c"

PyTypeObject *hot_handles_type;

static const char *const handles__names[HANDLES_TIMER_FIELDS] = {
    "_callback", "_args", "_cancelled", "_loop", "_source_traceback", "_repr", "_context", "_scheduled", "_when",
};

/* Finds where in the objects of a class a slot is. Its other slots are empty, or have been found: -1 and an error if
 * it is not as it should be. */
static Py_ssize_t handles__find(PyObject *example, Py_ssize_t size, const char *name)
{
    PyObject *mark = PyList_New(0); /* like nothing else that there is */
    Py_ssize_t found = -1;

    if (mark == NULL)
        return -1;
    if (PyObject_SetAttrString(example, name, mark) == 0) {
        for (Py_ssize_t at = (Py_ssize_t)sizeof(PyObject); at + (Py_ssize_t)sizeof(PyObject *) <= size;
             at += (Py_ssize_t)sizeof(PyObject *)) {
            if (handles_get(example, at) == mark) {
                found = at;
                break;
            }
        }
        if (found < 0)
            PyErr_Format(PyExc_TypeError, "the slot %s is not where slots are", name);
        /* Not PyObject_DelAttrString: it is no function of the stable ABI before 3.13. */
        if (PyObject_SetAttrString(example, name, NULL) < 0)
            found = -1;
    }
    Py_DECREF(mark);
    return found;
}

static int handles__survey(PyTypeObject *type, Py_ssize_t *at, int count)
{
    PyObject *number = PyObject_GetAttrString((PyObject *)type, "__basicsize__");
    Py_ssize_t size = number ? PyLong_AsSsize_t(number) : -1;
    PyObject *example = size > 0 ? PyType_GenericAlloc(type, 0) : NULL;
    int status = example == NULL ? -1 : 0;

    for (int i = 0; status == 0 && i < count; i++) {
        at[i] = handles__find(example, size, handles__names[i]);
        status = at[i] < 0 ? -1 : 0;
    }
    Py_XDECREF(example);
    Py_XDECREF(number);
    return status;
}

/* Handles(loop, ready, (Handle, TimerHandle), (copy_context, time, failed, compact), resolution) */
static int handles__init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    hot_handles *self = (hot_handles *)object;
    PyObject *loop, *ready, *plain, *timer, *copy_context, *time, *failed, *compact, *attributes;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OO(O!O!)(OOOO)d", &loop, &ready, &PyType_Type, &plain, &PyType_Type, &timer,
                          &copy_context, &time, &failed, &compact, &self->resolution))
        return -1;
    if (handles__survey((PyTypeObject *)plain, self->at, HANDLES_FIELDS) < 0 ||
        handles__survey((PyTypeObject *)timer, self->timer_at, HANDLES_TIMER_FIELDS) < 0)
        return -1;
    attributes = PyObject_GenericGetDict(loop, NULL);
    if (attributes == NULL)
        return -1;
    hot_keep(&self->loop, loop);
    hot_replace(&self->attributes, attributes);
    hot_keep(&self->ready, ready);
    hot_replace(&self->append, PyObject_GetAttrString(ready, "append"));
    hot_replace(&self->popleft, PyObject_GetAttrString(ready, "popleft"));
    hot_keep(&self->copy_context, copy_context);
    hot_keep(&self->time, time);
    hot_keep(&self->failed, failed);
    hot_keep(&self->compact, compact);
    hot_keep(&self->plain, plain);
    hot_keep(&self->timer, timer);
    return self->append == NULL || self->popleft == NULL ? -1 : 0;
}

/* Whether a call has the arguments that most have: so many without a name at least, and by name none but a context. */
static int handles__is_common(Py_ssize_t nargs, Py_ssize_t least, PyObject *names)
{
    Py_ssize_t count = names ? PyTuple_Size(names) : 0;

    if (nargs < least || count > 1)
        return 0;
    return count == 0 || PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "context") == 0;
}

/* The context of such a call; NULL for a copy of that of the moment. */
static PyObject *handles__context(PyObject *const *named, PyObject *names)
{
    return names == NULL || PyTuple_Size(names) == 0 || named[0] == Py_None ? NULL : named[0];
}

/* Leaves any other call to asyncio's own method, which knows what is wrong with it, if anything is. */
static PyObject *handles__leave(hot_handles *self, const char *name, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *names)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)Py_TYPE(self->loop), name);
    PyObject *given = PyTuple_New(nargs + 1);
    PyObject *named = PyDict_New();
    PyObject *result = NULL;

    if (method == NULL || given == NULL || named == NULL)
        goto done;
    Py_INCREF(self->loop);
    PyTuple_SetItem(given, 0, self->loop);
    for (Py_ssize_t i = 0; i < nargs; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(given, i + 1, args[i]);
    }
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_Size(names); i++)
        if (PyDict_SetItem(named, PyTuple_GetItem(names, i), args[nargs + i]) < 0)
            goto done;
    result = PyObject_Call(method, given, named);
done:
    Py_XDECREF(method);
    Py_XDECREF(given);
    Py_XDECREF(named);
    return result;
}

/* Makes a handle of one of the two classes, for a callback and what to call it with. */
static PyObject *handles__make(hot_handles *self, PyTypeObject *type, const Py_ssize_t *at, PyObject *callback,
                               PyObject *const *args, Py_ssize_t count, PyObject *context)
{
    PyObject *handle = PyType_GenericAlloc(type, 0);
    PyObject *given = handle ? PyTuple_New(count) : NULL;

    if (given == NULL) {
        Py_XDECREF(handle);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(given, i, args[i]);
    }
    handles_put(handle, at[HANDLES_ARGS], given);
    if (context != NULL)
        Py_INCREF(context);
    else
        context = PyObject_CallFunctionObjArgs(self->copy_context, NULL);
    if (context == NULL) {
        Py_DECREF(handle);
        return NULL;
    }
    handles_put(handle, at[HANDLES_CONTEXT], context);
    handles_keep(handle, at[HANDLES_CALLBACK], callback);
    handles_keep(handle, at[HANDLES_LOOP], self->loop);
    handles_keep(handle, at[HANDLES_CANCELLED], Py_False);
    handles_keep(handle, at[HANDLES_SOURCE_TRACEBACK], Py_None);
    handles_keep(handle, at[HANDLES_REPR], Py_None);
    return handle;
}

static int handles__is_ready(const hot_handles *self)
{
    if (self->loop != NULL && self->compact != NULL)
        return 1;
    hot_unready(self);
    return 0;
}

/* call_soon(callback, *args, context=None): see asyncio's. */
static PyObject *handles__call_soon(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    hot_handles *self = (hot_handles *)object;
    PyObject *handle, *done;

    if (!handles__is_ready(self))
        return NULL;
    if (!handles__is_common(nargs, 1, names))
        return handles__leave(self, "call_soon", args, nargs, names);
    handle = handles__make(self, self->plain, self->at, args[0], args + 1, nargs - 1,
                           handles__context(args + nargs, names));
    if (handle == NULL)
        return NULL;
    done = PyObject_CallFunctionObjArgs(self->append, handle, NULL);
    if (done == NULL)
        Py_CLEAR(handle);
    Py_XDECREF(done);
    return handle;
}

/* Plans a call; `when` is a reference that it takes over. */
static PyObject *handles__plan(hot_handles *self, PyObject *when, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *context)
{
    PyObject *handle = handles__make(self, self->timer, self->timer_at, args[1], args + 2, nargs - 2, context);
    PyObject *scheduled;

    if (handle == NULL) {
        Py_DECREF(when);
        return NULL;
    }
    handles_put(handle, self->timer_at[HANDLES_WHEN], when);
    handles_keep(handle, self->timer_at[HANDLES_SCHEDULED], Py_True);
    scheduled = PyObject_GetAttr(self->loop, hot_name__scheduled);
    if (scheduled == NULL || timers_push(self, scheduled, handle) < 0)
        Py_CLEAR(handle);
    Py_XDECREF(scheduled);
    return handle;
}

/* call_at(when, callback, *args, context=None): see asyncio's. */
static PyObject *handles__call_at(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    hot_handles *self = (hot_handles *)object;

    if (!handles__is_ready(self))
        return NULL;
    if (!handles__is_common(nargs, 2, names) || args[0] == Py_None)
        return handles__leave(self, "call_at", args, nargs, names);
    Py_INCREF(args[0]);
    return handles__plan(self, args[0], args, nargs, handles__context(args + nargs, names));
}

/* call_later(delay, callback, *args, context=None): see asyncio's. */
static PyObject *handles__call_later(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    hot_handles *self = (hot_handles *)object;
    PyObject *now, *when;

    if (!handles__is_ready(self))
        return NULL;
    if (!handles__is_common(nargs, 2, names) || args[0] == Py_None)
        return handles__leave(self, "call_later", args, nargs, names);
    now = timers_clock(self);
    when = now ? PyNumber_Add(now, args[0]) : NULL;
    Py_XDECREF(now);
    return when ? handles__plan(self, when, args, nargs, handles__context(args + nargs, names)) : NULL;
}

/* Calls what a handle stands for, in its context; NULL with an error if it has raised. */
static PyObject *handles__invoke(PyObject *handle, const Py_ssize_t *at)
{
    PyObject *context = handles_get(handle, at[HANDLES_CONTEXT]);
    PyObject *callback = handles_get(handle, at[HANDLES_CALLBACK]);
    PyObject *args = handles_get(handle, at[HANDLES_ARGS]);
    Py_ssize_t count = args && PyTuple_Check(args) ? PyTuple_Size(args) : -1;
    PyObject *result, *run;

    if (context == NULL || callback == NULL || count < 0 || count > 2)
        return PyObject_CallMethodObjArgs(handle, hot_name__run, NULL);
    Py_INCREF(context); /* a callback that cancels its own handle empties it */
    Py_INCREF(callback);
    Py_INCREF(args);
    run = hot_name_run;
    if (count == 0)
        result = PyObject_CallMethodObjArgs(context, run, callback, NULL);
    else if (count == 1)
        result = PyObject_CallMethodObjArgs(context, run, callback, PyTuple_GetItem(args, 0), NULL);
    else
        result = PyObject_CallMethodObjArgs(context, run, callback, PyTuple_GetItem(args, 0),
                                            PyTuple_GetItem(args, 1), NULL);
    Py_DECREF(args);
    Py_DECREF(callback);
    Py_DECREF(context);
    return result;
}

/* Runs a handle, unless it is cancelled; an error is told, but an exit. */
static int handles__run_one(hot_handles *self, PyObject *handle)
{
    int is_plain = Py_TYPE(handle) == self->plain;
    PyObject *result, *error, *told;

    if (is_plain || Py_TYPE(handle) == self->timer) {
        const Py_ssize_t *at = is_plain ? self->at : self->timer_at;
        if (handles_get(handle, at[HANDLES_CANCELLED]) == Py_True)
            return 0;
        result = handles__invoke(handle, at);
    } else {
        PyObject *cancelled = PyObject_GetAttr(handle, hot_name__cancelled);
        int is_cancelled = cancelled ? PyObject_IsTrue(cancelled) : -1;
        Py_XDECREF(cancelled);
        if (is_cancelled != 0)
            return is_cancelled > 0 ? 0 : -1;
        result = PyObject_CallMethodObjArgs(handle, hot_name__run, NULL);
    }
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    if (exchange__is_exit())
        return -1;
    error = hot_fetch();
    told = error ? PyObject_CallFunctionObjArgs(self->failed, handle, error, NULL) : NULL;
    Py_XDECREF(error);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

/* run(): makes the timers that are due ready, and runs what is ready now, and nothing that becomes so meanwhile. */
static PyObject *handles__run(PyObject *object, PyObject *ignored)
{
    hot_handles *self = (hot_handles *)object;
    Py_ssize_t count;
    int status = 0;

    (void)ignored;
    if (!handles__is_ready(self) || timers_due(self) < 0)
        return NULL;
    count = PyObject_Size(self->ready);
    for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
        PyObject *handle = PyObject_CallFunctionObjArgs(self->popleft, NULL);
        status = handle ? handles__run_one(self, handle) : -1;
        Py_XDECREF(handle);
    }
    return status < 0 || count < 0 ? NULL : hot_none();
}

static int handles__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_handles *self = (hot_handles *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->loop);
    Py_VISIT(self->attributes);
    Py_VISIT(self->ready);
    Py_VISIT(self->append);
    Py_VISIT(self->popleft);
    Py_VISIT(self->copy_context);
    Py_VISIT(self->time);
    Py_VISIT(self->failed);
    Py_VISIT(self->compact);
    Py_VISIT(self->plain);
    Py_VISIT(self->timer);
    return 0;
}

static int handles__clear(PyObject *object)
{
    hot_handles *self = (hot_handles *)object;

    Py_CLEAR(self->loop);
    Py_CLEAR(self->attributes);
    Py_CLEAR(self->ready);
    Py_CLEAR(self->append);
    Py_CLEAR(self->popleft);
    Py_CLEAR(self->copy_context);
    Py_CLEAR(self->time);
    Py_CLEAR(self->failed);
    Py_CLEAR(self->compact);
    return 0;
}

static void handles__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    handles__clear(object);
    Py_CLEAR(((hot_handles *)object)->plain);
    Py_CLEAR(((hot_handles *)object)->timer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef handles__methods[] = {
    STREAM_METHOD("call_soon", handles__call_soon),
    STREAM_METHOD("call_at", handles__call_at),
    STREAM_METHOD("call_later", handles__call_later),
    {"timeout", timers__timeout, METH_NOARGS, "Returns how long a wait may take."},
    {"run", handles__run, METH_NOARGS, "Runs what is ready and due."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot handles__slots[] = {
    {Py_tp_doc, (void *)"What an asyncio loop has to run."},
    {Py_tp_init, (void *)handles__init},
    {Py_tp_methods, handles__methods},
    {Py_tp_traverse, (void *)handles__traverse},
    {Py_tp_clear, (void *)handles__clear},
    {Py_tp_dealloc, (void *)handles__dealloc},
    {0, NULL},
};

static PyType_Spec handles__spec = {
    .name = "netcore._native._hot.Handles",
    .basicsize = sizeof(hot_handles),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = handles__slots,
};
