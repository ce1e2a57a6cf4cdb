/*
 * Open-loop load for a stream echo server: RATE messages a second over all CONNECTIONS, sent when they are
 * due whether or not the server has answered, and their latency counted from when they were due.
 *
 * A closed loop asks a slow server less often, and so leaves out just the messages that would have waited
 * ("coordinated omission": wrk2, README.md). Here nothing is left out: what is sent late, because the
 * socket is full or the load generator was away, has waited since it was due, and what is unanswered at the
 * end counts with the time that it has waited until then.
 *
 * Before a message is due the generator asks the sockets without sleeping, since a sleep would end tens of
 * microseconds late: at the rates of a benchmark its CPU is busy throughout. `lag_p99_us` is how late it sent.
 *
 * Prints one line of JSON. The first failure of each connection goes to stderr and is counted.
 */
#include "histogram.h"
#include "load.h"
#include "schedule.h"
#include "stream.h"

#include <err.h>
#include <stdlib.h>

#define USAGE "load_open HOST PORT CONNECTIONS SIZE RATE WARMUP_SECONDS SECONDS [SERVER_PID...]"

enum { BATCH = 256 /* messages sent before the sockets are asked again */, AWAKE = 2000000 /* ns before one is due */ };

static uint64_t size;
static struct schedule schedule;
static struct stream *streams;
static uint64_t begun; /* messages, the next one's number */
static struct histogram lags;

static uint64_t time_of(const struct stream *stream, uint64_t message)
{
    return schedule_time(&schedule, message * schedule.connections + stream->index);
}

static void on_replies(struct stream *stream, uint64_t count, uint64_t now)
{
    for (uint64_t message = stream->completed - count; message < stream->completed; message++)
        load_complete(now - time_of(stream, message));
}

static void send_next(void)
{
    uint64_t due = schedule_time(&schedule, begun);
    if (load_measuring())
        histogram_add(&lags, load_now() - due);
    stream_send(&streams[begun++ % schedule.connections], 1);
}

static void serve_events(uint64_t now, uint64_t until)
{
    uint64_t due = schedule_due(&schedule, now);
    for (int i = 0; begun < due && i < BATCH; i++)
        send_next();
    uint64_t next = schedule_time(&schedule, begun);
    if (next > until)
        next = until;
    now = load_now();
    stream_wait(next > now + AWAKE ? load_milliseconds(now + AWAKE, next) : 0);
}

static uint64_t count_unanswered(uint64_t now)
{
    uint64_t due = schedule_due(&schedule, now), unanswered = 0;
    for (uint64_t i = 0; i < schedule.connections; i++) {
        const struct stream *stream = &streams[i];
        if (stream->wire.fd < 0)
            continue; /* its failure is reported already */
        for (uint64_t message = stream->completed; message < schedule_share(&schedule, due, i); message++) {
            load_waited(now - time_of(stream, message));
            unanswered++;
        }
    }
    return unanswered;
}

int main(int argc, char **argv)
{
    const struct load_argument arguments[] = {{"CONNECTIONS", 1000000, &schedule.connections},
                                              {"SIZE", 1 << 30, &size},
                                              {"RATE", 1000000000, &schedule.rate}};
    load_parse(argc, argv, USAGE, arguments, 3);
    load_fill_pattern(LOAD_BYTES, 0);
    stream_setup(on_replies);
    streams = calloc(schedule.connections, sizeof *streams);
    if (!streams)
        err(1, "calloc");
    for (uint64_t i = 0; i < schedule.connections; i++)
        stream_open(&streams[i], i, size);
    load_begin(schedule.connections);
    schedule.begin = load_now();
    load_run(serve_events);
    uint64_t unanswered = count_unanswered(load_now());
    const struct load_figure figures[] = {{"unanswered", (double)unanswered},
                                          {"lag_p99_us", histogram_percentile(&lags, 0.99) / 1e3}};
    load_answer(figures, 2);
    return 0;
}
