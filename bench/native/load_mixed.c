/*
 * A heavy neighbour: one connection echoes messages of BULK_SIZE bytes as fast as they come back, BULK_DEPTH
 * of them under way, beside CONNECTIONS that send SIZE bytes each and wait for the reply.
 *
 * Messages and latencies are those of the many; what the one has got back is `bulk_bytes`.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#include "load.h"
#include "stream.h"

#include <err.h>
#include <stdlib.h>

#define USAGE "load_mixed HOST PORT CONNECTIONS SIZE BULK_SIZE BULK_DEPTH WARMUP_SECONDS SECONDS [SERVER_PID...]"

struct connection {
    struct stream stream;
    uint64_t started_at;
};

static uint64_t connections, size, bulk_size, bulk_depth;
static uint64_t bulk_bytes; /* in the window */

static void on_replies(struct stream *stream, uint64_t count, uint64_t now)
{
    struct connection *connection = (struct connection *)stream; /* its first member */
    if (stream->index == connections) {
        if (load_measuring())
            bulk_bytes += count * bulk_size;
    } else {
        load_complete(now - connection->started_at);
        connection->started_at = now;
    }
    stream_send(stream, count);
}

static void serve_events(uint64_t now, uint64_t until)
{
    stream_wait(load_milliseconds(now, until));
}

int main(int argc, char **argv)
{
    const struct load_argument arguments[] = {{"CONNECTIONS", 1000000, &connections},
                                              {"SIZE", 1 << 30, &size},
                                              {"BULK_SIZE", 1 << 30, &bulk_size},
                                              {"BULK_DEPTH", 1 << 20, &bulk_depth}};
    load_parse(argc, argv, USAGE, arguments, 4);
    load_fill_pattern(LOAD_BYTES, 0);
    stream_setup(on_replies);
    struct connection *all = calloc(connections + 1, sizeof *all);
    if (!all)
        err(1, "calloc");
    for (uint64_t i = 0; i <= connections; i++)
        stream_open(&all[i].stream, i, i < connections ? size : bulk_size);
    load_begin(connections + 1);
    for (uint64_t i = 0; i < connections; i++) {
        all[i].started_at = load_now();
        stream_send(&all[i].stream, 1);
    }
    stream_send(&all[connections].stream, bulk_depth);
    load_run(serve_events);
    const struct load_figure figures[] = {{"bulk_bytes", (double)bulk_bytes}};
    load_answer(figures, 1);
    return 0;
}
