/* How streams arrive: the hot half of eventloop/connections.py, from descriptors that were accepted to `on_open`. */

#include "passage.h"

enum { ARRIVING_BATCH = 64 };

static void arriving__forget(hot_passage *self, Py_ssize_t fd)
{
    PyObject *removed;

    if (PyDict_Size(self->arriving) == 0)
        return;
    removed = PyObject_CallMethod(self->arriving, "pop", "nO", fd, Py_None);
    if (removed == NULL)
        PyErr_Clear();
    Py_XDECREF(removed);
}

/* Sets the deadline that every stream has. */
static int arriving__give_time(hot_passage *self, hot_stream *stream)
{
    PyObject *done;

    if (hot_is_none(self->idle_timeout))
        return 0;
    done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_set_deadline, self->idle_timeout, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Undoes what has been done to a stream that the poller watches, keeping the error that is set. */
static void arriving__disown(hot_passage *self, hot_stream *stream)
{
    PyObject *error = hot_fetch();
    PyObject *done = PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_end_deadlines, NULL);

    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    if (table_at(self->table, stream->fd) == stream && table__put(self->table, stream->fd, NULL) < 0)
        PyErr_Clear();
    if (passage__watch(self, stream->fd, NC_REMOVE) < 0)
        PyErr_Clear();
    hot_raise(error);
}

/* From one table to the other, the second last, so that nobody sees it neither here nor there; and with nothing in
 * between that may let another thread run, which would count it twice. */
static int arriving__enter(hot_passage *self, hot_stream *stream)
{
    if (table__put(self->table, stream->fd, stream) < 0 ||
        PyDict_SetItem(self->by_id, stream->id, (PyObject *)stream) < 0)
        return -1;
    arriving__forget(self, stream->fd);
    return 0;
}

/* Makes a stream of a descriptor and opens it; see Connections.establish. Nothing has happened if this fails. */
static int arriving__establish(hot_passage *self, Py_ssize_t fd, PyObject *network, PyObject *remote, PyObject *local,
                               double opened)
{
    PyObject *made = self->make(self->type, 0);
    hot_stream *stream = (hot_stream *)made;

    if (made == NULL || stream__begin(stream, self->host, self->inbox, self->outbox, fd, network, remote, local,
                                      opened) < 0 ||
        passage__watch(self, fd, NC_ADD) < 0) {
        Py_XDECREF(made);
        return -1;
    }
    if (arriving__give_time(self, stream) < 0 || arriving__enter(self, stream) < 0) {
        arriving__disown(self, stream);
        Py_DECREF(made);
        return -1;
    }
    stream->interest = self->interest;
    passage__look_at_handler(self);
    if (!self->skips_open) {
        PyObject *action = passage__run(self, stream, hot_name_on_open, NULL);
        passage__react(self, stream, hot_name_on_open, action);
        Py_XDECREF(action);
    }
    Py_DECREF(made);
    return 0;
}

