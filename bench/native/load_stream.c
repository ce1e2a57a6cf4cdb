/*
 * Closed-loop load for a stream echo server: every connection keeps DEPTH messages under way and
 * sends the next one when a reply is complete.
 *
 * With --frames each message is a frame of SIZE bytes behind four bytes of big-endian length.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#include "load.h"
#include "stream.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define USAGE \
    "load_stream [--frames] HOST PORT CONNECTIONS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID]"

enum { LENGTH_FIELD = 4 };

struct connection {
    struct stream stream;
    uint64_t started, answered; /* messages since the beginning */
    uint64_t *started_at;       /* of the messages under way, a ring of depth */
};

static uint64_t connections, size, depth;

static void start(struct connection *connection, uint64_t count, uint64_t now)
{
    for (uint64_t i = 0; i < count; i++)
        connection->started_at[connection->started++ % depth] = now;
    stream_send(&connection->stream, count);
}

static void on_replies(struct stream *stream, uint64_t count, uint64_t now)
{
    struct connection *connection = (struct connection *)stream; /* its first member */
    for (uint64_t i = 0; i < count; i++)
        load_complete(now - connection->started_at[connection->answered++ % depth]);
    start(connection, count, now);
}

static void serve_events(uint64_t now, uint64_t until)
{
    stream_wait(load_milliseconds(now, until));
}

int main(int argc, char **argv)
{
    bool frames = argc > 1 && strcmp(argv[1], "--frames") == 0;
    const struct load_argument arguments[] = {
        {"CONNECTIONS", 1000000, &connections}, {"SIZE", 1 << 30, &size}, {"DEPTH", 1 << 20, &depth}};
    load_parse(argc - frames, argv + frames, USAGE, arguments, 3);

    load_fill_pattern(frames ? size : 0);
    stream_setup(on_replies);
    struct connection *all = calloc(connections, sizeof *all);
    if (!all)
        err(1, "calloc");
    for (uint64_t i = 0; i < connections; i++) {
        all[i].started_at = calloc(depth, sizeof *all[i].started_at);
        if (!all[i].started_at)
            err(1, "calloc");
        stream_open(&all[i].stream, i, frames ? size + LENGTH_FIELD : size);
    }
    load_begin(connections);
    uint64_t now = load_now();
    for (uint64_t i = 0; i < connections; i++)
        start(&all[i], depth, now);
    load_run(serve_events);
    load_answer(NULL, 0);
    return 0;
}
