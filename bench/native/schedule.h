/* When the messages of an open loop are to be sent: evenly at a rate, whatever has come back.
 *
 * Message k of all goes to connection k modulo their number, so a connection's j-th one is number
 * j * connections + index. Each time is computed from the beginning, so that no rounding adds up. */
#ifndef BENCH_SCHEDULE_H
#define BENCH_SCHEDULE_H

#include <stdint.h>

struct schedule {
    uint64_t begin; /* of the first message, in nanoseconds of CLOCK_MONOTONIC */
    uint64_t rate;  /* messages per second, from 1 to 10^9 */
    uint64_t connections;
};

/* The time of message `number`; up to an hour at any rate. */
uint64_t schedule_time(const struct schedule *schedule, uint64_t number);

/* How many messages have a time that is not after `now`: these are due. */
uint64_t schedule_due(const struct schedule *schedule, uint64_t now);

/* How many of the first `due` messages are those of connection `index`. */
uint64_t schedule_share(const struct schedule *schedule, uint64_t due, uint64_t index);

#endif
