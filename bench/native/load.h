/* What the load generators share: arguments, clocks, latencies, the bytes they send, their answer. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_CHUNK = 64 * 1024 }; /* most bytes per send or recv */

/* HOST and PORT, then the counts a generator names itself, then WARMUP_SECONDS SECONDS, and the numbers of the
 * server's processes, whose CPU time is counted. */
struct load_argument {
    const char *name;
    uint64_t maximum;
    uint64_t *value;
};
void load_parse(int argc, char **argv, const char *usage, const struct load_argument *arguments, int count);
struct sockaddr_in load_server(void);
pid_t load_server_pid(void); /* the first one; 0: not given */

uint64_t load_now(void); /* nanoseconds of CLOCK_MONOTONIC */

/* Runs the warm-up and the window, calling `serve_events(now, until)` while load_live() > 0. */
void load_run(void (*serve_events)(uint64_t now, uint64_t until));
bool load_measuring(void); /* whether it is the window */

/* Prints the answer as one line of JSON, with the generator's own figures in it. */
struct load_figure {
    const char *name;
    double value;
};
void load_answer(const struct load_figure *figures, int count);

/* Milliseconds for epoll_wait, rounded up: a sleep that ends early would be followed by a spin. */
int load_milliseconds(uint64_t now, uint64_t until);

/* The connections still standing. load_failed prints the reason, and counts one error and one connection less. */
void load_begin(uint64_t connections);
uint64_t load_live(void);
void load_failed(uint64_t connection, uint64_t replies, const char *reason);

/* One message is complete; counted only within the window. */
void load_complete(uint64_t latency);

/* One message is unanswered after the window: it counts among the latencies with what it has waited. */
void load_waited(uint64_t latency);

/* What the pattern consists of: bytes without a structure; frames, each four bytes of big-endian length and so
 * many of payload; or lines of so many bytes, the last of which is the only newline. */
enum load_framing { LOAD_BYTES, LOAD_FRAMES, LOAD_LINES };

/* The pattern: all that is sent is a piece of it, so the bytes due back are known without keeping them.
 * A place is the beginning of a frame or a line. Any LOAD_CHUNK bytes from any offset lie in one piece.
 * Returns how many bytes of it a message has whose size is `size`. */
size_t load_fill_pattern(enum load_framing framing, size_t size);
uint64_t load_place(uint64_t connection);
const unsigned char *load_pattern_at(uint64_t offset);

#endif
