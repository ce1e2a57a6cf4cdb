/* Durations in nanoseconds, kept to 1.6 %: exact below 128, then 64 equal steps for each power of two. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64 /* per power of two */, HISTOGRAM_BUCKETS = 60 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* The duration that `share` of all do not exceed, as the middle of its step; 0 of an empty histogram. */
double histogram_percentile(const struct histogram *histogram, double share);

#endif
