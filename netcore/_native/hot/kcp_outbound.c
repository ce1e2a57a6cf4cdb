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

/* See Outbound._is_admissible. */
static int kcp_outbound__is_admissible(const kcp_outbound *self, const kcp_allowance *allowance, int64_t end)
{
    return self->waiting > 0 && self->next < end &&
           kcp_allowance_covers(allowance, kcp_queue_at(self, self->next)->length);
}

/* Sets the next one under way, if the windows and the allowance let it go now: NULL if not. */
static kcp_segment *kcp_outbound_admit(kcp_outbound *self, const kcp_options *options,
                                       const kcp_round_trip *round_trip, const kcp_allowance *allowance, int64_t now)
{
    int64_t timeout = round_trip->timeout;
    kcp_segment *each;

    if (!kcp_outbound__is_admissible(self, allowance, self->unacknowledged + kcp_outbound__window(self, options)))
        return NULL;
    each = kcp_queue_at(self, self->next);
    each->sent_at = now;
    each->timeout = timeout;
    each->resend_at = now + timeout + (options->no_delay ? 0 : timeout >> 3);
    each->sent = 1;
    each->is_under_way = 1;
    self->is_dead |= each->sent >= options->dead_link;
    self->next++;
    self->waiting--;
    self->under_way++;
    return each;
}

/* When something is to be sent next; see Outbound.next_due. Returns 0 while only the peer can bring it about. */
static int kcp_outbound_next_due(const kcp_outbound *self, const kcp_options *options, const kcp_allowance *allowance,
                                 int64_t now, int64_t *when)
{
    int64_t window = kcp_most(kcp_outbound__window(self, options), kcp_least(1, self->peer_window));
    int64_t end = kcp_outbound_end_of_resending(self);
    int is_known = 0;

    if (kcp_outbound__is_admissible(self, allowance, self->unacknowledged + window)) {
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
