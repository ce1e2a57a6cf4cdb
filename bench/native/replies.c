#include "replies.h"
#include "load.h"

#include <string.h>

static void (*replied)(struct stream *stream, uint64_t count, uint64_t now);

void replies_setup(void (*on_replies)(struct stream *stream, uint64_t count, uint64_t now))
{
    replied = on_replies;
}

const char *replies_take(struct stream *stream, const unsigned char *data, uint64_t size)
{
    if (size > stream->sent - stream->received)
        return "more bytes came back than were sent";
    if (memcmp(data, load_pattern_at(stream->place + stream->received), size) != 0)
        return "other bytes came back than were sent";
    stream->received += size;
    uint64_t complete = stream->received / stream->message - stream->completed;
    stream->completed += complete;
    if (complete > 0)
        replied(stream, complete, load_now());
    return NULL;
}
