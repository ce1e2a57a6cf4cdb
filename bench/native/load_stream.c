/*
 * Closed-loop load for a stream echo server: every connection keeps DEPTH messages under way and
 * sends the next one when a reply is complete.
 *
 * With --frames each message is a frame of SIZE bytes behind four bytes of big-endian length; with --lines it is a
 * line of SIZE bytes, its newline included.
 *
 * With --naps it sleeps between two looks at its sockets, so that replies come together: to wait for each would take
 * more of a CPU that it shares with the server. Latencies include that sleep, and say nothing.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#include "load.h"
#include "stream.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USAGE \
    "load_stream [--frames|--lines|--naps] HOST PORT CONNECTIONS SIZE DEPTH WARMUP_SECONDS SECONDS [SERVER_PID...]"

struct connection {
    struct stream stream;
    uint64_t started, answered; /* messages since the beginning */
    uint64_t *started_at;       /* of the messages under way, a ring of depth */
};

static uint64_t connections, size, depth;
static bool naps;

static const struct timespec NAP = {.tv_nsec = 500000};

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
    if (naps)
        nanosleep(&NAP, NULL);
    stream_wait(load_milliseconds(now, until));
}

static enum load_framing framing_of(const char *option)
{
    if (strcmp(option, "--frames") == 0)
        return LOAD_FRAMES;
    return strcmp(option, "--lines") == 0 ? LOAD_LINES : LOAD_BYTES;
}

int main(int argc, char **argv)
{
    enum load_framing framing = framing_of(argc > 1 ? argv[1] : "");
    naps = argc > 1 && strcmp(argv[1], "--naps") == 0;
    int options = naps || framing != LOAD_BYTES;
    const struct load_argument arguments[] = {
        {"CONNECTIONS", 1000000, &connections}, {"SIZE", 1 << 30, &size}, {"DEPTH", 1 << 20, &depth}};
    load_parse(argc - options, argv + options, USAGE, arguments, 3);

    size_t message = load_fill_pattern(framing, size);
    stream_setup(on_replies);
    struct connection *all = calloc(connections, sizeof *all);
    if (!all)
        err(1, "calloc");
    for (uint64_t i = 0; i < connections; i++) {
        all[i].started_at = calloc(depth, sizeof *all[i].started_at);
        if (!all[i].started_at)
            err(1, "calloc");
        stream_open(&all[i].stream, i, message);
    }
    load_begin(connections);
    uint64_t now = load_now();
    for (uint64_t i = 0; i < connections; i++)
        start(&all[i], depth, now);
    load_run(serve_events);
    load_answer(NULL, 0);
    return 0;
}
