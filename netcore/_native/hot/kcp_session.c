/* A session: both halves, what is said between them and the peer, and the clock; the hot half of kcp/session.py. */

#include "kcp_wire.c"
#include "kcp_pace.c"
#include "kcp_inbound.c"
#include "kcp_outbound.c"
#include "kcp_departure.c"

enum { KCP_LONGEST_LAG = 10000 };

static int kcp_session__is_dead(const hot_kcp *self)
{
    return self->outbound.is_dead || self->inbound.is_stuck;
}

static int64_t kcp_session__waiting(const hot_kcp *self)
{
    return self->outbound.waiting + self->outbound.under_way;
}

static int kcp_session__may_acknowledge(const hot_kcp *self)
{
    int is_last = self->is_finished && kcp_session__waiting(self) == 0 && kcp_allowance_covers(&self->allowance, 0);

    return self->allowance.is_endless || is_last;
}

/* Who is not acknowledged comes again whether there is room or not. */
static int kcp_session__has_to_tell(const hot_kcp *self)
{
    return (self->is_asked && kcp_allowance_covers(&self->allowance, 0)) ||
           (self->inbound.reopened && self->allowance.is_endless);
}

static int kcp_session__has_to_challenge(const hot_kcp *self)
{
    return self->allowance.is_challenge_due && kcp_allowance_covers(&self->allowance, 0);
}

static int kcp_session__is_blocked(const hot_kcp *self)
{
    return self->outbound.peer_window == 0 && kcp_session__waiting(self) > 0 &&
           kcp_allowance_covers(&self->allowance, 0);
}

static int kcp_session__receipts(hot_kcp *self, kcp_departure *departure)
{
    kcp_receipts *receipts = &self->inbound.receipts;

    if (!kcp_session__may_acknowledge(self))
        return 0;
    self->told = self->inbound.next;
    /* One of them has told of all before `next`. */
    for (size_t i = 0; i < receipts->count && kcp_allowance_covers(&self->allowance, 0); i++) {
        kcp_part part = {
            .command = KCP_ACK, .timestamp = receipts->list[i].timestamp, .number = receipts->list[i].number};
        if (kcp_departure_add(departure, part) < 0) {
            kcp_receipts_clear(receipts);
            return -1;
        }
    }
    kcp_receipts_clear(receipts);
    return 0;
}

static int kcp_session__words(hot_kcp *self, kcp_departure *departure)
{
    if (kcp_probe_look(&self->probe, kcp_session__is_blocked(self), self->now) &&
        kcp_departure_add(departure, (kcp_part){.command = KCP_ASK}) < 0)
        return -1;
    if (!kcp_session__has_to_tell(self))
        return 0;
    self->is_asked = self->inbound.reopened = 0;
    return kcp_departure_add(departure, (kcp_part){.command = KCP_TELL});
}

/* See Outbound.due. */
static int kcp_session__pushes(hot_kcp *self, kcp_departure *departure)
{
    kcp_outbound *outbound = &self->outbound;
    const kcp_options *options = &self->options;
    int64_t window_before = outbound->congestion.size;
    int64_t end = kcp_outbound_end_of_resending(outbound);
    int is_lost = 0, is_early = 0;
    kcp_segment *segment;

    for (int64_t number = outbound->unacknowledged; number < end; number++) {
        int how = kcp_outbound_resend(outbound, number, options, &self->round_trip, &self->allowance, self->now);
        is_lost |= how == KCP_LATE;
        is_early |= how == KCP_EARLY;
        if (how != KCP_NOT_DUE &&
            kcp_departure_push(departure, *kcp_queue_at(outbound, number), number) < 0)
            return -1;
    }
    while ((segment = kcp_outbound_admit(outbound, options, &self->round_trip, &self->allowance, self->now)) != NULL)
        if (kcp_departure_push(departure, *segment, outbound->next - 1) < 0)
            return -1;
    if (is_early)
        kcp_congestion_resent_early(&outbound->congestion, options, outbound->next - outbound->unacknowledged);
    if (is_lost)
        kcp_congestion_timed_out(&outbound->congestion, options, window_before);
    kcp_congestion_opened(&outbound->congestion, options);
    return 0;
}

