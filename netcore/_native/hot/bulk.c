/* Streams that have last brought much: served one by one, with an object of their own for what they bring. */

#include "intake.h"

/* Receives into an object of its own what a stream brings that has last brought much: it is made as long as what is
 * there, so that `read` can hand it out as it is. Hands that over; returns what the receive has returned, and in
 * `rest` how much more was there. */
static Py_ssize_t intake__take_much(hot_intake *self, PyObject *on_traffic, hot_stream *stream, Py_ssize_t *rest)
{
    const hot_calls *calls = &self->outbox->calls;
    nc_socket socket = stream->fd;
    Py_ssize_t size = calls->ring ? calls->available.ring(calls->ring, socket) : calls->available.plain(socket);
    Py_ssize_t here = size;
    PyObject *bytes;
    char *data;
    Py_ssize_t n;

    *rest = 0;
    size = size < 1 ? 1 : size < self->cap ? size : self->cap; /* none: the end, or an error, is to be found out */
    bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL) {
        intake__charge(self, stream);
        return 0;
    }
    data = PyBytes_AsString(bytes);
    Py_BEGIN_ALLOW_THREADS
    n = calls->ring ? calls->receive_one.ring(calls->ring, socket, data, (size_t)size)
                    : calls->receive_one.plain(socket, data, (size_t)size);
    Py_END_ALLOW_THREADS
    if (n > 0) {
        self->counts->bytes_received += n;
        self->counts->messages++;
    }
    stream->bulk = n >= INTAKE_LARGE;
    if (n > 0 && n < size)
        hot_replace(&bytes, PyBytes_FromStringAndSize(data, n));
    if (bytes == NULL) {
        intake__charge(self, stream);
        return 0;
    }
    if (n <= 0) {
        Py_DECREF(bytes);
        intake__tell_nothing(self, stream, n);
        return n;
    }
    *rest = here - n;
    stream->bytes_received += n;
    hot_replace(&stream->source, bytes);
    stream->lo = 0;
    stream->hi = n;
    hot_look(self->counts);
    intake__call(self, on_traffic, stream);
    return n;
}

/* Serves such a stream, alone: nobody else's bytes come between its own, in and out. It may have more than one receive
 * of a turn, in which it costs less than in several turns, but no more than so many bytes: its neighbours wait. */
static int intake__serve_bulky(hot_intake *self, PyObject *on_traffic, hot_stream *stream)
{
    Py_ssize_t allowed = self->edge_chunk ? self->edge_chunk : INTAKE_SHARE;
    int goes_on;

    do {
        Py_ssize_t n, rest = 0;
        intake__flush(self);
        intake__look_at_clock(self);
        if (!stream->receiving)
            return 0;
        if (stream->plain) {
            n = intake__take_much(self, on_traffic, stream, &rest);
        } else { /* it has left something unread */
            self->streams[0] = stream;
            self->sockets[0] = stream->fd;
            if (intake__round(self, on_traffic, 0, 1, 0) < 0)
                return -1;
            n = self->results[0];
        }
        if (self->edge_chunk) {
            goes_on = intake__goes_on(self, stream, n, &allowed);
        } else {
            allowed -= n;
            goes_on = n > 0 && rest >= INTAKE_LARGE && allowed > 0;
        }
    } while (goes_on);
    return 0;
}
