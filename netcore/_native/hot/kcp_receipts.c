/* Receipts that are due: of kcp/inbound.py, where a dict has them.
 *
 * Whoever sends datagrams chooses the numbers: they are mixed with one that the peer does not know, so that it cannot
 * choose such as are all looked for in the same place. */

#include "kcp.h"

static void kcp_receipts_free(kcp_receipts *self)
{
    PyMem_Free(self->list);
    PyMem_Free(self->places);
    memset(self, 0, sizeof *self);
}

static size_t kcp_receipts__place(const kcp_receipts *self, uint32_t number, uint32_t secret)
{
    uint32_t mixed = number ^ secret;

    mixed ^= mixed >> 16;
    mixed *= 0x85ebca6bu;
    mixed ^= mixed >> 13;
    mixed *= 0xc2b2ae35u;
    mixed ^= mixed >> 16;
    return mixed & (self->place_count - 1);
}

static void kcp_receipts__note(kcp_receipts *self, size_t index, uint32_t secret)
{
    size_t place = kcp_receipts__place(self, self->list[index].number, secret);

    while (self->places[place] != 0)
        place = (place + 1) & (self->place_count - 1);
    self->places[place] = (uint32_t)index + 1;
}

static void kcp_receipts__note_all(kcp_receipts *self, uint32_t secret)
{
    memset(self->places, 0, self->place_count * sizeof *self->places);
    for (size_t i = 0; i < self->count; i++)
        kcp_receipts__note(self, i, secret);
}

/* Makes room for some more. */
static int kcp_receipts_reserve(kcp_receipts *self, size_t more, uint32_t secret)
{
    size_t room = self->room ? self->room : KCP_FEW_RECEIPTS;
    kcp_receipt *list;
    uint32_t *places;

    if (more <= self->room - self->count)
        return 0;
    while (room < self->count + more)
        room *= 2;
    list = PyMem_Realloc(self->list, room * sizeof *list);
    if (list != NULL)
        self->list = list;
    places = list && room > KCP_FEW_RECEIPTS ? PyMem_Realloc(self->places, 2 * room * sizeof *places) : NULL;
    if (places != NULL)
        self->places = places;
    if (list == NULL || (places == NULL && room > KCP_FEW_RECEIPTS)) {
        PyErr_NoMemory();
        return -1;
    }
    self->room = room;
    self->place_count = places ? 2 * room : 0;
    if (self->count > KCP_FEW_RECEIPTS)
        kcp_receipts__note_all(self, secret);
    return 0;
}

static kcp_receipt *kcp_receipts__find(const kcp_receipts *self, uint32_t number, uint32_t secret)
{
    if (self->count <= KCP_FEW_RECEIPTS) {
        for (size_t i = 0; i < self->count; i++)
            if (self->list[i].number == number)
                return &self->list[i];
        return NULL;
    }
    for (size_t place = kcp_receipts__place(self, number, secret); self->places[place] != 0;
         place = (place + 1) & (self->place_count - 1)) {
        kcp_receipt *found = &self->list[self->places[place] - 1];
        if (found->number == number)
            return found;
    }
    return NULL;
}

/* Has one be due, of which there is room if it may be one more than there are. */
static void kcp_receipts_put(kcp_receipts *self, uint32_t number, uint32_t timestamp, int may_grow, uint32_t secret)
{
    kcp_receipt *found = kcp_receipts__find(self, number, secret);

    if (found != NULL) {
        found->timestamp = timestamp;
        return;
    }
    if (!may_grow)
        return;
    self->list[self->count++] = (kcp_receipt){number, timestamp};
    if (self->count == KCP_FEW_RECEIPTS + 1)
        kcp_receipts__note_all(self, secret);
    else if (self->count > KCP_FEW_RECEIPTS)
        kcp_receipts__note(self, self->count - 1, secret);
}

/* All were sent. What many have taken is given back. */
static void kcp_receipts_clear(kcp_receipts *self)
{
    if (self->room > 16 * KCP_FEW_RECEIPTS)
        kcp_receipts_free(self);
    self->count = 0;
}
