#define _GNU_SOURCE
#include "load.h"
#include "histogram.h"

#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATTERN_PERIOD = 4093,    /* prime: no usual message size divides it, so a slip always shows */
    CONNECTION_STRIDE = 1009, /* distance of two neighbours' places in the pattern */
    LENGTH_FIELD = 4,
    MOST_PROCESSES = 64,
};

static const uint64_t NANOSECONDS = 1000000000;

static struct sockaddr_in server_address;
static uint64_t warmup, window; /* nanoseconds */
static pid_t processes[MOST_PROCESSES]; /* of the server */
static int process_count;
static uint64_t live, errors;
static bool measuring;
static uint64_t messages, served, loaded; /* in the window, and the CPU time in nanoseconds */
static double seconds;                    /* that it took */
static struct histogram latencies;
static unsigned char *pattern;
static uint64_t pattern_period, pattern_stride;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        err(1, "clock_gettime");
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

uint64_t load_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* A process's CPU clock counts all its threads, also those that have ended. For a thread that is
 * running it lags by up to one scheduler tick, at both ends of the window alike. It is read here, at the
 * very moments the window opens and closes: a parent told through a pipe would read it late, because
 * both CPUs are busy. */
static uint64_t server_cpu(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < process_count; i++) {
        clockid_t clock;
        int error = clock_getcpuclockid(processes[i], &clock);
        if (error)
            errx(1, "CPU clock of process %d: %s", (int)processes[i], strerror(error));
        sum += read_clock(clock);
    }
    return sum;
}

void load_complete(uint64_t latency)
{
    if (!measuring)
        return;
    messages++;
    histogram_add(&latencies, latency);
}

void load_waited(uint64_t latency)
{
    histogram_add(&latencies, latency);
}

void load_begin(uint64_t connections)
{
    live = connections;
}

uint64_t load_live(void)
{
    return live;
}

void load_failed(uint64_t connection, uint64_t replies, const char *reason)
{
    warnx("connection %" PRIu64 ": %s after %" PRIu64 " replies", connection, reason, replies);
    live--;
    errors++;
}

static void fill_random(uint64_t begin, uint64_t end)
{
    static uint32_t state = 1;
    for (uint64_t i = begin; i < end; i++) {
        state = state * 1664525u + 1013904223u; /* the generator of Numerical Recipes */
        pattern[i] = (unsigned char)(state >> 24);
    }
}

static void put_lengths(uint64_t whole)
{
    uint32_t length = htonl((uint32_t)(whole - LENGTH_FIELD));
    for (uint64_t i = 0; i < pattern_period; i += whole)
        memcpy(pattern + i, &length, LENGTH_FIELD);
}

static void put_newlines(uint64_t whole)
{
    for (uint64_t i = 0; i < pattern_period; i++) {
        if (i % whole == whole - 1)
            pattern[i] = '\n';
        else if (pattern[i] == '\n')
            pattern[i] = ' ';
    }
}

size_t load_fill_pattern(enum load_framing framing, size_t size)
{
    uint64_t whole = framing == LOAD_FRAMES ? size + LENGTH_FIELD : size;
    pattern_period = framing == LOAD_BYTES ? PATTERN_PERIOD : (PATTERN_PERIOD / whole + 1) * whole;
    pattern_stride = framing == LOAD_BYTES ? CONNECTION_STRIDE : whole;
    pattern = malloc(pattern_period + LOAD_CHUNK);
    if (!pattern)
        err(1, "malloc");
    fill_random(0, pattern_period);
    if (framing == LOAD_FRAMES)
        put_lengths(whole);
    if (framing == LOAD_LINES)
        put_newlines(whole);
    for (uint64_t i = 0; i < LOAD_CHUNK; i++)
        pattern[pattern_period + i] = pattern[i % pattern_period];
    return whole;
}

uint64_t load_place(uint64_t connection)
{
    return connection * pattern_stride;
}

const unsigned char *load_pattern_at(uint64_t offset)
{
    return pattern + offset % pattern_period;
}

int load_milliseconds(uint64_t now, uint64_t until)
{
    return (int)((until - now + 999999) / 1000000);
}

static void run_until(uint64_t until, void (*serve_events)(uint64_t, uint64_t))
{
    uint64_t now;
    while (live > 0 && (now = load_now()) < until)
        serve_events(now, until);
}

void load_run(void (*serve_events)(uint64_t now, uint64_t until))
{
    run_until(load_now() + warmup, serve_events);
    measuring = true;
    served = server_cpu();
    loaded = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t begin = load_now();
    run_until(begin + window, serve_events);
    seconds = (double)(load_now() - begin) / 1e9;
    loaded = read_clock(CLOCK_PROCESS_CPUTIME_ID) - loaded;
    served = server_cpu() - served;
    measuring = false;
}

bool load_measuring(void)
{
    return measuring;
}

void load_answer(const struct load_figure *figures, int count)
{
    printf("{\"messages\": %" PRIu64 ", \"seconds\": %.6f, \"messages_per_second\": %.1f", messages, seconds,
           (double)messages / seconds);
    printf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"errors\": %" PRIu64,
           histogram_percentile(&latencies, 0.50) / 1e3, histogram_percentile(&latencies, 0.99) / 1e3,
           histogram_percentile(&latencies, 0.999) / 1e3, errors);
    for (int i = 0; i < count; i++)
        printf(", \"%s\": %.2f", figures[i].name, figures[i].value);
    printf(", \"load_cpu_seconds\": %.9f", (double)loaded / 1e9);
    if (process_count > 0)
        printf(", \"server_cpu_seconds\": %.9f", (double)served / 1e9);
    printf("}\n");
}

static uint64_t whole_number(const char *name, const char *text, uint64_t maximum)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || value < 1 || value > maximum)
        errx(2, "%s must be from 1 to %" PRIu64 ", not %s", name, maximum, text);
    return value;
}

static uint64_t duration(const char *name, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= 3600))
        errx(2, "%s must be from 0 to 3600 seconds, not %s", name, text);
    return (uint64_t)(seconds * 1e9);
}

void load_parse(int argc, char **argv, const char *usage, const struct load_argument *arguments, int count)
{
    int expected = 1 + 2 + count + 2;
    if (argc < expected || argc > expected + MOST_PROCESSES)
        errx(2, "usage: %s", usage);
    server_address.sin_family = AF_INET;
    if (inet_pton(AF_INET, argv[1], &server_address.sin_addr) != 1)
        errx(2, "HOST must be an IPv4 address, not %s", argv[1]);
    server_address.sin_port = htons((uint16_t)whole_number("PORT", argv[2], 65535));
    for (int i = 0; i < count; i++)
        *arguments[i].value = whole_number(arguments[i].name, argv[3 + i], arguments[i].maximum);
    warmup = duration("WARMUP_SECONDS", argv[3 + count]);
    window = duration("SECONDS", argv[4 + count]);
    for (int i = expected; i < argc; i++)
        processes[process_count++] = (pid_t)whole_number("SERVER_PID", argv[i], INT32_MAX);
}

pid_t load_server_pid(void)
{
    return processes[0];
}

struct sockaddr_in load_server(void)
{
    return server_address;
}
