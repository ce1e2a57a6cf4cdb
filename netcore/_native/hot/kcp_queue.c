/* What is to be sent, under way or not yet: a ring of segments, and how bytes and messages become such. */

#include "kcp.h"

static inline kcp_segment *kcp_queue_place(const kcp_outbound *self, int64_t index)
{
    return &self->ring[(self->head + (size_t)index) & (self->room - 1)];
}

/* The segment that has a number, from the first unacknowledged one on. */
static inline kcp_segment *kcp_queue_at(const kcp_outbound *self, int64_t number)
{
    return kcp_queue_place(self, number - self->unacknowledged);
}

/* Places of the ring that are taken: of what is under way, of what is acknowledged among it, and of what waits. */
static inline int64_t kcp_queue_span(const kcp_outbound *self)
{
    return self->next - self->unacknowledged + self->waiting;
}

static void kcp_queue_free(kcp_outbound *self)
{
    for (int64_t i = 0; i < kcp_queue_span(self); i++)
        PyMem_Free(kcp_queue_place(self, i)->data);
    PyMem_Free(self->ring);
    memset(self, 0, sizeof *self);
}

/* Makes room in the ring for some more. */
static int kcp_queue_reserve(kcp_outbound *self, size_t more)
{
    size_t span = (size_t)kcp_queue_span(self);
    size_t room = self->room ? self->room : 8;
    kcp_segment *ring;

    if (more <= self->room - span)
        return 0;
    while (room < span + more)
        room *= 2;
    ring = PyMem_Calloc(room, sizeof *ring);
    if (ring == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < span; i++)
        ring[i] = *kcp_queue_place(self, (int64_t)i);
    PyMem_Free(self->ring);
    self->ring = ring;
    self->room = room;
    self->head = 0;
    return 0;
}

/* Fills a place with a copy of bytes. */
static int kcp_queue_fill(kcp_segment *place, const char *data, size_t size, int fragment)
{
    char *copy = size > 0 ? PyMem_Malloc(size) : NULL;

    if (size > 0 && copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(place, 0, sizeof *place);
    if (size > 0)
        memcpy(copy, data, size);
    place->data = copy;
    place->length = place->room = (uint32_t)size;
    place->fragment = (uint8_t)fragment;
    return 0;
}

/* Puts bytes behind what waits, in pieces, whose fragments count down to 0 or are all 0: all of them, or none. */
static int kcp_queue__add(kcp_outbound *self, const char *data, size_t size, size_t count, size_t most,
                             int is_counted)
{
    int64_t span = kcp_queue_span(self);

    if (kcp_queue_reserve(self, count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t left = size - i * most;
        if (kcp_queue_fill(kcp_queue_place(self, span + (int64_t)i), data + i * most,
                               left < most ? left : most, is_counted ? (int)(count - i - 1) : 0) < 0) {
            while (i-- > 0)
                PyMem_Free(kcp_queue_place(self, span + (int64_t)i)->data);
            return -1;
        }
    }
    self->waiting += (int64_t)count;
    return 0;
}

/* Makes room for more bytes in the last that waits. Mostly one message follows another: the room grows with them. */
static int kcp_queue__stretch(kcp_segment *last, size_t more, size_t most)
{
    size_t size = last->length + more;
    size_t room = 2 * size < most ? 2 * size : most;
    char *data;

    if (size <= last->room)
        return 0;
    data = PyMem_Realloc(last->data, room);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    last->data = data;
    last->room = (uint32_t)room;
    return 0;
}

static int kcp_queue__send_stream(kcp_outbound *self, size_t most, const char *data, size_t size)
{
    int64_t behind = kcp_queue_span(self) - 1;
    kcp_segment *last = self->waiting > 0 ? kcp_queue_place(self, behind) : NULL;
    size_t joined = last ? most - last->length : 0;

    joined = joined < size ? joined : size;
    if (joined > 0 && kcp_queue__stretch(last, joined, most) < 0)
        return -1;
    if (kcp_queue__add(self, data + joined, size - joined, (size - joined + most - 1) / most, most, 0) < 0)
        return -1;
    if (joined > 0) {
        last = kcp_queue_place(self, behind); /* the ring may have moved */
        memcpy(last->data + last->length, data, joined);
        last->length += (uint32_t)joined;
    }
    return 0;
}

static int kcp_queue__send_message(kcp_outbound *self, size_t most, const char *data, size_t size)
{
    size_t count = size > 0 ? (size + most - 1) / most : 1;
    int64_t widest = self->widest > 0 ? self->widest : KCP_MOST_FRAGMENTS;
    int64_t possible = kcp_least(KCP_MOST_FRAGMENTS - 1, widest);

    if ((int64_t)count > possible) {
        PyErr_Format(PyExc_ValueError, "a message of %zu bytes has %zu segments: %lld are possible", size, count,
                     (long long)possible);
        return -1;
    }
    return kcp_queue__add(self, data, size, count, most, 1);
}

/* Takes bytes, or a message; see Outbound.send. */
static int kcp_queue_send(kcp_outbound *self, const kcp_options *options, const char *data, size_t size)
{
    size_t most = (size_t)options->segment_size;
    int status = options->stream ? kcp_queue__send_stream(self, most, data, size)
                                 : kcp_queue__send_message(self, most, data, size);

    if (status == 0)
        self->held += (int64_t)size;
    return status;
}
