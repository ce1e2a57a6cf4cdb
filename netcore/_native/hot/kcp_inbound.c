/* The half of a session that receives: the hot half of kcp/inbound.py. */

#include "kcp_receipts.c"

static const int64_t kcp_inbound_all = INT64_MAX;

static inline kcp_arrival *kcp_inbound__at(const kcp_inbound *self, int64_t number)
{
    return &self->ring[(size_t)number & (self->room - 1)];
}

static void kcp_inbound_free(kcp_inbound *self)
{
    for (size_t i = 0; i < self->room; i++)
        Py_XDECREF(self->ring[i].datagram);
    PyMem_Free(self->ring);
    kcp_receipts_free(&self->receipts);
    memset(self, 0, sizeof *self);
}

/* Makes the ring large enough for so many numbers from the first on. */
static int kcp_inbound_reserve(kcp_inbound *self, size_t count)
{
    size_t room = self->room ? self->room : 8;
    kcp_arrival *ring;

    if (count <= self->room)
        return 0;
    while (room < count)
        room *= 2;
    ring = PyMem_Calloc(room, sizeof *ring);
    if (ring == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < self->room; i++) {
        int64_t number = self->first + (int64_t)i;
        ring[(size_t)number & (room - 1)] = *kcp_inbound__at(self, number);
    }
    PyMem_Free(self->ring);
    self->ring = ring;
    self->room = room;
    return 0;
}

/* What an empty ring has taken is given back, if it is much. */
static void kcp_inbound__give_back(kcp_inbound *self)
{
    if (self->count > 0 || self->room <= 256)
        return;
    PyMem_Free(self->ring);
    self->ring = NULL;
    self->room = 0;
}

/* Segments that still fit, which the peer is told. */
static int kcp_inbound_window(const kcp_inbound *self)
{
    return (int)(self->window - (self->next - self->first));
}

static int kcp_inbound__is_here(const kcp_inbound *self, int64_t number)
{
    return number - self->first < (int64_t)self->room && kcp_inbound__at(self, number)->datagram != NULL;
}

/* See Inbound._order. */
static void kcp_inbound__order(kcp_inbound *self)
{
    while (self->next - self->first < self->window && kcp_inbound__is_here(self, self->next)) {
        self->whole += kcp_inbound__at(self, self->next)->fragment == 0;
        self->next++;
    }
    self->is_stuck = self->whole == 0 && kcp_inbound_window(self) == 0;
}

/* See Inbound.beginning. */
static int64_t kcp_inbound_beginning(const kcp_inbound *self)
{
    return self->next + kcp_least(self->window, KCP_MOST_FRAGMENTS);
}

/* Takes what has arrived, if its number comes before another one, or is in the window if that is kcp_inbound_all;
 * see Inbound.take. There is room in the ring, and for the receipt. */
static int kcp_inbound_take(kcp_inbound *self, const kcp_part *part, PyObject *datagram, int64_t before,
                            uint32_t secret)
{
    int64_t number = kcp_unwrap(part->number, self->next);
    int is_new = number >= self->next && !kcp_inbound__is_here(self, number);
    int may_grow = (int64_t)self->receipts.count < 2 * self->window && (is_new || before == kcp_inbound_all);
    kcp_arrival *place;

    if (number >= (before == kcp_inbound_all ? self->next + self->window : before))
        return 0;
    kcp_receipts_put(&self->receipts, part->number, part->timestamp, may_grow, secret);
    if (!is_new)
        return 0;
    place = kcp_inbound__at(self, number);
    Py_INCREF(datagram);
    place->datagram = datagram;
    place->payload = part->payload;
    place->length = part->length;
    place->fragment = part->fragment;
    self->count++;
    kcp_inbound__order(self);
    return 1;
}

/* Copies what is before a number, which may be ahead of `next`, and lets go of it. */
static void kcp_inbound__copy(kcp_inbound *self, int64_t end, char *to)
{
    for (; self->first < end; self->first++) {
        kcp_arrival *each = kcp_inbound__at(self, self->first);
        memcpy(to, each->payload, each->length);
        to += each->length;
        self->whole -= self->first < self->next && each->fragment == 0;
        self->count--;
        Py_CLEAR(each->datagram); /* bytes, which do nothing about it */
    }
    self->next = kcp_most(self->next, self->first);
    kcp_inbound__order(self);
    kcp_inbound__give_back(self);
}

/* Where the message ends that begins with a number, before another number; 0 if it is not whole. Adds its length. */
static int64_t kcp_inbound__end(const kcp_inbound *self, int64_t number, int64_t before, Py_ssize_t *length)
{
    Py_ssize_t found = *length;

    while (number < before) {
        const kcp_arrival *each = kcp_inbound__at(self, number);
        number++;
        found += (Py_ssize_t)each->length;
        if (each->fragment == 0) {
            *length = found;
            return number;
        }
    }
    return 0;
}

/* The next message; NULL without an error if none is whole. */
static PyObject *kcp_inbound_receive(kcp_inbound *self)
{
    Py_ssize_t length = 0;
    int was_full = kcp_inbound_window(self) == 0;
    int64_t end = self->whole > 0 ? kcp_inbound__end(self, self->first, self->next, &length) : 0;
    PyObject *message;

    if (end == 0)
        return NULL;
    message = PyBytes_FromStringAndSize(NULL, length);
    if (message == NULL)
        return NULL;
    kcp_inbound__copy(self, end, PyBytes_AsString(message));
    self->reopened |= was_full && kcp_inbound_window(self) > 0;
    return message;
}

/* All messages that are whole: what receiving one after the other would give, each of which may make room for more to
 * be in order. */
static PyObject *kcp_inbound_drain(kcp_inbound *self)
{
    Py_ssize_t length = 0;
    int64_t end = self->first, run = self->next;
    int reopened = 0;
    PyObject *all;

    if (self->whole > 0) {
        while (kcp_inbound__is_here(self, run))
            run++;
        for (;;) {
            int64_t behind = kcp_inbound__end(self, end, kcp_least(run, end + self->window), &length);
            if (behind == 0)
                break;
            reopened |= run - end >= self->window && run - behind < self->window;
            end = behind;
        }
    }
    all = PyBytes_FromStringAndSize(NULL, length);
    if (all == NULL || end == self->first)
        return all;
    kcp_inbound__copy(self, end, PyBytes_AsString(all));
    self->reopened |= reopened;
    return all;
}
