/* Frames from a stream's window straight to the handler, and back: the hot half of codec/frame_handler.py.
 *
 * A *walk* goes through what one receive has brought. Where it comes to what is not the usual case, which is whole
 * frames of a stream that is open and wants them, it hands the rest over to Python: the beginning of a frame, what is
 * no frame, an exception, a pause, an end. Until that the window stays as it is, so that all of it counts as unread. */

#include "encoding.c"

PyTypeObject *hot_frames_type;

enum { FRAMES_PAUSED = 1, FRAMES_UPGRADING = 8 }; /* PAUSED and UPGRADING of connection/core/life.py */

/* Through the bytes of a window. Callbacks may take them out of the window, or call on_traffic themselves. */
typedef struct frames__walk {
    struct frames__walk *next;
    hot_stream *stream;
    const nc_framing *framing;
    const char *data;
    size_t size;
    size_t at;       /* where the next frame begins */
    Py_ssize_t owed; /* bytes of the window that are still to be marked as read; 0 if that is Python's to do, too */
    int joined;      /* whether a callback has gone on with it */
} frames__walk;

/* A handler of frames; see FrameHandler. */
typedef struct {
    PyObject_HEAD
    PyObject *codec;
    PyObject *sessions;
    PyObject *layout; /* what keeps `framing` where it is */
    encoding encoding;
    hot_next_frame next_frame;
    frames__walk *walks; /* of all loops */
} hot_frames;

static PyMemberDef frames__members[] = {
    {"_nc_codec", T_OBJECT_EX, offsetof(hot_frames, codec), 0, NULL},
    {"_nc_sessions", T_OBJECT_EX, offsetof(hot_frames, sessions), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* _lay_out(layout, framing, next_frame, find_delimiter): what keeps an nc_framing, and addresses of it and of the
 * functions that understand it; _lay_out() if frames are for Python to find. */
static PyObject *frames__lay_out(PyObject *object, PyObject *args)
{
    hot_frames *self = (hot_frames *)object;
    PyObject *layout = NULL, *addresses[3] = {NULL, NULL, NULL};
    void *pointers[3] = {NULL, NULL, NULL};

    if (!PyArg_ParseTuple(args, "|OOOO", &layout, &addresses[0], &addresses[1], &addresses[2]))
        return NULL;
    for (int i = 0; layout != NULL && i < 3; i++) {
        pointers[i] = addresses[i] ? PyLong_AsVoidPtr(addresses[i]) : NULL;
        if (pointers[i] == NULL) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "an address is missing");
            return NULL;
        }
    }
    self->encoding.framing = pointers[0];
    memcpy(&self->next_frame, &pointers[1], sizeof pointers[1]);
    memcpy(&self->encoding.find_delimiter, &pointers[2], sizeof pointers[2]);
    hot_keep(&self->layout, layout);
    return hot_none();
}

static int frames__wants_more(const hot_stream *stream)
{
    return stream->state == hot_open && !(stream->flags & (FRAMES_PAUSED | FRAMES_UPGRADING));
}

enum { FRAMES_ERROR = -2, FRAMES_UNUSUAL = -1 };

/* How many bytes of the window of a stream belong to a frame of which its decoder holds the beginning. */
static Py_ssize_t frames__head(const hot_frames *self, const hot_stream *stream, PyObject *session)
{
    const nc_framing *framing = self->encoding.framing;
    Py_ssize_t here = reading__here(stream);
    PyObject *number = PyObject_GetAttr(session, hot_name_missing);
    Py_ssize_t missing = number ? PyLong_AsSsize_t(number) : -1;
    size_t end, length;

    Py_XDECREF(number);
    if (missing == -1 && PyErr_Occurred())
        return FRAMES_ERROR;
    if (missing > 0 && framing->kind != NC_LENGTH_FIELD && framing->kind != NC_FIXED_LENGTH) {
        end = self->encoding.find_delimiter(framing, reading__window(stream), (size_t)here, &length);
        missing = end < (size_t)here && end <= (size_t)missing ? (Py_ssize_t)(end + length) : -1;
    }
    return missing >= 0 && missing <= here ? missing : FRAMES_UNUSUAL;
}

