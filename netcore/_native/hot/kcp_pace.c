/* What decides how fast a session sends: the hot half of kcp/round_trip.py, congestion.py, probe.py and allowance.py. */

#include "kcp.h"

enum {
    KCP_INITIAL_TIMEOUT = 200,
    KCP_LEAST_TIMEOUT = 100,
    KCP_LEAST_TIMEOUT_NO_DELAY = 30,
    KCP_MOST_TIMEOUT = 60000,
    KCP_LEAST_THRESHOLD = 2,
    KCP_FIRST_WAIT = 5000,
    KCP_LONGEST_WAIT = 120000,
    KCP_INITIAL_BYTES = 16384,
};

/* Takes a round trip; see RoundTrip.measured. */
static void kcp_round_trip_measured(kcp_round_trip *self, const kcp_options *options, int64_t duration)
{
    int64_t least = options->no_delay ? KCP_LEAST_TIMEOUT_NO_DELAY : KCP_LEAST_TIMEOUT;
    int64_t timeout;

    if (self->smoothed == 0) {
        self->smoothed = duration;
        self->variation = duration / 2;
    } else {
        int64_t off = duration > self->smoothed ? duration - self->smoothed : self->smoothed - duration;
        self->variation = (3 * self->variation + off) / 4;
        self->smoothed = kcp_most((7 * self->smoothed + duration) / 8, 1);
    }
    timeout = self->smoothed + kcp_most(options->interval, 4 * self->variation);
    self->timeout = kcp_least(kcp_most(timeout, least), KCP_MOST_TIMEOUT);
}

static void kcp_congestion__set(kcp_congestion *self, const kcp_options *options, int64_t size)
{
    self->size = size;
    self->bytes = size * options->segment_size;
}

/* See CongestionWindow.acknowledged. */
static void kcp_congestion_acknowledged(kcp_congestion *self, const kcp_options *options, int64_t peer_window)
{
    int64_t segment = options->segment_size;

    if (self->size >= peer_window)
        return;
    if (self->size < self->threshold) {
        self->size++;
        self->bytes += segment;
    } else {
        self->bytes = kcp_most(self->bytes, segment);
        self->bytes += segment * segment / self->bytes + segment / 16;
        if ((self->size + 1) * segment <= self->bytes)
            self->size = (self->bytes + segment - 1) / segment;
    }
    if (self->size > peer_window)
        kcp_congestion__set(self, options, peer_window);
}

/* See CongestionWindow.resent_early. */
static void kcp_congestion_resent_early(kcp_congestion *self, const kcp_options *options, int64_t under_way)
{
    self->threshold = kcp_most(under_way / 2, KCP_LEAST_THRESHOLD);
    kcp_congestion__set(self, options, self->threshold + options->fast_resend);
}

/* See CongestionWindow.timed_out. */
static void kcp_congestion_timed_out(kcp_congestion *self, const kcp_options *options, int64_t window)
{
    self->threshold = kcp_most(window / 2, KCP_LEAST_THRESHOLD);
    kcp_congestion__set(self, options, 1);
}

/* See CongestionWindow.opened. */
static void kcp_congestion_opened(kcp_congestion *self, const kcp_options *options)
{
    if (self->size < 1)
        kcp_congestion__set(self, options, 1);
}

/* Whether to ask for a window now; see Probe.look. */
static int kcp_probe_look(kcp_probe *self, int is_needed, int64_t now)
{
    if (!is_needed) {
        self->is_set = 0;
        return 0;
    }
    if (!self->is_set) {
        self->is_set = 1;
        self->wait = KCP_FIRST_WAIT;
        self->at = now + self->wait;
        return 0;
    }
    if (now < self->at)
        return 0;
    self->wait = kcp_least(self->wait + self->wait / 2, KCP_LONGEST_WAIT);
    self->at = now + self->wait;
    return 1;
}

static void kcp_allowance_spent(kcp_allowance *self, int64_t size)
{
    if (!self->is_endless)
        self->left -= size;
}

static void kcp_allowance_kept(kcp_allowance *self, int64_t size)
{
    if (!self->is_endless)
        self->keeping -= size;
}

/* See Allowance.stamp. */
static uint32_t kcp_allowance_stamp(kcp_allowance *self, uint32_t timestamp)
{
    if (self->is_endless)
        return timestamp;
    self->is_challenge_due = 0;
    if (!self->is_stamped) {
        self->is_stamped = 1;
        self->stamp = timestamp;
    }
    self->is_stamp_old |= timestamp != self->stamp;
    return self->stamp;
}

/* See Allowance.look_at_receipt. */
static int kcp_allowance_look_at_receipt(kcp_allowance *self, uint32_t timestamp)
{
    if (!self->is_stamped || timestamp != self->stamp)
        return 1;
    self->is_endless = 1;
    self->is_challenge_due = 0;
    return !self->is_stamp_old;
}

/* See Allowance.covers. */
static int kcp_allowance_covers(const kcp_allowance *self, int64_t payload)
{
    return self->is_endless || KCP_HEADER + payload <= self->left;
}
