#include "histogram.h"

#include <math.h>

static unsigned bucket_of(uint64_t nanoseconds)
{
    if (nanoseconds < 2 * HISTOGRAM_STEPS)
        return (unsigned)nanoseconds;
    unsigned shift = 63u - (unsigned)__builtin_clzll(nanoseconds / HISTOGRAM_STEPS);
    return shift * HISTOGRAM_STEPS + (unsigned)(nanoseconds >> shift);
}

static double middle_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    return ldexp(bucket - shift * HISTOGRAM_STEPS + 0.5, (int)shift);
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->counts[bucket_of(nanoseconds)]++;
    histogram->total++;
}

double histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->total), seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= rank && seen > 0)
            return middle_of(bucket);
    }
    return 0;
}
