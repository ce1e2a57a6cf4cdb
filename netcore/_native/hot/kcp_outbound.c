/* The half of a session that sends: the hot half of kcp/outbound.py. */

#include "kcp_queue.c"

enum { KCP_MOST_EARLY_RESENDS = 5 };

static const int64_t kcp_outbound__longest_timeout = (int64_t)1 << 40;

/* Takes what room the peer says it has; see Outbound.told_window. */
static void kcp_outbound_told_window(kcp_outbound *self, int64_t window, int64_t timeout)
{
    if (window > 0 && self->peer_window == 0) {
        for (int64_t number = self->unacknowledged; number < self->next; number++) {
            kcp_segment *each = kcp_queue_at(self, number);
            each->resend_at = each->sent_at;
            each->timeout = timeout;
        }
    }
    self->peer_window = window;
    self->widest = kcp_most(window, self->widest);
}

/* See Outbound.is_possible. */
static int kcp_outbound_is_possible(const kcp_outbound *self, uint32_t acknowledged)
{
    return kcp_unwrap(acknowledged, self->unacknowledged) <= self->next;
}

static void kcp_outbound__let_go(kcp_outbound *self, int64_t number)
{
    kcp_segment *each = kcp_queue_at(self, number);

    if (!each->is_under_way)
        return;
    self->held -= each->length;
    self->under_way--;
    each->is_under_way = 0;
    PyMem_Free(each->data);
    each->data = NULL;
}

static void kcp_outbound__move_on(kcp_outbound *self)
{
    while (self->unacknowledged < self->next && !kcp_queue_at(self, self->unacknowledged)->is_under_way) {
        self->head = (self->head + 1) & (self->room - 1);
        self->unacknowledged++;
    }
    if (self->room > 128 && kcp_queue_span(self) == 0) { /* what many have taken is given back */
        PyMem_Free(self->ring);
        self->ring = NULL;
        self->room = self->head = 0;
    }
}

/* Takes that all before a number, a possible one, have arrived. */
static void kcp_outbound_acknowledged_before(kcp_outbound *self, uint32_t acknowledged)
{
    int64_t end = kcp_unwrap(acknowledged, self->unacknowledged);

    if (end <= self->unacknowledged)
        return;
    for (int64_t number = self->unacknowledged; number < end; number++)
        kcp_outbound__let_go(self, number);
    kcp_outbound__move_on(self);
}

/* Whether a number is one of those that may be under way. */
static int kcp_outbound__has(const kcp_outbound *self, int64_t number)
{
    return self->unacknowledged <= number && number < self->next;
}

/* Takes the receipt of one. */
static void kcp_outbound_acknowledged(kcp_outbound *self, uint32_t which)
{
    int64_t number = kcp_unwrap(which, self->unacknowledged);

    if (!kcp_outbound__has(self, number))
        return;
    kcp_outbound__let_go(self, number);
    kcp_outbound__move_on(self);
}

/* See Outbound.overtook. */
static void kcp_outbound_overtook(kcp_outbound *self, uint32_t which, uint32_t timestamp, uint32_t epoch)
{
    int64_t last = kcp_unwrap(which, self->unacknowledged);

    if (!kcp_outbound__has(self, last))
        return;
    for (int64_t number = self->unacknowledged; number < last; number++) {
        kcp_segment *each = kcp_queue_at(self, number);
        if (each->is_under_way && kcp_difference(timestamp, (uint32_t)each->sent_at + epoch) >= 0 &&
            each->overtaken < UINT32_MAX)
            each->overtaken++;
    }
}

static int64_t kcp_outbound__window(const kcp_outbound *self, const kcp_options *options)
{
    int64_t window = kcp_least(options->send_window, self->peer_window);

    return options->congestion_control ? kcp_least(window, self->congestion.size) : window;
}

/* See Outbound._end_of_resending. */
static int64_t kcp_outbound_end_of_resending(const kcp_outbound *self)
{
    return kcp_least(self->next, self->unacknowledged + kcp_most(self->peer_window, 1));
}

static int kcp_outbound__is_overtaken(const kcp_segment *each, const kcp_options *options)
{
    return options->fast_resend > 0 && each->overtaken >= options->fast_resend &&
           each->sent <= KCP_MOST_EARLY_RESENDS;
}

enum { KCP_NOT_DUE, KCP_EARLY, KCP_LATE };

