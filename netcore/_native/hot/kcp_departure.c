/* Datagrams on their way out of a session: segments are put together, and leave by its output. */

#include "kcp.h"

/* Datagrams that leave once all of them are there: what takes them may use the session. No object is made meanwhile
 * that the collector knows of, and so no finalizer runs. */
typedef struct {
    hot_kcp *session;
    PyObject **datagrams;
    size_t count;
    size_t room;
    size_t size; /* bytes of the next one in `kcp_departure__scratch` */
    PyObject *few[8];
} kcp_departure;

static char kcp_departure__scratch[KCP_LARGEST_DATAGRAM];

static void kcp_departure_begin(kcp_departure *self, hot_kcp *session)
{
    self->session = session;
    self->datagrams = self->few;
    self->count = self->size = 0;
    self->room = sizeof self->few / sizeof self->few[0];
}

/* Makes a datagram of the segments that are written. */
static int kcp_departure__end(kcp_departure *self)
{
    PyObject *datagram;

    if (self->count == self->room) {
        size_t room = 2 * self->room;
        PyObject **datagrams = self->datagrams == self->few ? NULL : self->datagrams;
        datagrams = PyMem_Realloc(datagrams, room * sizeof *datagrams);
        if (datagrams == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (self->datagrams == self->few)
            memcpy(datagrams, self->few, sizeof self->few);
        self->datagrams = datagrams;
        self->room = room;
    }
    datagram = PyBytes_FromStringAndSize(kcp_departure__scratch, (Py_ssize_t)self->size);
    if (datagram == NULL)
        return -1;
    self->datagrams[self->count++] = datagram;
    self->size = 0;
    return 0;
}

/* Writes a segment, of which all is given but what they all have. */
static int kcp_departure_add(kcp_departure *self, kcp_part part)
{
    hot_kcp *session = self->session;
    size_t size = KCP_HEADER + (size_t)part.length;

    kcp_allowance_spent(&session->allowance, (int64_t)size);
    if (self->size > 0 && self->size + size > (size_t)session->options.mtu && kcp_departure__end(self) < 0)
        return -1;
    part.conversation = session->conversation;
    part.window = kcp_inbound_window(&session->inbound);
    part.acknowledged = (uint32_t)session->told;
    self->size += kcp_wire_put(kcp_departure__scratch + self->size, &part);
    return 0;
}

/* Writes a push, of a segment or of nothing. */
static int kcp_departure_push(kcp_departure *self, kcp_segment segment, int64_t number)
{
    hot_kcp *session = self->session;
    uint32_t now = (uint32_t)session->now + session->epoch;

    return kcp_departure_add(self, (kcp_part){
                                        .command = KCP_PUSH,
                                        .fragment = segment.fragment,
                                        .timestamp = kcp_allowance_stamp(&session->allowance, now),
                                        .number = (uint32_t)number,
                                        .length = segment.length,
                                        .payload = segment.data,
                                    });
}

/* Hands over what was written, or lets go of it if there is an error: then it is lost, as it may be on the line. */
static int kcp_departure_leave(kcp_departure *self, int status)
{
    PyObject *output = self->session->output;

    if (status == 0 && self->size > 0)
        status = kcp_departure__end(self);
    Py_INCREF(output);
    for (size_t i = 0; i < self->count; i++) {
        PyObject *done = status == 0 ? PyObject_CallFunctionObjArgs(output, self->datagrams[i], NULL) : NULL;
        status = done ? 0 : -1;
        Py_XDECREF(done);
        Py_DECREF(self->datagrams[i]);
    }
    Py_DECREF(output);
    if (self->datagrams != self->few)
        PyMem_Free(self->datagrams);
    return status;
}
