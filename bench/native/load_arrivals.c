/*
 * Open-loop load of short connections: RATE a second, each of which connects, sends SIZE bytes, receives them
 * back and closes. One begins when it is due, whatever has become of others, and nothing here waits for one: what
 * keeps a connection from being accepted is seen in that connection, and in all that come meanwhile.
 *
 * A latency goes from before connect to the last byte of the reply. `longest_us` is the longest one of those that
 * end in the window or after it; `gap_us` the longest time between two replies in it, to whomever they went.
 *
 * Connections that fail are what is measured, and so no failure of the program: `refused`, `reset` (by the server,
 * or closed before the reply) and `wrong` (another reply, or another error) count them, from the warm-up on. Whoever
 * is under way at the end has PATIENCE yet; without an answer until then it is `unanswered`.
 *
 * As in load_connect.c the client closes first, and comes from many addresses in turn. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include "load.h"
#include "schedule.h"
#include "source.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE "load_arrivals HOST PORT SIZE RATE WARMUP_SECONDS SECONDS [SERVER_PID...]"

enum { BATCH = 256, MOST = 16384 /* connections under way */ };

static const uint64_t PATIENCE = 3000000000; /* nanoseconds */

struct arrival {
    struct arrival *next; /* of those that are free */
    int fd;
    bool sent;
    uint64_t received;
    uint64_t started_at;
};

static uint64_t size;
static struct schedule schedule;
static struct arrival arrivals[MOST], *vacant;
static bool over; /* the window is */
static int under_way;
static int epoll_fd;
static uint64_t begun;                   /* connections, the next one's number */
static uint64_t replied_at;              /* the last time, within the window */
static uint64_t longest, gap;            /* nanoseconds */
static uint64_t refused, reset, wrong;   /* connections */
static unsigned char inbound[LOAD_CHUNK];

static void end(struct arrival *arrival)
{
    close(arrival->fd);
    arrival->next = vacant;
    vacant = arrival;
    under_way--;
}

static void fail(struct arrival *arrival, int error)
{
    if (error == ECONNREFUSED)
        refused++;
    else if (error == ECONNRESET || error == EPIPE)
        reset++;
    else
        wrong++;
    end(arrival);
}

static void succeed(struct arrival *arrival)
{
    uint64_t now = load_now(), latency = now - arrival->started_at;
    end(arrival);
    load_complete(latency);
    if ((load_measuring() || over) && latency > longest)
        longest = latency;
    if (!load_measuring())
        return;
    if (replied_at && now - replied_at > gap)
        gap = now - replied_at;
    replied_at = now;
}

/* Says whether the message is sent; without it the connection is not there yet, or has failed. */
static bool send_message(struct arrival *arrival)
{
    ssize_t count = send(arrival->fd, load_pattern_at(0), size, MSG_NOSIGNAL);
    if (count == (ssize_t)size)
        return arrival->sent = true;
    if (count >= 0)
        fail(arrival, 0);
    else if (errno != EAGAIN)
        fail(arrival, errno);
    return false;
}

static void begin(void)
{
    struct sockaddr_in address = load_server();
    struct arrival *arrival = vacant;
    if (!arrival)
        errx(1, "%d connections are under way, and none is answered", MOST);
    vacant = arrival->next;
    under_way++;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        err(1, "socket");
    source_bind(fd, &address);
    *arrival = (struct arrival){.fd = fd, .started_at = load_now()};
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        fail(arrival, errno);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = arrival};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "epoll_ctl");
}

static void receive(struct arrival *arrival)
{
    for (;;) {
        ssize_t count = recv(arrival->fd, inbound, sizeof inbound, 0);
        if (count <= 0) {
            if (count == 0 || errno != EAGAIN)
                fail(arrival, count == 0 ? ECONNRESET : errno);
            return;
        }
        bool right = (uint64_t)count <= size - arrival->received &&
                     memcmp(inbound, load_pattern_at(arrival->received), (size_t)count) == 0;
        if (!right) {
            fail(arrival, 0);
            return;
        }
        arrival->received += (uint64_t)count;
        if (arrival->received == size) {
            succeed(arrival);
            return;
        }
    }
}

static void await(uint64_t now, uint64_t until)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, until > now ? load_milliseconds(now, until) : 0);
    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    /* Each has one event at most, and nobody takes its place within the batch. */
    for (int i = 0; i < count; i++) {
        struct arrival *arrival = events[i].data.ptr;
        if (arrival->sent || send_message(arrival))
            receive(arrival);
    }
}

static void serve_events(uint64_t now, uint64_t until)
{
    for (uint64_t due = schedule_due(&schedule, now); begun < due; begun++)
        begin();
    uint64_t next = schedule_time(&schedule, begun);
    await(load_now(), next < until ? next : until);
}

static void await_the_others(void)
{
    uint64_t now, until = load_now() + PATIENCE;
    over = true;
    while (under_way > 0 && (now = load_now()) < until)
        await(now, until);
    if (under_way > 0)
        longest = PATIENCE; /* or more */
}

int main(int argc, char **argv)
{
    const struct load_argument arguments[] = {{"SIZE", LOAD_CHUNK, &size}, {"RATE", 1000000, &schedule.rate}};
    load_parse(argc, argv, USAGE, arguments, 2);
    load_fill_pattern(LOAD_BYTES, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        err(1, "epoll_create1");
    for (int i = 0; i < MOST; i++) {
        arrivals[i].next = vacant;
        vacant = &arrivals[i];
    }
    schedule.connections = 1;
    load_begin(1); /* of the program's, which ends with the window */
    schedule.begin = load_now();
    load_run(serve_events);
    await_the_others();
    const struct load_figure figures[] = {
        {"longest_us", (double)longest / 1e3}, {"gap_us", (double)gap / 1e3}, {"refused", (double)refused},
        {"reset", (double)reset},              {"wrong", (double)wrong},      {"unanswered", under_way}};
    load_answer(figures, sizeof figures / sizeof *figures);
    return 0;
}
