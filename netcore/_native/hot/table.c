/* The streams of a loop, by descriptor: the part of a dict that a loop needs, at eight bytes each. */

#include "hot.h"

PyTypeObject *hot_table_type;

enum { TABLE_FIRST = 1024 };

static const Py_ssize_t table__most = (Py_ssize_t)1 << 30; /* NR_OPEN of Linux is lower at any time */

static hot_stream *table_at(const hot_table *self, nc_socket fd)
{
    return fd >= 0 && fd < self->room ? self->streams[fd] : NULL;
}

static int table__reserve(hot_table *self, Py_ssize_t fd)
{
    Py_ssize_t room = self->room ? self->room : TABLE_FIRST;
    hot_stream **streams;

    if (fd < self->room)
        return 0;
    while (room <= fd)
        room *= 2;
    streams = PyMem_Realloc(self->streams, (size_t)room * sizeof *streams);
    if (streams == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(streams + self->room, 0, (size_t)(room - self->room) * sizeof *streams);
    self->streams = streams;
    self->room = room;
    return 0;
}

static int table__put(hot_table *self, Py_ssize_t fd, hot_stream *stream)
{
    hot_stream *before;

    if (fd < 0 || fd > table__most) {
        PyErr_Format(PyExc_ValueError, "%zd is no descriptor", fd);
        return -1;
    }
    if (stream != NULL && table__reserve(self, fd) < 0)
        return -1;
    before = table_at(self, fd);
    if (stream == NULL && before == NULL) {
        PyErr_Format(PyExc_KeyError, "%zd", fd);
        return -1;
    }
    Py_XINCREF(stream);
    self->streams[fd] = stream;
    self->count += (stream != NULL) - (before != NULL);
    Py_XDECREF(before);
    return 0;
}

static int table__assign(PyObject *object, PyObject *key, PyObject *value)
{
    Py_ssize_t fd = PyNumber_AsSsize_t(key, PyExc_ValueError);

    if (fd == -1 && PyErr_Occurred())
        return -1;
    if (value != NULL && !PyObject_TypeCheck(value, hot_stream_type)) {
        PyErr_SetString(PyExc_TypeError, "a stream of another kind");
        return -1;
    }
    return table__put((hot_table *)object, fd, (hot_stream *)value);
}

static PyObject *table__found(hot_stream *stream, PyObject *otherwise)
{
    PyObject *found = stream ? (PyObject *)stream : otherwise;

    Py_XINCREF(found);
    return found;
}

static PyObject *table__subscript(PyObject *object, PyObject *key)
{
    Py_ssize_t fd = PyNumber_AsSsize_t(key, PyExc_KeyError);
    PyObject *found;

    if (fd == -1 && PyErr_Occurred())
        return NULL;
    found = table__found(table_at((hot_table *)object, fd), NULL);
    if (found == NULL)
        PyErr_SetObject(PyExc_KeyError, key);
    return found;
}

static PyObject *table__get(PyObject *object, PyObject *key)
{
    Py_ssize_t fd = PyNumber_AsSsize_t(key, NULL);

    if (fd == -1 && PyErr_Occurred())
        return NULL;
    return table__found(table_at((hot_table *)object, fd), Py_None);
}

static PyObject *table__pop(PyObject *object, PyObject *args)
{
    hot_table *self = (hot_table *)object;
    PyObject *otherwise = NULL;
    Py_ssize_t fd;
    PyObject *found;

    if (!PyArg_ParseTuple(args, "n|O", &fd, &otherwise))
        return NULL;
    found = table__found(table_at(self, fd), otherwise);
    if (found == NULL)
        PyErr_Format(PyExc_KeyError, "%zd", fd);
    else if (table_at(self, fd) != NULL && table__put(self, fd, NULL) < 0)
        Py_CLEAR(found);
    return found;
}

static PyObject *table__values(PyObject *object, PyObject *ignored)
{
    hot_table *self = (hot_table *)object;
    PyObject *list = PyList_New(0);

    (void)ignored;
    for (Py_ssize_t i = 0; list != NULL && i < self->room; i++)
        if (self->streams[i] != NULL && PyList_Append(list, (PyObject *)self->streams[i]) < 0)
            Py_CLEAR(list);
    return list;
}

static Py_ssize_t table__length(PyObject *object)
{
    return ((hot_table *)object)->count;
}

static int table__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_table *self = (hot_table *)object;

    Py_VISIT(Py_TYPE(object));
    for (Py_ssize_t i = 0; i < self->room; i++)
        Py_VISIT(self->streams[i]);
    return 0;
}

static int table__clear(PyObject *object)
{
    hot_table *self = (hot_table *)object;
    hot_stream **streams = self->streams;
    Py_ssize_t room = self->room;

    self->streams = NULL;
    self->room = self->count = 0;
    for (Py_ssize_t i = 0; i < room; i++)
        Py_XDECREF(streams[i]);
    PyMem_Free(streams);
    return 0;
}

static PyObject *table__forget(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    table__clear(object);
    return hot_none();
}

static void table__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    table__clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef table__methods[] = {
    {"clear", table__forget, METH_NOARGS, "Removes all."},
    {"get", table__get, METH_O, "Returns the stream of a descriptor, or None."},
    {"pop", table__pop, METH_VARARGS, "Removes and returns the stream of a descriptor; see dict.pop."},
    {"values", table__values, METH_NOARGS, "Lists the streams."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot table__slots[] = {
    {Py_tp_doc, (void *)"Streams by descriptor."},
    {Py_tp_methods, table__methods},
    {Py_tp_traverse, (void *)table__traverse},
    {Py_tp_clear, (void *)table__clear},
    {Py_tp_dealloc, (void *)table__dealloc},
    {Py_mp_length, (void *)table__length},
    {Py_mp_subscript, (void *)table__subscript},
    {Py_mp_ass_subscript, (void *)table__assign},
    {0, NULL},
};

static PyType_Spec table__spec = {
    .name = "netcore._native._hot.Table",
    .basicsize = sizeof(hot_table),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = table__slots,
};
