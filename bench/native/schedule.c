#include "schedule.h"

static const uint64_t NANOSECONDS = 1000000000;

/* In whole seconds and the rest, whose products fit into 64 bits. */

uint64_t schedule_time(const struct schedule *schedule, uint64_t number)
{
    uint64_t rest = number % schedule->rate;
    return schedule->begin + number / schedule->rate * NANOSECONDS + rest * NANOSECONDS / schedule->rate;
}

uint64_t schedule_due(const struct schedule *schedule, uint64_t now)
{
    if (now < schedule->begin)
        return 0;
    /* Times are rounded down, so a message is due a nanosecond before its exact time: hence the one more. */
    uint64_t passed = now - schedule->begin + 1;
    uint64_t rest = passed % NANOSECONDS * schedule->rate;
    return passed / NANOSECONDS * schedule->rate + (rest + NANOSECONDS - 1) / NANOSECONDS;
}

uint64_t schedule_share(const struct schedule *schedule, uint64_t due, uint64_t index)
{
    return due > index ? (due - index - 1) / schedule->connections + 1 : 0;
}
