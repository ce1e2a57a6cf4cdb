/* A client's end of a KCP session, without I/O: a stream, without congestion control, sent again soon.
 *
 * What it sends is a piece of the pattern (load.h), so nothing is kept of it. Who receives from it has all at once,
 * so its window is always open. The wire is that of skywind3000/kcp, protocol.txt; numbers and times, which are
 * milliseconds, are modulo 2^32. */
#ifndef BENCH_KCP_H
#define BENCH_KCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KCP_MTU = 1400, KCP_WINDOW = 1024 /* segments, both ways; a power of two */ };

struct kcp_segment { /* that was sent */
    uint64_t offset; /* of its payload in the stream */
    uint32_t length, sent_at, resend_at, timeout;
    uint16_t times, overtaken; /* how often it was sent, and how many later ones have arrived since */
    bool acknowledged;
};

struct kcp_early { /* that has come before its turn */
    unsigned char *payload;
    uint32_t length;
};

struct kcp_receipt { /* to be sent */
    uint32_t number, timestamp;
};

struct kcp {
    uint32_t conversation;
    uint64_t place;       /* of the stream in the pattern */
    uint64_t cut;         /* bytes of the stream that are in segments */
    uint32_t first, next; /* the numbers of the first one that is not acknowledged, and of the next to be sent */
    uint32_t expected;    /* the number of the next one to come */
    uint32_t peer_window;
    uint32_t timeout, smoothed, variation; /* of round trips */
    uint32_t ask_at;                       /* for a window that is closed */
    bool is_asked;                         /* for its own */
    uint32_t receipts;
    struct kcp_segment sent[KCP_WINDOW]; /* by number */
    struct kcp_early early[KCP_WINDOW];
    struct kcp_receipt receipt[KCP_WINDOW];
};

/* Comes first. `deliver` gets what comes of a stream, in order, and returns whether to go on; `output` gets
 * datagrams. */
void kcp_setup(bool (*deliver)(struct kcp *kcp, const unsigned char *payload, uint32_t length),
               void (*output)(struct kcp *kcp, const unsigned char *datagram, size_t size));

void kcp_open(struct kcp *kcp, uint32_t conversation, uint64_t place);

/* Takes a datagram. Returns false if it is none of this conversation's, and once `deliver` has. */
bool kcp_input(struct kcp *kcp, const unsigned char *datagram, size_t size, uint32_t now);

/* Sends what is due of the first `queued` bytes of the stream, and receipts. To be called every KCP_INTERVAL, after
 * input, and when there is more to send. */
enum { KCP_INTERVAL = 10 };
void kcp_flush(struct kcp *kcp, uint64_t queued, uint32_t now);

#endif
