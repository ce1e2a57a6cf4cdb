/* Datagrams that are to leave: columns that grow, the bytes of small ones one behind the other, and the names. */

#include "datagrams.h"

enum {
    MAIL_FIRST = 64,   /* datagrams that there is room for at first */
    MAIL_SMALL = 1024, /* bytes of a datagram that are copied: then it need not be kept */
};

static void mail__free(hot_mail *mail)
{
    PyMem_Free(mail->senders);
    PyMem_Free(mail->joined);
    PyMem_Free(mail->names);
    memset(mail, 0, sizeof *mail);
}

/* Doubles the room for datagrams. All columns but the bytes lie in one block, of which `senders` is the beginning. */
static int mail__grow(hot_mail *mail)
{
    Py_ssize_t room = mail->room ? 2 * mail->room : MAIL_FIRST;
    size_t entry = 2 * sizeof(PyObject *) + sizeof(char *) + 2 * sizeof(size_t) + sizeof(intptr_t);
    char *block = PyMem_Malloc((size_t)room * entry);
    hot_mail old = *mail;

    if (block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    mail->room = room;
    mail->senders = (PyObject **)block;
    mail->owners = mail->senders + room;
    mail->pointers = (const char **)(mail->owners + room);
    mail->lengths = (size_t *)(mail->pointers + room);
    mail->name_sizes = mail->lengths + room;
    mail->unsent = (intptr_t *)(mail->name_sizes + room);
    if (old.count) {
        memcpy(mail->senders, old.senders, (size_t)old.count * sizeof *mail->senders);
        memcpy(mail->owners, old.owners, (size_t)old.count * sizeof *mail->owners);
        memcpy(mail->pointers, old.pointers, (size_t)old.count * sizeof *mail->pointers);
        memcpy(mail->lengths, old.lengths, (size_t)old.count * sizeof *mail->lengths);
        memcpy(mail->name_sizes, old.name_sizes, (size_t)old.count * sizeof *mail->name_sizes);
    }
    PyMem_Free(old.senders);
    return 0;
}

/* Makes room for so many bytes more in a buffer of which `used` are taken. */
static int mail__widen(void *buffer, size_t used, size_t *room, size_t more)
{
    size_t wider = *room ? *room : 4096;
    void *moved;

    while (wider - used < more)
        wider *= 2;
    memcpy(&moved, buffer, sizeof moved);
    moved = PyMem_Realloc(moved, wider);
    if (moved == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(buffer, &moved, sizeof moved);
    *room = wider;
    return 0;
}

/* Adds a datagram. `owner` keeps its bytes where they are; those of a small one are copied. Nothing has changed if this
 * fails. */
static int mail__add(hot_mail *mail, PyObject *sender, PyObject *owner, const char *data, size_t length,
                     const unsigned char *name, size_t name_size)
{
    if (mail->names_room - mail->names_used < name_size &&
        mail__widen(&mail->names, mail->names_used, &mail->names_room, name_size) < 0)
        return -1;
    if (mail->count == mail->room && mail__grow(mail) < 0)
        return -1;
    if (length <= MAIL_SMALL) {
        if (mail->joined_room - mail->used < length &&
            mail__widen(&mail->joined, mail->used, &mail->joined_room, length) < 0)
            return -1;
        if (length)
            memcpy(mail->joined + mail->used, data, length);
        mail->used += length;
        owner = NULL;
        data = NULL;
    }
    memcpy(mail->names + mail->names_used, name, name_size);
    mail->names_used += name_size;
    Py_XINCREF(sender);
    Py_XINCREF(owner);
    mail->senders[mail->count] = sender;
    mail->owners[mail->count] = owner;
    mail->pointers[mail->count] = data;
    mail->lengths[mail->count] = length;
    mail->name_sizes[mail->count++] = name_size;
    return 0;
}

/* Lets go of all datagrams and keeps the memory. This may run anything: it is for mail that nobody else sees. */
static void mail__empty(hot_mail *mail)
{
    for (Py_ssize_t i = 0; i < mail->count; i++) {
        Py_XDECREF(mail->senders[i]);
        Py_XDECREF(mail->owners[i]);
    }
    mail->count = 0;
    mail->used = 0;
    mail->names_used = 0;
}

/* Lists datagrams as the outbox in Python has them: their bytes, name and sender. */
static PyObject *mail__list(const hot_mail *mail)
{
    PyObject *list = PyList_New(mail->count);
    const char *joined = mail->joined;
    const char *name = (const char *)mail->names;

    for (Py_ssize_t i = 0; list != NULL && i < mail->count; i++) {
        PyObject *sender = mail->senders[i] ? mail->senders[i] : Py_None;
        PyObject *to = PyBytes_FromStringAndSize(name, (Py_ssize_t)mail->name_sizes[i]);
        PyObject *chunk = mail->owners[i];
        PyObject *entry;
        if (chunk != NULL) {
            Py_INCREF(chunk);
        } else {
            chunk = PyBytes_FromStringAndSize(joined, (Py_ssize_t)mail->lengths[i]);
            joined += mail->lengths[i];
        }
        entry = chunk && to ? PyTuple_Pack(3, chunk, to, sender) : NULL;
        Py_XDECREF(chunk);
        Py_XDECREF(to);
        name += mail->name_sizes[i];
        if (entry == NULL || PyList_SetItem(list, i, entry) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* Lists which datagrams have failed, as pairs of their number and the error. */
static PyObject *mail__list_failures(const hot_mail *mail)
{
    PyObject *list = PyList_New(0);

    for (Py_ssize_t i = 0; list != NULL && i < mail->count; i++) {
        if (mail->unsent[i] != 0) {
            PyObject *failure = Py_BuildValue("(nn)", i, (Py_ssize_t)mail->unsent[i]);
            if (failure == NULL || PyList_Append(list, failure) < 0)
                Py_CLEAR(list);
            Py_XDECREF(failure);
        }
    }
    return list;
}

/* Whether the last datagram is of this sender. */
static int mail__is_last_of(const hot_mail *mail, const void *sender)
{
    return mail->count > 0 && (const void *)mail->senders[mail->count - 1] == sender;
}