/* Whether a stream has a window with frames that C can deal with, and behind how many bytes of another. */
static Py_ssize_t frames__usual(const hot_frames *self, PyObject *conn)
{
    const hot_stream *stream = (const hot_stream *)conn;
    PyObject *session;

    if (self->encoding.framing == NULL || !PyObject_TypeCheck(conn, hot_stream_type) || !hot_is_none(stream->kept) ||
        stream->id == NULL || reading__here(stream) == 0 || !frames__wants_more(stream) || self->sessions == NULL ||
        !PyDict_CheckExact(self->sessions))
        return FRAMES_UNUSUAL;
    session = PyDict_GetItemWithError(self->sessions, stream->id);
    if (session == NULL)
        return PyErr_Occurred() ? FRAMES_ERROR : 0;
    return frames__head(self, stream, session);
}

/* Marks as read what was walked through. */
static PyObject *frames__settle(frames__walk *walk)
{
    hot_stream *stream = walk->stream;
    Py_ssize_t owed = walk->owed;
    PyObject *number, *done;

    walk->owed = 0;
    if (hot_is_none(stream->kept)) {
        Py_ssize_t here = reading__here(stream);
        stream->lo += owed < here ? owed : here;
        return hot_none();
    }
    number = PyLong_FromSsize_t(owed);
    done = number ? PyObject_CallMethodObjArgs((PyObject *)stream, hot_name_discard, number, NULL) : NULL;
    Py_XDECREF(number);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    return hot_none();
}

/* Calls a method with the stream, what is left of a walk, the bytes to be marked as read, and one thing more. */
static PyObject *frames__leave(hot_frames *self, frames__walk *walk, PyObject *name, PyObject *last)
{
    PyObject *rest = PyBytes_FromStringAndSize(walk->data + walk->at, (Py_ssize_t)(walk->size - walk->at));
    PyObject *owed = rest ? PyLong_FromSsize_t(walk->owed) : NULL;
    PyObject *result = NULL;

    if (owed != NULL) {
        walk->at = walk->size;
        walk->owed = 0;
        result = PyObject_CallMethodObjArgs((PyObject *)self, name, walk->stream, rest, owed, last, NULL);
    } else { /* what has not been handed over is unread, then, and comes again */
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        walk->owed = walk->owed < (Py_ssize_t)walk->at ? walk->owed : (Py_ssize_t)walk->at;
        result = frames__settle(walk);
        Py_XDECREF(result);
        result = NULL;
        PyErr_Restore(type, error, trace);
    }
    Py_XDECREF(rest);
    Py_XDECREF(owed);
    return result;
}

/* What follows an exception, which is set, and stays so. */
static PyObject *frames__break_off(hot_frames *self, frames__walk *walk)
{
    PyObject *type, *error, *trace, *done;

    PyErr_Fetch(&type, &error, &trace);
    done = frames__leave(self, walk, hot_name__nc_break_off,
                         PyErr_GivenExceptionMatches(type, PyExc_Exception) ? Py_True : Py_False);
    if (done == NULL) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(trace);
        return NULL;
    }
    Py_DECREF(done);
    PyErr_Restore(type, error, trace);
    return NULL;
}

/* Hands over a frame, which it lets go of; NULL is an error. Returns 0 if that was all there is to it, 1 if the rest is for Python, with the result
 * in `action`, NULL being an error. */
