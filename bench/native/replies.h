/* What comes back on a stream, compared with what was sent: the part of stream.h that all its transports share. */
#ifndef BENCH_REPLIES_H
#define BENCH_REPLIES_H

#include "stream.h"

/* Comes first, with what stream_setup is given. */
void replies_setup(void (*on_replies)(struct stream *stream, uint64_t count, uint64_t now));

/* Takes bytes, LOAD_CHUNK at most, and tells of the messages that they complete. Returns what is wrong with them, or
 * NULL. */
const char *replies_take(struct stream *stream, const unsigned char *data, uint64_t size);

#endif
