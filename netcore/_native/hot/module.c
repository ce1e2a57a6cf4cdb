/* The extension module: one translation unit, so that the parts above can be inlined into those below. */

#include "errors.c"
#include "meter.c"
#include "counts.c"
#include "inbox.c"
#include "outbox.c"
#include "deadlines.c"
#include "stream.c"
#include "filtering.c"
#include "table.c"
#include "passage.c"
#include "dispatch.c"
#include "rounds.c"
#include "bulk.c"
#include "waits.c"
#include "turns.c"
#include "intake.c"
#include "frames.c"
#include "postbox.c"
#include "datagram.c"
#include "port.c"
#include "exchange.c"
#include "handles.c"
#include "kcp.c"

PyObject *hot_ids, *hot_open;

#define HOT_NAME(name) PyObject *hot_name_##name;
HOT_NAMES(HOT_NAME)
#undef HOT_NAME

static int module__name(PyObject **name, const char *text)
{
    if (*name == NULL)
        *name = PyUnicode_InternFromString(text);
    return *name == NULL ? -1 : 0;
}

static int module__intern(void)
{
#define HOT_NAME(name)                                                                                     \
    if (module__name(&hot_name_##name, #name) < 0)                                                         \
        return -1;
    HOT_NAMES(HOT_NAME)
#undef HOT_NAME
    return 0;
}

static int module__add_type(PyObject *module, const char *name, PyType_Spec *spec, PyTypeObject **type)
{
    if (*type == NULL)
        *type = (PyTypeObject *)PyType_FromSpec(spec);
    if (*type == NULL)
        return -1;
    Py_INCREF(*type);
    if (PyModule_AddObject(module, name, (PyObject *)*type) < 0) {
        Py_DECREF(*type);
        return -1;
    }
    return 0;
}

/* set_up(ids, open): what the connections here begin with. */
static PyObject *module__set_up(PyObject *module, PyObject *args)
{
    PyObject *ids, *open;

    (void)module;
    if (!PyArg_ParseTuple(args, "OO", &ids, &open))
        return NULL;
    hot_keep(&hot_ids, ids);
    hot_keep(&hot_open, open);
    return hot_none();
}

/* give_methods(type): gives a class that inherits from Stream or Datagram the methods of it once more, as its own. The
 * interpreter calls a method in C by the shortest way only if it belongs to the very class of the object. */
static PyObject *module__give_methods(PyObject *module, PyObject *type)
{
    PyMethodDef *method = NULL;

    (void)module;
    if (PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, hot_stream_type))
        method = stream__methods;
    else if (PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, hot_datagram_type))
        method = datagram__methods;
    if (method == NULL) {
        PyErr_SetString(PyExc_TypeError, "not a class of streams or datagrams");
        return NULL;
    }
    for (; method->ml_name != NULL; method++) {
        PyObject *descriptor = PyDescr_NewMethod((PyTypeObject *)type, method);
        int status = descriptor ? PyObject_SetAttrString(type, method->ml_name, descriptor) : -1;
        Py_XDECREF(descriptor);
        if (status < 0)
            return NULL;
    }
    return hot_none();
}

static PyMethodDef module__functions[] = {
    {"give_methods", module__give_methods, METH_O, "Gives a class the methods of Stream or Datagram as its own."},
    {"set_up", module__set_up, METH_VARARGS, "Says what numbers connections, and what state they begin in."},
    {"usual_kcp_options", kcp__set_usual_options, METH_O, "Says what a Kcp has that is given no options."},
    {NULL, NULL, 0, NULL},
};

/* The types are the process's, and belong to the interpreter that has made them: here it is always the main one. Of
 * the others, those with a GIL of their own are refused by Python, since no slot says that they are welcome; nor does
 * one say that it can do without the GIL. */
static int module__fill(PyObject *module)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError, "it serves the main interpreter only");
        return -1;
    }
    if (module__intern() < 0 ||
        module__add_type(module, "Meter", &meter__spec, &hot_meter_type) < 0 ||
        module__add_type(module, "Counts", &counts__spec, &hot_counts_type) < 0 ||
        module__add_type(module, "Inbox", &inbox__spec, &hot_inbox_type) < 0 ||
        module__add_type(module, "Outbox", &outbox__spec, &hot_outbox_type) < 0 ||
        module__add_type(module, "Stream", &stream__spec, &hot_stream_type) < 0 ||
        module__add_type(module, "Table", &table__spec, &hot_table_type) < 0 ||
        module__add_type(module, "Passage", &passage__spec, &hot_passage_type) < 0 ||
        module__add_type(module, "Intake", &intake__spec, &hot_intake_type) < 0 ||
        module__add_type(module, "Frames", &frames__spec, &hot_frames_type) < 0 ||
        module__add_type(module, "Deadlines", &deadlines__spec, &hot_deadlines_type) < 0 ||
        module__add_type(module, "DatagramOutbox", &postbox__spec, &hot_postbox_type) < 0 ||
        module__add_type(module, "Datagram", &datagram__spec, &hot_datagram_type) < 0 ||
        module__add_type(module, "Port", &port__spec, &hot_port_type) < 0 ||
        module__add_type(module, "Batch", &exchange__spec, &hot_exchange_type) < 0 ||
        module__add_type(module, "Channel", &channel__spec, &hot_channel_type) < 0 ||
        module__add_type(module, "Handles", &handles__spec, &hot_handles_type) < 0 ||
        module__add_type(module, "Kcp", &kcp__spec, &hot_kcp_type) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot module__slots[] = {
    {Py_mod_exec, module__fill},
    {0, NULL},
};

static struct PyModuleDef module__definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "netcore._native._hot",
    .m_doc = "The hot half of a stream connection, in C; see hot.h.",
    .m_methods = module__functions,
    .m_slots = module__slots,
};

PyMODINIT_FUNC PyInit__hot(void)
{
    return PyModuleDef_Init(&module__definition);
}