/* Looks whether one that is under way is to be sent again now, and sets it up for that. */
static int kcp_outbound_resend(kcp_outbound *self, int64_t number, const kcp_options *options,
                               const kcp_round_trip *round_trip, const kcp_allowance *allowance, int64_t now)
{
    kcp_segment *each = kcp_queue_at(self, number);
    int is_late = now >= each->resend_at;

    if (!each->is_under_way || !(is_late || kcp_outbound__is_overtaken(each, options)) ||
        !kcp_allowance_covers(allowance, each->length))
        return KCP_NOT_DUE;
    if (is_late) {
        if (!options->no_delay)
            each->timeout += kcp_most(each->timeout, round_trip->timeout);
        else
            each->timeout += (options->no_delay == 1 ? each->timeout : round_trip->timeout) / 2;
        each->timeout = kcp_least(each->timeout, kcp_outbound__longest_timeout);
    } else {
        each->overtaken = 0;
    }
    each->resend_at = now + each->timeout;
    each->sent += self->peer_window > 0;
    each->sent_at = now;
    self->is_dead |= each->sent >= options->dead_link;
    return is_late ? KCP_LATE : KCP_EARLY;
}

/* How many bytes of the first that waits may be sent now, -1 for none of it; see Outbound._admissible. */
static int64_t kcp_outbound__admissible(const kcp_outbound *self, const kcp_options *options,
                                        const kcp_allowance *allowance, int is_renewed)
{
    const kcp_segment *first = kcp_queue_at(self, self->next);
    int64_t share = kcp_allowance_share(allowance, is_renewed, self->under_way > 0);
    int64_t parts = (int64_t)first->fragment + 2;

    if ((int64_t)first->length <= share - KCP_HEADER)
        return first->length;
    if (share <= KCP_HEADER || self->under_way > 0)
        return -1;
    if (!options->stream &&
        (self->is_amid_message || parts > kcp_least(KCP_MOST_FRAGMENTS, kcp_queue_widest(self))))
        return -1;
    return share - KCP_HEADER;
}

/* Cuts the first that waits in two; nothing is under way. */
static int kcp_outbound__cut(kcp_outbound *self, int64_t size, int is_counted)
{
    kcp_segment *rest, *piece;

    if (kcp_queue_reserve(self, 1) < 0)
        return -1;
    rest = kcp_queue_place(self, 0);
    piece = kcp_queue_place(self, -1);
    if (kcp_queue_fill(piece, rest->data, (size_t)size, rest->fragment + is_counted) < 0)
        return -1;
    rest->length -= (uint32_t)size;
    memmove(rest->data, rest->data + size, rest->length);
    self->head = (self->head - 1) & (self->room - 1);
    self->waiting++;
    return 0;
}

/* Sets the next one under way, if the windows and the allowance let it go now: NULL if not, or for an error. */
static kcp_segment *kcp_outbound_admit(kcp_outbound *self, const kcp_options *options,
                                       const kcp_round_trip *round_trip, const kcp_allowance *allowance,
                                       int is_renewed, int64_t now)
{
    int64_t timeout = round_trip->timeout;
    kcp_segment *each;
    int64_t size;

    if (self->waiting == 0 || self->next >= self->unacknowledged + kcp_outbound__window(self, options))
        return NULL;
    size = kcp_outbound__admissible(self, options, allowance, is_renewed);
    if (size < 0)
        return NULL;
    if (size < (int64_t)kcp_queue_at(self, self->next)->length &&
        kcp_outbound__cut(self, size, !options->stream) < 0)
        return NULL;
    each = kcp_queue_at(self, self->next);
    each->sent_at = now;
    each->timeout = timeout;
    each->resend_at = now + timeout + (options->no_delay ? 0 : timeout >> 3);
    each->sent = 1;
    each->is_under_way = 1;
    self->is_amid_message = each->fragment > 0;
    self->is_dead |= each->sent >= options->dead_link;
    self->next++;
    self->waiting--;
    self->under_way++;
    return each;
}

/* When something is to be sent next; see Outbound.next_due. Returns 0 while only the peer can bring it about. */
static int kcp_outbound_next_due(const kcp_outbound *self, const kcp_options *options, const kcp_allowance *allowance,
                                 int is_renewed, int64_t now, int64_t *when)
{
    int64_t window = kcp_most(kcp_outbound__window(self, options), kcp_least(1, self->peer_window));
    int64_t end = kcp_outbound_end_of_resending(self);
    int is_known = 0;

    if (self->waiting > 0 && self->next < self->unacknowledged + window &&
        kcp_outbound__admissible(self, options, allowance, is_renewed) >= 0) {
        *when = now;
        return 1;
    }
    for (int64_t number = self->unacknowledged; number < end; number++) {
        const kcp_segment *each = kcp_queue_at(self, number);
        if (!each->is_under_way || !kcp_allowance_covers(allowance, each->length))
            continue;
        if (kcp_outbound__is_overtaken(each, options)) {
            *when = now;
            return 1;
        }
        if (!is_known || each->resend_at < *when)
            *when = each->resend_at;
        is_known = 1;
    }
    return is_known;
}
