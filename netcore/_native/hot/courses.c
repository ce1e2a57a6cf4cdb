/* Receiving for channels, and handing over what has come: a chunk at a time, as in rounds.c, and alone where one has
 * brought much, as in bulk.c. */

#include "exchange.h"

/* Whether what is raised ends the loop, rather than being somebody's to bear. */
static int exchange__is_exit(void)
{
    return PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit);
}

/* Deals with what a transport has raised that it should not: 0, or -1 if that ends the loop. */
static int exchange__bear(hot_exchange *self)
{
    PyObject *error, *done;

    if (exchange__is_exit())
        return -1;
    if (self->complain == NULL) { /* the loop is closed */
        PyErr_Clear();
        return 0;
    }
    error = hot_fetch();
    done = PyObject_CallFunctionObjArgs(self->complain, error, NULL);
    Py_XDECREF(error);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Leaves to the transport what was received. */
static int exchange__leave(hot_exchange *self, const hot_channel *channel, PyObject *name, PyObject *what)
{
    PyObject *done;

    if (channel->owner == NULL)
        return 0;
    done = PyObject_CallMethodObjArgs(channel->owner, name, what, NULL);
    if (done == NULL)
        return exchange__bear(self);
    Py_DECREF(done);
    return 0;
}

/* The same of what is no bytes: the end, or an error. */
static int exchange__leave_number(hot_exchange *self, const hot_channel *channel, Py_ssize_t n)
{
    PyObject *number;
    int status;

    if (n == -EAGAIN || n == -EWOULDBLOCK || n == -EINTR)
        return 0;
    number = PyLong_FromSsize_t(n);
    if (number == NULL)
        return exchange__bear(self);
    status = exchange__leave(self, channel, hot_name_received, number);
    Py_DECREF(number);
    return status;
}

/* There is no memory for what was received, or is to be: its transport cannot go on without it. */
static int exchange__lose(hot_exchange *self, const hot_channel *channel)
{
    if (exchange__is_exit())
        return -1;
    PyErr_Clear();
    return exchange__leave_number(self, channel, -ENOMEM);
}

/* Hands over bytes, a reference that it takes over. */
static int exchange__hand_over(hot_exchange *self, const hot_channel *channel, PyObject *bytes)
{
    PyObject *run = channel->run;
    PyObject *receive = channel->receive;
    PyObject *done, *error;
    int status = 0;

    if (bytes == NULL)
        return exchange__lose(self, channel);
    if (!channel->watched || run == NULL || hot_is_none(receive)) {
        status = exchange__leave(self, channel, hot_name_received, bytes);
        Py_DECREF(bytes);
        return status;
    }
    Py_INCREF(run);
    Py_INCREF(receive);
    done = PyObject_CallFunctionObjArgs(run, receive, bytes, NULL);
    Py_DECREF(receive);
    Py_DECREF(run);
    Py_DECREF(bytes);
    if (done != NULL) {
        Py_DECREF(done);
        return 0;
    }
    if (exchange__is_exit())
        return -1;
    error = hot_fetch();
    if (error != NULL)
        status = exchange__leave(self, channel, hot_name_failed, error);
    Py_XDECREF(error);
    return status;
}

/* Receives from a channel that has last brought much: into bytes of its own, as long as what is there. */
static int exchange__serve_bulky(hot_exchange *self, hot_channel *channel)
{
    nc_socket fd = channel->fd;
    Py_ssize_t size = self->calls.available.plain(fd);
    PyObject *bytes;
    Py_ssize_t n;
    char *data;

    size = size < 1 ? 1 : size < EXCHANGE_MOST ? size : EXCHANGE_MOST; /* none: the end, or an error */
    bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL)
        return exchange__lose(self, channel);
    data = PyBytes_AsString(bytes);
    Py_BEGIN_ALLOW_THREADS
    n = self->calls.receive_one.plain(fd, data, (size_t)size);
    Py_END_ALLOW_THREADS
    channel->bulk = n >= EXCHANGE_LARGE;
    if (n <= 0) {
        Py_DECREF(bytes);
        return exchange__leave_number(self, channel, n);
    }
    if (n < size)
        hot_replace(&bytes, PyBytes_FromStringAndSize(data, n));
    return exchange__hand_over(self, channel, bytes);
}

/* Receives from the next channels that have not brought much, as many as one call takes. */
static int exchange__receive(hot_exchange *self)
{
    int begin = self->at;
    int end = begin;

    if (begin > 0 && exchange_flush(self) < 0) /* a chunk is answered before the next is received */
        return -1;
    while (end < self->count && end - begin < EXCHANGE_CHUNK && self->channels[end]->watched &&
           !self->channels[end]->bulk) {
        self->sockets[end] = self->channels[end]->fd;
        end++;
    }
    self->lo = 0;
    Py_BEGIN_ALLOW_THREADS
    self->received = begin + self->calls.receive.plain(end - begin, self->sockets + begin, self->arena, EXCHANGE_ARENA,
                                                       EXCHANGE_CAP, self->results + begin);
    Py_END_ALLOW_THREADS
    return 0;
}

/* Serves the next channel of those that the last wait has found. */
static int exchange__serve_next(hot_exchange *self)
{
    hot_channel *channel;
    int status;

    if (self->at >= self->received && self->channels[self->at]->watched && !self->channels[self->at]->bulk &&
        exchange__receive(self) < 0)
        return -1;
    channel = self->channels[self->at];
    self->channels[self->at] = NULL;
    if (self->at++ < self->received) {
        Py_ssize_t n = self->results[self->at - 1];
        const char *data = self->arena + self->lo;
        if (n > 0) {
            self->lo += n;
            channel->bulk = n >= EXCHANGE_LARGE && self->calls.available.plain != NULL;
            status = exchange__hand_over(self, channel, PyBytes_FromStringAndSize(data, n));
        } else {
            status = exchange__leave_number(self, channel, n);
        }
    } else {
        status = channel->watched ? exchange__serve_bulky(self, channel) : 0; /* it has paused, or gone */
    }
    Py_DECREF(channel);
    return status;
}

/* Serves all that the last wait has found. If it is broken off, by an exit, the rest is there still. */
static int exchange__serve(hot_exchange *self)
{
    int status = 0;

    if (self->delivering) {
        PyErr_SetString(PyExc_RuntimeError, "a delivery within a delivery");
        return -1;
    }
    self->delivering = 1;
    while (status == 0 && self->at < self->count)
        status = exchange__serve_next(self);
    self->delivering = 0;
    if (self->at >= self->count)
        self->at = self->count = self->received = 0;
    return status;
}
