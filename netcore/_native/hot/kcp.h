/* KCP without I/O: kcp.c and its parts, the twins of netcore/kcp. */
#ifndef HOT_KCP_H
#define HOT_KCP_H

#include "hot.h"

enum {
    KCP_PUSH = 81,
    KCP_ACK,
    KCP_ASK,
    KCP_TELL,
};

enum {
    KCP_HEADER = 24,
    KCP_LARGEST_DATAGRAM = 65507,
    KCP_LARGEST_WINDOW = 0xffff,
    KCP_MOST_FRAGMENTS = 128,
    KCP_FEW_RECEIPTS = 8, /* among which one is looked for one by one */
};

/* See KcpOptions. Milliseconds, segments and bytes. */
typedef struct {
    int64_t interval;
    int64_t fast_resend;
    int64_t send_window;
    int64_t receive_window;
    int64_t mtu;
    int64_t segment_size;
    int64_t dead_link;
    int no_delay;
    int congestion_control;
    int stream;
} kcp_options;

/* A segment of a datagram, as it is read and written; see Segment. */
typedef struct {
    uint32_t conversation;
    int command;
    int fragment;
    int window;
    uint32_t timestamp;
    uint32_t number;
    uint32_t acknowledged;
    uint32_t length;
    const char *payload;
} kcp_part;

/* See RoundTrip. */
typedef struct {
    int64_t timeout;
    int64_t smoothed;
    int64_t variation;
} kcp_round_trip;

/* See CongestionWindow. */
typedef struct {
    int64_t size;
    int64_t threshold;
    int64_t bytes;
} kcp_congestion;

/* See Probe. */
typedef struct {
    int64_t at;
    int64_t wait;
    int is_set; /* whether there is an `at` */
} kcp_probe;

/* See Allowance. */
typedef struct {
    int64_t left;
    int64_t keeping;
    int is_endless;
    int is_challenge_due;
    int is_stamped; /* whether there is a `stamp` */
    int is_stamp_old;
    uint32_t stamp;
} kcp_allowance;

typedef struct {
    uint32_t number;
    uint32_t timestamp;
} kcp_receipt;

/* Receipts that are due, in the order in which their segments came, each number once. Where there are more than a few
 * `places` says by number where one is, plus one. */
typedef struct {
    kcp_receipt *list;
    size_t count;
    size_t room;
    uint32_t *places;
    size_t place_count; /* a power of two */
} kcp_receipts;

/* A segment that has come: bytes of a datagram, which it keeps; NULL where there is none yet. */
typedef struct {
    PyObject *datagram;
    const char *payload;
    uint32_t length;
    int fragment;
} kcp_arrival;

/* See Inbound. Arrivals lie in a ring, by their numbers, from `first` on; all before `next` are there. */
typedef struct {
    kcp_arrival *ring;
    size_t room; /* a power of two, or 0 */
    int64_t first;
    int64_t next;
    int64_t window;
    int64_t whole; /* messages among those before `next` */
    int64_t count; /* arrivals in all */
    kcp_receipts receipts;
    int reopened;
    int is_stuck;
} kcp_inbound;

/* A segment to be sent; see InFlight. */
typedef struct {
    char *data;
    uint32_t length;
    uint32_t room; /* bytes at `data` */
    uint32_t overtaken;
    uint8_t fragment;
    uint8_t is_under_way; /* and not acknowledged */
    int64_t sent_at;
    int64_t resend_at;
    int64_t timeout;
    int64_t sent;
} kcp_segment;

/* See Outbound. Segments lie in a ring, from `head` on: first those from `unacknowledged` to `next`, as far as they are
 * under way, and behind them those that wait. */
typedef struct {
    kcp_segment *ring;
    size_t room; /* a power of two, or 0 */
    size_t head;
    int64_t unacknowledged;
    int64_t next;
    int64_t under_way;
    int64_t waiting;
    int64_t held;
    int64_t peer_window;
    int64_t widest; /* that the peer has said; 0 before it has had room for any */
    kcp_congestion congestion;
    int is_dead;
} kcp_outbound;

/* See Kcp. */
typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *output; /* NULL before it is initialized */
    kcp_options options;
    kcp_round_trip round_trip;
    kcp_allowance allowance;
    kcp_probe probe;
    kcp_inbound inbound;
    kcp_outbound outbound;
    int64_t now;
    int64_t flush_at;
    int64_t told;
    uint32_t conversation;
    uint32_t epoch;
    uint32_t secret; /* see kcp_receipts.c */
    int has_flushed; /* whether there is a `flush_at` */
    int is_asked;
    int is_finished;
} hot_kcp;

extern PyTypeObject *hot_kcp_type;

static inline int64_t kcp_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t kcp_most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