static int frames__hand_over(hot_frames *self, frames__walk *walk, PyObject *on_frame, PyObject *frame,
                             PyObject **action)
{
    PyObject *returned = frame ? PyObject_CallFunctionObjArgs(on_frame, walk->stream, frame, NULL) : NULL;

    Py_XDECREF(frame);
    if (returned == NULL) {
        *action = frames__break_off(self, walk);
        return 1;
    }
    if (returned != Py_None) {
        PyObject *ends = PyObject_CallMethodObjArgs((PyObject *)self, hot_name__nc_ends, walk->stream, returned, NULL);
        int is_end = ends == Py_True;
        if (ends == NULL || is_end) {
            *action = ends ? frames__leave(self, walk, hot_name__nc_end, returned) : frames__break_off(self, walk);
            Py_DECREF(returned);
            Py_XDECREF(ends);
            return 1;
        }
        Py_DECREF(ends);
    }
    Py_DECREF(returned);
    if (!frames__wants_more(walk->stream)) {
        *action = frames__leave(self, walk, hot_name__nc_go_on, NULL);
        return 1;
    }
    return 0;
}

/* Goes on with a walk, and first with a frame that ends where it is now; NULL if there is none. */
static PyObject *frames__go(hot_frames *self, frames__walk *walk, PyObject *first)
{
    PyObject *on_frame = PyObject_GetAttr((PyObject *)self, hot_name_on_frame);
    PyObject *action = NULL;

    if (on_frame == NULL) {
        Py_XDECREF(first);
        return frames__break_off(self, walk);
    }
    if (first != NULL && frames__hand_over(self, walk, on_frame, first, &action)) {
        Py_DECREF(on_frame);
        return action;
    }
    while (walk->at < walk->size) {
        PyObject *frame;
        size_t begin, end;
        size_t next = self->next_frame(walk->framing, walk->data, walk->size, walk->at, &begin, &end);
        if (next == walk->at)
            break;
        frame = PyBytes_FromStringAndSize(walk->data + begin, (Py_ssize_t)(end - begin));
        walk->at = frame ? next : walk->at;
        if (frames__hand_over(self, walk, on_frame, frame, &action)) {
            Py_DECREF(on_frame);
            return action;
        }
    }
    Py_DECREF(on_frame);
    if (walk->at < walk->size || walk->joined)
        return frames__leave(self, walk, hot_name__nc_go_on, NULL);
    return frames__settle(walk);
}

static frames__walk *frames__walk_of(const hot_frames *self, PyObject *conn)
{
    frames__walk *walk = self->walks;

    while (walk != NULL && (PyObject *)walk->stream != conn)
        walk = walk->next;
    return walk;
}

static void frames__forget(hot_frames *self, const frames__walk *walk)
{
    frames__walk **place = &self->walks;

    while (*place != walk)
        place = &(*place)->next;
    *place = walk->next;
}

/* Begins a walk behind the end of the frame whose beginning the decoder has, which it gives then. */
static PyObject *frames__complete(hot_frames *self, frames__walk *walk, Py_ssize_t head)
{
    PyObject *bytes = PyBytes_FromStringAndSize(walk->data, head);
    PyObject *frame =
        bytes ? PyObject_CallMethodObjArgs((PyObject *)self, hot_name__nc_complete, walk->stream, bytes, NULL) : NULL;

    Py_XDECREF(bytes);
    walk->at = (size_t)head;
    if (frame == Py_None) { /* it has got another codec meanwhile */
        Py_DECREF(frame);
        return frames__leave(self, walk, hot_name__nc_go_on, NULL);
    }
    return frame ? frames__go(self, walk, frame) : frames__break_off(self, walk);
}

/* Walks through the window of a stream. */
static PyObject *frames__begin(hot_frames *self, hot_stream *stream, Py_ssize_t head)
{
    Py_ssize_t n = reading__here(stream);
    frames__walk walk = {self->walks, stream, self->encoding.framing, reading__window(stream), (size_t)n, 0, n, 0};
    PyObject *memory = stream->source ? stream->source : stream->inbox->arena;
    PyObject *layout = self->layout;
    PyObject *action;

    Py_XINCREF(memory);
    Py_XINCREF(layout);
    self->walks = &walk;
    action = head > 0 ? frames__complete(self, &walk, head) : frames__go(self, &walk, NULL);
    frames__forget(self, &walk);
    Py_XDECREF(layout);
    Py_XDECREF(memory);
    return action;
}

