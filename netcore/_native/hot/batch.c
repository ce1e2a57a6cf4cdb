/* Entries of an outbox: an array that grows, and the bytes of small chunks one behind the other. */

#include "hot.h"

enum {
    BATCH_FIRST = 64,   /* entries that there is room for at first */
    BATCH_SMALL = 1024, /* bytes of a chunk that are copied: then it need not be kept, and joins its neighbours */
};

static void batch__free(hot_batch *batch)
{
    PyMem_Free(batch->writers);
    PyMem_Free(batch->joined);
    memset(batch, 0, sizeof *batch);
}

/* Doubles the room for entries. All columns lie in one block, of which `writers` is the beginning. */
static int batch__grow(hot_batch *batch)
{
    Py_ssize_t room = batch->room ? 2 * batch->room : BATCH_FIRST;
    size_t entry = 2 * sizeof(PyObject *) + sizeof(char *) + sizeof(size_t) +
                   sizeof(nc_socket) + sizeof(intptr_t);
    char *block = PyMem_Malloc((size_t)room * entry);
    hot_batch old = *batch;

    if (block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    batch->room = room;
    batch->writers = (PyObject **)block;
    batch->owners = batch->writers + room;
    batch->pointers = (const char **)(batch->owners + room);
    batch->lengths = (size_t *)(batch->pointers + room);
    batch->sockets = (nc_socket *)(batch->lengths + room);
    batch->unsent = (intptr_t *)(batch->sockets + room);
    if (old.count) {
        memcpy(batch->writers, old.writers, (size_t)old.count * sizeof *batch->writers);
        memcpy(batch->owners, old.owners, (size_t)old.count * sizeof *batch->owners);
        memcpy(batch->pointers, old.pointers, (size_t)old.count * sizeof *batch->pointers);
        memcpy(batch->lengths, old.lengths, (size_t)old.count * sizeof *batch->lengths);
    }
    PyMem_Free(old.writers);
    return 0;
}

static int batch__widen(hot_batch *batch, size_t length)
{
    size_t room = batch->joined_room ? batch->joined_room : 4096;
    char *joined;

    while (room - batch->used < length)
        room *= 2;
    joined = PyMem_Realloc(batch->joined, room);
    if (joined == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    batch->joined = joined;
    batch->joined_room = room;
    return 0;
}

/* Makes room for bytes that are copied, and for their entry; returns where the bytes go. Nothing has changed until
 * they are taken, or if there is no room, which is an error. */
static char *batch__make_room(hot_batch *batch, size_t length)
{
    if ((batch->joined == NULL || batch->joined_room - batch->used < length) && batch__widen(batch, length) < 0)
        return NULL;
    if (batch->count == batch->room && batch__grow(batch) < 0)
        return NULL;
    return batch->joined + batch->used;
}

/* Adds an entry, which there is room for. */
static void batch__append(hot_batch *batch, PyObject *writer, PyObject *owner, const char *data, size_t length)
{
    Py_INCREF(writer);
    Py_XINCREF(owner);
    batch->writers[batch->count] = writer;
    batch->owners[batch->count] = owner;
    batch->pointers[batch->count] = data;
    batch->lengths[batch->count++] = length;
}

/* Takes bytes that were put where there was made room for them: they lengthen the last entry, or are a new one. */
static void batch__take(hot_batch *batch, PyObject *writer, size_t length)
{
    Py_ssize_t last = batch->count - 1;

    batch->used += length;
    if (last >= 0 && batch->writers[last] == writer && batch->pointers[last] == NULL)
        batch->lengths[last] += length;
    else
        batch__append(batch, writer, NULL, NULL, length);
}

/* Adds an entry, or lengthens the last one. `owner` keeps the bytes where they are; those of a small chunk are
 * copied. Nothing has changed if this fails. */
static int batch__add(hot_batch *batch, PyObject *writer, PyObject *owner, const char *data, size_t length)
{
    if (length <= BATCH_SMALL) {
        char *room = batch__make_room(batch, length);
        if (room == NULL)
            return -1;
        memcpy(room, data, length);
        batch__take(batch, writer, length);
        return 0;
    }
    if (batch->count == batch->room && batch__grow(batch) < 0)
        return -1;
    batch__append(batch, writer, owner, data, length);
    return 0;
}

/* Lets go of all entries and keeps the memory. This may run anything: it is for a batch that nobody else sees. */
static void batch__empty(hot_batch *batch)
{
    for (Py_ssize_t i = 0; i < batch->count; i++) {
        Py_DECREF(batch->writers[i]);
        Py_XDECREF(batch->owners[i]);
    }
    batch->count = 0;
    batch->used = 0;
}

/* The chunk of an entry as an object, or as much of it as is not sent; a new reference. */
static PyObject *batch__chunk(const hot_batch *batch, Py_ssize_t at, size_t begin)
{
    PyObject *owner = batch->owners[at];

    if (owner == NULL)
        return PyBytes_FromStringAndSize(batch->joined + begin, (Py_ssize_t)batch->lengths[at]);
    if (PyTuple_Check(owner)) /* a view, and what holds it still */
        owner = PyTuple_GetItem(owner, 0);
    Py_INCREF(owner);
    return owner;
}