/* The peer has got what comes before: it acknowledges this one, and makes nothing of it. */
static int kcp_session__challenge(hot_kcp *self, kcp_departure *departure)
{
    if (!kcp_session__has_to_challenge(self))
        return 0;
    return kcp_departure_push(departure, (kcp_segment){0}, self->outbound.unacknowledged - 1);
}

/* Sends what is due. */
static int kcp_session_flush(hot_kcp *self)
{
    kcp_departure departure;
    int status;

    kcp_departure_begin(&departure, self);
    status = kcp_session__receipts(self, &departure);
    if (status == 0)
        status = kcp_session__words(self, &departure);
    if (status == 0)
        status = kcp_session__pushes(self, &departure);
    if (status == 0)
        status = kcp_session__challenge(self, &departure);
    return kcp_departure_leave(&departure, status);
}

/* See Kcp.update. */
static int kcp_session_update(hot_kcp *self, int64_t now)
{
    int64_t due = self->flush_at;

    self->now = now;
    if (!self->has_flushed || now - due >= KCP_LONGEST_LAG || due - now >= KCP_LONGEST_LAG)
        due = now;
    if (now < due)
        return 0;
    due += self->options.interval;
    self->has_flushed = 1;
    self->flush_at = due > now ? due : now + self->options.interval;
    return kcp_session_flush(self);
}

/* See Kcp._wanted_at; returns 0 for None. */
static int kcp_session__wanted_at(const hot_kcp *self, int64_t now, int64_t *when)
{
    const kcp_inbound *inbound = &self->inbound;
    int is_blocked = kcp_session__is_blocked(self);
    int is_known;

    *when = now;
    if (kcp_session__is_dead(self))
        return 0;
    if ((inbound->receipts.count > 0 && kcp_session__may_acknowledge(self)) || kcp_session__has_to_tell(self) ||
        (is_blocked && !self->probe.is_set) || kcp_session__has_to_challenge(self))
        return 1;
    is_known = kcp_outbound_next_due(&self->outbound, &self->options, &self->allowance, now, when);
    if (is_blocked && (!is_known || self->probe.at < *when)) {
        *when = self->probe.at;
        return 1;
    }
    return is_known;
}

/* See Kcp.next_due; returns 0 for None. */
static int kcp_session_next_due(const hot_kcp *self, int64_t now, int64_t *when)
{
    int64_t tick = self->flush_at;

    if (!kcp_session__wanted_at(self, now, when))
        return 0;
    if (!self->has_flushed || now - tick >= KCP_LONGEST_LAG || tick - now >= KCP_LONGEST_LAG)
        tick = now;
    *when = kcp_most(*when, tick);
    return 1;
}

/* See Kcp._end_of_keeping. */
static int64_t kcp_session__end_of_keeping(const hot_kcp *self, size_t size)
{
    const kcp_inbound *inbound = &self->inbound;

    if (self->allowance.is_endless)
        return kcp_inbound_all;
    return (int64_t)size <= self->allowance.keeping ? kcp_inbound_beginning(inbound) : inbound->next;
}

/* Looks whether a datagram's segments may be what they are, and makes room for what they bring. The window that the
 * last of them tells is the one that counts: the others are no newer. */
