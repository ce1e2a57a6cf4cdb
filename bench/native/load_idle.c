/*
 * Many connections of which few are busy: ACTIVE of CONNECTIONS have a message of SIZE bytes under way at any
 * time. A reply is followed by a message on another connection, the next one in an order that is shuffled once,
 * so that each has its turn and neighbours in time are none in number.
 *
 * The server's memory (Pss, proc(5)) is read while all connections stand: `server_pss_bytes`.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#include "load.h"
#include "stream.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#define USAGE "load_idle HOST PORT CONNECTIONS SIZE ACTIVE WARMUP_SECONDS SECONDS [SERVER_PID...]"

struct connection {
    struct stream stream;
    bool active;
    uint64_t started_at;
};

static uint64_t connections, size, active;
static struct connection *all;
static uint64_t *order, turn;

static void shuffle(void)
{
    uint64_t state = 1;
    order = calloc(connections, sizeof *order);
    if (!order)
        err(1, "calloc");
    for (uint64_t i = 0; i < connections; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
        uint64_t other = (state >> 33) % (i + 1);
        order[i] = order[other];
        order[other] = i;
    }
}

/* One that has nothing under way is found as long as not all are active, and the failed ones are skipped. */
static void start_another(uint64_t now)
{
    for (uint64_t tried = 0; tried < connections; tried++) {
        struct connection *connection = &all[order[turn++ % connections]];
        if (connection->active || connection->stream.wire.fd < 0)
            continue;
        connection->active = true;
        connection->started_at = now;
        stream_send(&connection->stream, 1);
        return;
    }
}

static void on_replies(struct stream *stream, uint64_t count, uint64_t now)
{
    struct connection *connection = (struct connection *)stream; /* its first member */
    (void)count; /* one, since no more was sent */
    connection->active = false;
    load_complete(now - connection->started_at);
    start_another(now);
}

static void serve_events(uint64_t now, uint64_t until)
{
    stream_wait(load_milliseconds(now, until));
}

/* Pss of the server in bytes; 0 without a server's PID. */
static double server_memory(void)
{
    char path[64], line[256];
    unsigned long kib = 0;
    if (load_server_pid() == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)load_server_pid());
    FILE *file = fopen(path, "r");
    if (!file)
        err(1, "%s", path);
    while (fgets(line, sizeof line, file) && sscanf(line, "Pss: %lu kB", &kib) != 1)
        ;
    fclose(file);
    return (double)kib * 1024;
}

int main(int argc, char **argv)
{
    const struct load_argument arguments[] = {
        {"CONNECTIONS", 1000000, &connections}, {"SIZE", 1 << 30, &size}, {"ACTIVE", 1000000, &active}};
    load_parse(argc, argv, USAGE, arguments, 3);
    if (active > connections)
        errx(2, "ACTIVE must not be more than CONNECTIONS");
    load_fill_pattern(LOAD_BYTES, 0);
    stream_setup(on_replies);
    shuffle();
    all = calloc(connections, sizeof *all);
    if (!all)
        err(1, "calloc");
    for (uint64_t i = 0; i < connections; i++)
        stream_open(&all[i].stream, i, size);
    load_begin(connections);
    uint64_t now = load_now();
    for (uint64_t i = 0; i < active; i++)
        start_another(now);
    load_run(serve_events);
    const struct load_figure figures[] = {{"server_pss_bytes", server_memory()}};
    load_answer(figures, 1);
    return 0;
}
