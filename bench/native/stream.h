/* Connections to a stream echo server, which must give back the very bytes that were sent.
 *
 * All send from one repeating pattern, each from a place of its own in it, so one memcmp per recv finds a
 * reply that is damaged, repeated, out of order or somebody else's. A connection that fails says so once
 * and is closed.
 *
 * They are TCP's, with TLS or without (stream.c), or KCP's (stream_kcp.c), whichever a program is linked with. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

struct stream {
    struct wire wire; /* closed once it has failed */
    bool wants_write;
    uint64_t index;
    uint64_t place;                  /* where in the pattern it begins */
    uint64_t message;                /* bytes per message on the wire */
    uint64_t queued, sent, received; /* bytes since the beginning; queued >= sent >= received */
    uint64_t completed;              /* messages since the beginning */
};

/* Comes first, wire_setup included; `on_replies` is told how many messages of a stream have just become complete. */
void stream_setup(void (*on_replies)(struct stream *stream, uint64_t count, uint64_t now));

/* Connects and, with TLS, greets, or ends the program. Does not count it among the living: load_begin. */
void stream_open(struct stream *stream, uint64_t index, uint64_t message);

/* Sends as many messages more, at once as far as the socket takes them. The stream may have failed afterwards;
 * to one that has failed nothing happens. */
void stream_send(struct stream *stream, uint64_t count);

/* Waits for events up to so many milliseconds and serves them. */
void stream_wait(int milliseconds);

#endif