static int kcp_session__check(hot_kcp *self, const char *data, size_t size, int64_t before, int *window)
{
    kcp_inbound *inbound = &self->inbound;
    size_t most = 2 * (size_t)inbound->window;
    size_t arrivals = 0, furthest = 0;

    if (kcp_wire_check(data, size, self->conversation) < 0)
        return -1;
    for (size_t at = 0; at < size;) {
        kcp_part part;
        at += kcp_wire_take(data + at, &part);
        if (part.command == KCP_PUSH && part.fragment >= inbound->window) {
            PyErr_Format(PyExc_ValueError, "a message of more than %d segments does not fit", part.fragment);
            return -1;
        }
        if (!kcp_outbound_is_possible(&self->outbound, part.acknowledged)) {
            PyErr_Format(PyExc_ValueError, "what comes before %lu was never sent", (unsigned long)part.acknowledged);
            return -1;
        }
        *window = part.window;
        if (part.command == KCP_PUSH) {
            /* There will not be more room than for twice the window from the first one on. */
            int64_t number = kcp_unwrap(part.number, inbound->next);
            int64_t ahead = number - inbound->first;
            if (before != kcp_inbound_all && (number < inbound->next || number >= before))
                continue;
            if (ahead >= 0 && (size_t)ahead < most && (size_t)ahead >= furthest)
                furthest = (size_t)ahead + 1;
            arrivals++;
        }
    }
    if (inbound->receipts.count + arrivals > most)
        arrivals = most - inbound->receipts.count;
    if (kcp_receipts_reserve(&inbound->receipts, arrivals, self->secret) < 0)
        return -1;
    return kcp_inbound_reserve(inbound, furthest);
}

static void kcp_session__take_receipt(hot_kcp *self, const kcp_part *part)
{
    int64_t duration = kcp_difference((uint32_t)self->now + self->epoch, part->timestamp);

    if (kcp_allowance_look_at_receipt(&self->allowance, part->timestamp) && duration >= 0)
        kcp_round_trip_measured(&self->round_trip, &self->options, duration);
    kcp_outbound_acknowledged(&self->outbound, part->number);
}

/* One that was sent again is acknowledged late and says nothing of those that were sent meanwhile. */
static int kcp_session__is_later(const kcp_part *receipt, const kcp_part *than)
{
    return kcp_difference(receipt->number, than->number) > 0 &&
           kcp_difference(receipt->timestamp, than->timestamp) > 0;
}

/* Takes a datagram, at a time that is no earlier than `now`, or leaves everything as it was. */
static int kcp_session_input(hot_kcp *self, PyObject *datagram, int64_t now)
{
    const char *data = PyBytes_AsString(datagram);
    size_t size = (size_t)PyBytes_Size(datagram);
    kcp_outbound *outbound = &self->outbound;
    int64_t acknowledged = outbound->unacknowledged;
    int64_t before = kcp_session__end_of_keeping(self, size);
    kcp_part last = {0};
    int window = 0, is_kept = 0;

    if (kcp_session__check(self, data, size, before, &window) < 0)
        return -1;
    self->now = kcp_most(self->now, now);
    kcp_allowance_spent(&self->allowance, -(int64_t)size);
    kcp_outbound_told_window(outbound, window, self->round_trip.timeout);
    for (size_t at = 0; at < size;) {
        kcp_part part;
        at += kcp_wire_take(data + at, &part);
        kcp_outbound_acknowledged_before(outbound, part.acknowledged);
        if (part.command == KCP_PUSH) {
            is_kept |= kcp_inbound_take(&self->inbound, &part, datagram, before, self->secret);
            self->allowance.is_challenge_due = !self->allowance.is_endless;
        } else if (part.command == KCP_ACK) {
            kcp_session__take_receipt(self, &part);
            if (last.command == 0 || kcp_session__is_later(&part, &last))
                last = part;
        } else if (part.command == KCP_ASK) {
            self->is_asked = 1;
        }
    }
    if (is_kept)
        kcp_allowance_kept(&self->allowance, (int64_t)size);
    if (last.command != 0)
        kcp_outbound_overtook(outbound, last.number, last.timestamp, self->epoch);
    if (outbound->unacknowledged > acknowledged)
        kcp_congestion_acknowledged(&outbound->congestion, &self->options, outbound->peer_window);
    return 0;
}
