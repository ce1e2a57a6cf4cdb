/* The fields of Inbox, with the address of its memory. */

#include "hot.h"

PyTypeObject *hot_inbox_type;

static PyMemberDef inbox__members[] = {
    {"_sockets", T_OBJECT_EX, offsetof(hot_inbox, sockets), 0, NULL},
    {"arena", T_OBJECT_EX, offsetof(hot_inbox, arena), 0, NULL},
    {"whole", T_OBJECT_EX, offsetof(hot_inbox, whole), 0, NULL},
    {"views", T_OBJECT_EX, offsetof(hot_inbox, views), 0, NULL},
    {"lent", T_BOOL, offsetof(hot_inbox, lent), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *inbox__place(PyObject *object, PyObject *args)
{
    hot_inbox *self = (hot_inbox *)object;
    PyObject *address;
    Py_ssize_t size;
    void *memory;

    if (!PyArg_ParseTuple(args, "On", &address, &size))
        return NULL;
    memory = PyLong_AsVoidPtr(address);
    if (memory == NULL && PyErr_Occurred())
        return NULL;
    self->memory = memory;
    self->size = size;
    return hot_none();
}

static int inbox__traverse(PyObject *object, visitproc visit, void *arg)
{
    hot_inbox *self = (hot_inbox *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->sockets);
    Py_VISIT(self->arena);
    Py_VISIT(self->whole);
    Py_VISIT(self->views);
    return 0;
}

static int inbox__clear(PyObject *object)
{
    hot_inbox *self = (hot_inbox *)object;

    self->memory = NULL;
    Py_CLEAR(self->sockets);
    Py_CLEAR(self->arena);
    Py_CLEAR(self->whole);
    Py_CLEAR(self->views);
    return 0;
}

static void inbox__dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    inbox__clear(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef inbox__methods[] = {
    {"place", inbox__place, METH_VARARGS, "Says where the arena lies: its address, and its size in bytes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot inbox__slots[] = {
    {Py_tp_doc, (void *)"The base of HotInbox."},
    {Py_tp_members, inbox__members},
    {Py_tp_methods, inbox__methods},
    {Py_tp_traverse, (void *)inbox__traverse},
    {Py_tp_clear, (void *)inbox__clear},
    {Py_tp_dealloc, (void *)inbox__dealloc},
    {0, NULL},
};

static PyType_Spec inbox__spec = {
    .name = "netcore._native._hot.Inbox",
    .basicsize = sizeof(hot_inbox),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = inbox__slots,
};