/* A callback asks for what it would get next. */
static PyObject *frames__join(hot_frames *self, frames__walk *walk)
{
    if (walk->stream->flags & FRAMES_PAUSED && hot_is_none(walk->stream->ending))
        return hot_none();
    walk->joined = 1;
    if (!frames__wants_more(walk->stream))
        return frames__leave(self, walk, hot_name__nc_go_on, NULL);
    return frames__go(self, walk, NULL);
}

/* on_traffic(conn); see FrameHandler.on_traffic. */
static PyObject *frames__on_traffic(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    hot_frames *self = (hot_frames *)object;
    frames__walk *outer;
    Py_ssize_t head;

    if (nargs != 1 || kwnames != NULL)
        return reading__ask(object, hot_name__nc_python_on_traffic, args, nargs, kwnames);
    outer = frames__walk_of(self, args[0]);
    if (outer != NULL && outer->owed > 0)
        return frames__join(self, outer);
    head = outer == NULL ? frames__usual(self, args[0]) : FRAMES_UNUSUAL;
    if (head == FRAMES_ERROR)
        return NULL;
    if (head == FRAMES_UNUSUAL)
        return reading__ask(object, hot_name__nc_python_on_traffic, args, nargs, kwnames);
    return frames__begin(self, (hot_stream *)args[0], head);
}

/* send_frame(conn, payload); see FrameHandler.send_frame. What is large goes the way of any large write. */
static PyObject *frames__send_frame(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const encoding *encoding = &((hot_frames *)object)->encoding;
    hot_outbox *outbox = NULL;
    hot_stream *stream;
    Py_ssize_t n;
    char *room;

    if (nargs != 2 || kwnames != NULL || encoding->framing == NULL || !PyBytes_CheckExact(args[1]) ||
        !PyObject_TypeCheck(args[0], hot_stream_type) || (outbox = writing_outbox((hot_stream *)args[0])) == NULL)
        return reading__ask(object, hot_name__nc_python_send_frame, args, nargs, kwnames);
    stream = (hot_stream *)args[0];
    n = PyBytes_Size(args[1]);
    if ((size_t)n + encoding_overhead(encoding) >= WRITING_LARGE)
        return reading__ask(object, hot_name__nc_python_send_frame, args, nargs, kwnames);
    room = batch__make_room(&outbox->filling, (size_t)n + encoding_overhead(encoding));
    if (room == NULL)
        return NULL;
    n = encoding_write(encoding, room, PyBytes_AsString(args[1]), (size_t)n);
    if (n < 0)
        return reading__ask(object, hot_name__nc_python_send_frame, args, nargs, kwnames);
    batch__take(&outbox->filling, (PyObject *)stream, (size_t)n);
    stream->noted = outbox->number;
    outbox->size += n;
    return writing_done(stream, outbox, n);
}

static int frames__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_frames *self = (hot_frames *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->codec);
    Py_VISIT(self->sessions);
    Py_VISIT(self->layout);
    return 0;
}

static int frames__clear(PyObject *object)
{
    hot_frames *self = (hot_frames *)object;

    self->encoding.framing = NULL;
    Py_CLEAR(self->codec);
    Py_CLEAR(self->sessions);
    Py_CLEAR(self->layout);
    return 0;
}

static void frames__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    frames__clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef frames__methods[] = {
    STREAM_METHOD("on_traffic", frames__on_traffic),
    STREAM_METHOD("send_frame", frames__send_frame),
    {"_nc_lay_out", frames__lay_out, METH_VARARGS, "Says what frames look like."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot frames__slots[] = {
    {Py_tp_doc, (void *)"The base of HotFrameHandler."},
    {Py_tp_members, frames__members},
    {Py_tp_methods, frames__methods},
    {Py_tp_traverse, (void *)frames__traverse},
    {Py_tp_clear, (void *)frames__clear},
    {Py_tp_dealloc, (void *)frames__dealloc},
    {0, NULL},
};

static PyType_Spec frames__spec = {
    .name = "netcore._native._hot.Frames",
    .basicsize = sizeof(hot_frames),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = frames__slots,
};