/* Takes a descriptor over from the sockets; see Descriptors.admit. */
static int arriving__admit(hot_passage *self, Py_ssize_t fd)
{
    PyObject *done;

    if (!self->gated && self->end != NULL)
        return 0;
    done = PyObject_CallMethod(self->descriptors, "admit", "n", fd);
    if (done == NULL) {
        PyObject *error = hot_fetch();
        arriving__forget(self, fd);
        hot_raise(error);
    }
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Closes what has not become a stream, keeping the error that is set. */
static void arriving__turn_down(hot_passage *self, Py_ssize_t fd)
{
    PyObject *error = hot_fetch();
    PyObject *done = PyObject_CallMethod((PyObject *)self, "turn_down", "niO", fd, -1, Py_None);

    if (done == NULL)
        passage__charge(self, NULL);
    Py_XDECREF(done);
    hot_raise(error);
}

/* Adds the error that is set to those of a batch. */
static void arriving__complain(hot_passage *self, PyObject **errors)
{
    PyObject *error = hot_fetch();

    if (*errors == NULL)
        *errors = PyList_New(0);
    if (*errors == NULL || PyList_Append(*errors, error) < 0)
        passage__charge(self, NULL);
    Py_DECREF(error);
}

/* When those open that have come together. */
static double arriving__time(hot_passage *self)
{
    double opened = stream__time(self->host);

    if (PyErr_Occurred())
        passage__charge(self, NULL);
    return opened;
}

static int arriving__welcome(hot_passage *self, Py_ssize_t fd, PyObject *name, PyObject *network, PyObject *local,
                             double opened)
{
    if (self->turning_away) { /* maybe since a callback of a neighbour's */
        PyObject *done = PyObject_CallMethod((PyObject *)self, "welcome_one", "nOOO", fd, name, network, local);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    self->counts->accepted++;
    if (arriving__admit(self, fd) == 0) {
        if (arriving__establish(self, fd, network, name, local, opened) == 0)
            return 0;
        arriving__turn_down(self, fd);
    }
    self->counts->accepted--;
    return -1;
}

/* open(accepted, network, local): makes streams of a list of descriptors with their peers' packed names, and opens them;
 * see Connections.welcome. Returns the errors, None for none. */
static PyObject *arriving__open(PyObject *object, PyObject *args)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *accepted, *network, *local;
    PyObject *errors = NULL;
    double opened;

    if (!PyArg_ParseTuple(args, "O!OO", &PyList_Type, &accepted, &network, &local))
        return NULL;
    if (self->counts == NULL || self->host == NULL) {
        hot_unready(self);
        return NULL;
    }
    opened = arriving__time(self);
    for (Py_ssize_t i = 0; i < PyList_Size(accepted); i++) {
        PyObject *name;
        Py_ssize_t fd;
        if (!PyArg_ParseTuple(PyList_GetItem(accepted, i), "nO", &fd, &name)) {
            arriving__complain(self, &errors);
            continue;
        }
        Py_INCREF(name);
        if (arriving__welcome(self, fd, name, network, local, opened) < 0)
            arriving__complain(self, &errors);
        Py_DECREF(name);
    }
    return errors ? errors : hot_none();
}

/* Accepts up to so many from a listener, and does that with them. Returns how many there were; `error` is that of
 * nc_accept. */
static int arriving__take_in(hot_passage *self, nc_socket listener, int limit, PyObject *network, PyObject *local,
                             int *error, PyObject **errors)
{
    unsigned char names[ARRIVING_BATCH * NC_NAME_SIZE];
    nc_socket accepted[ARRIVING_BATCH];
    double opened;
    int count;

    *errors = NULL;
    Py_BEGIN_ALLOW_THREADS
    count = self->accept(listener, limit < ARRIVING_BATCH ? limit : ARRIVING_BATCH, accepted, names, error);
    Py_END_ALLOW_THREADS
    opened = count > 0 ? arriving__time(self) : 0.0;
    for (int i = 0; i < count; i++) {
        const unsigned char *packed = names + (size_t)i * NC_NAME_SIZE;
        PyObject *name = PyBytes_FromStringAndSize((const char *)packed + 1, packed[0]);
        if (name == NULL) {
            arriving__turn_down(self, accepted[i]);
            arriving__complain(self, errors);
        } else if (arriving__welcome(self, accepted[i], name, network, local, opened) < 0) {
            arriving__complain(self, errors);
        }
        Py_XDECREF(name);
    }
    return count;
}

/* accept(listener, limit, network, local): see Connections.take_in. */
static PyObject *arriving__accept(PyObject *object, PyObject *args)
{
    hot_passage *self = (hot_passage *)object;
    PyObject *network, *local, *errors;
    Py_ssize_t listener;
    int limit, count, error;

    if (!PyArg_ParseTuple(args, "niOO", &listener, &limit, &network, &local))
        return NULL;
    if (self->counts == NULL || self->host == NULL || self->accept == NULL) {
        hot_unready(self);
        return NULL;
    }
    count = arriving__take_in(self, listener, limit, network, local, &error, &errors);
    return Py_BuildValue("(iiN)", count, error, errors ? errors : hot_none());
}

/* Says in Loop.placing that there may be some whom nobody counts yet. */
static void arriving__say(hot_passage *self, long placing)
{
    PyObject *number = PyLong_FromLong(placing);

    if (number == NULL || PyObject_SetAttr(self->host, hot_name_placing, number) < 0)
        passage__charge(self, NULL);
    Py_XDECREF(number);
}

/* What there is to know of a listener that needs no more than to be accepted from: whom to tell of trouble, network,
 * this side's address. A new reference, NULL for none. */
static PyObject *passage_door(hot_passage *self, nc_socket listener)
{
    PyObject *key, *door;

    if (self->accept == NULL || self->host == NULL || PyDict_Size(self->doors) == 0)
        return NULL;
    key = PyLong_FromSsize_t(listener);
    door = key ? PyDict_GetItemWithError(self->doors, key) : NULL;
    Py_XDECREF(key);
    if (door == NULL || !PyTuple_Check(door) || PyTuple_Size(door) != 3) {
        PyErr_Clear();
        return NULL;
    }
    Py_INCREF(door);
    return door;
}

/* Takes in what a listener has, which hears only of trouble; see Acceptor.troubled. If it is closed by now, or waits, its
 * turn has not come. */
static void passage_answer(hot_passage *self, nc_socket listener)
{
    PyObject *door = passage_door(self, listener);
    PyObject *errors;
    int count, error;

    if (door == NULL)
        return;
    arriving__say(self, 1);
    count = arriving__take_in(self, listener, ARRIVING_BATCH, PyTuple_GetItem(door, 1), PyTuple_GetItem(door, 2), &error,
                              &errors);
    arriving__say(self, 0);
    if (error || errors != NULL) {
        PyObject *acceptor = PyTuple_GetItem(door, 0);
        PyObject *done = PyObject_CallMethod(acceptor, "troubled", "iiO", count, error, errors ? errors : Py_None);
        if (done == NULL)
            hot_charge(self->host, acceptor);
        Py_XDECREF(done);
        Py_XDECREF(errors);
    }
    Py_DECREF(door);
}
