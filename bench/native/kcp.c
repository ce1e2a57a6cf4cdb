#include "kcp.h"
#include "load.h"

#include <endian.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { PUSH = 81, ACK, ASK, TELL }; /* data, its receipt, a question for the window, the answer */

enum {
    FIRST_WINDOW = 128, /* of a peer that has not told its own */
    FAST_RESEND = 2,    /* later ones that have arrived */
    MOST_EARLY = 5,     /* times that it is sent again for that */
};

enum { FIRST_TIMEOUT = 200, LEAST_TIMEOUT = 30, MOST_TIMEOUT = 60000, ASK_EVERY = 100 }; /* milliseconds */

struct __attribute__((packed)) header {
    uint32_t conversation;
    uint8_t command, fragment;
    uint16_t window;
    uint32_t timestamp, number, acknowledged, length;
};

enum { HEADER = sizeof(struct header), PAYLOAD = KCP_MTU - HEADER };

static bool (*deliver)(struct kcp *kcp, const unsigned char *payload, uint32_t length);
static void (*output)(struct kcp *kcp, const unsigned char *datagram, size_t size);
static unsigned char datagram[KCP_MTU]; /* that is being filled */
static size_t filled;

/* From the order of this machine to that of the wire, or back. */
static struct header swapped(struct header header)
{
    return (struct header){
        htole32(header.conversation), header.command,         header.fragment,
        htole16(header.window),       htole32(header.timestamp), htole32(header.number),
        htole32(header.acknowledged), htole32(header.length)};
}

/* How far one number or time is ahead of another; negative where it is behind. */
static int32_t ahead(uint32_t one, uint32_t other)
{
    return (int32_t)(one - other);
}

static struct kcp_segment *segment_of(struct kcp *kcp, uint32_t number)
{
    return &kcp->sent[number % KCP_WINDOW];
}

void kcp_setup(bool (*on_payload)(struct kcp *kcp, const unsigned char *payload, uint32_t length),
               void (*on_datagram)(struct kcp *kcp, const unsigned char *datagram, size_t size))
{
    deliver = on_payload;
    output = on_datagram;
}

void kcp_open(struct kcp *kcp, uint32_t conversation, uint64_t place)
{
    *kcp = (struct kcp){
        .conversation = conversation, .place = place, .peer_window = FIRST_WINDOW, .timeout = FIRST_TIMEOUT};
}

/* What comes. */

static void move_on(struct kcp *kcp)
{
    while (kcp->first != kcp->next && segment_of(kcp, kcp->first)->acknowledged)
        kcp->first++;
}

static void acknowledge_before(struct kcp *kcp, uint32_t number)
{
    if (ahead(number, kcp->first) > 0)
        kcp->first = number;
    move_on(kcp);
}

/* Jacobson's estimate: RFC 6298. */
static void measure(struct kcp *kcp, uint32_t duration)
{
    if (kcp->smoothed == 0) {
        kcp->smoothed = duration;
        kcp->variation = duration / 2;
    } else {
        uint32_t error = duration > kcp->smoothed ? duration - kcp->smoothed : kcp->smoothed - duration;
        kcp->variation = (3 * kcp->variation + error) / 4;
        kcp->smoothed = (7 * kcp->smoothed + duration) / 8;
    }
    uint32_t slack = 4 * kcp->variation > KCP_INTERVAL ? 4 * kcp->variation : KCP_INTERVAL;
    uint32_t timeout = kcp->smoothed + slack;
    kcp->timeout = timeout < LEAST_TIMEOUT ? LEAST_TIMEOUT : timeout > MOST_TIMEOUT ? MOST_TIMEOUT : timeout;
}

static void take_receipt(struct kcp *kcp, const struct header *header, uint32_t now)
{
    if (ahead(now, header->timestamp) >= 0)
        measure(kcp, now - header->timestamp);
    if (ahead(header->number, kcp->first) >= 0 && ahead(header->number, kcp->next) < 0)
        segment_of(kcp, header->number)->acknowledged = true;
    move_on(kcp);
}

/* A segment has arrived that was sent no earlier than those before it which have not. */
static void overtake(struct kcp *kcp, uint32_t number, uint32_t timestamp)
{
    if (ahead(number, kcp->next) >= 0)
        return;
    for (uint32_t each = kcp->first; ahead(each, number) < 0; each++) {
        struct kcp_segment *segment = segment_of(kcp, each);
        if (ahead(timestamp, segment->sent_at) >= 0)
            segment->overtaken++;
    }
}

static bool deliver_early(struct kcp *kcp)
{
    struct kcp_early *early;
    bool goes_on = true;
    while (goes_on && (early = &kcp->early[kcp->expected % KCP_WINDOW])->payload) {
        unsigned char *payload = early->payload;
        early->payload = NULL;
        kcp->expected++;
        goes_on = deliver(kcp, payload, early->length);
        free(payload);
    }
    return goes_on;
}

static void keep(struct kcp_early *early, const unsigned char *payload, uint32_t length)
{
    if (early->payload)
        return;
    early->payload = malloc(length + 1); /* of nothing, too, it is not NULL */
    if (!early->payload)
        err(1, "malloc");
    memcpy(early->payload, payload, length);
    early->length = length;
}

static bool take(struct kcp *kcp, const struct header *header, const unsigned char *payload)
{
    if (ahead(header->number, kcp->expected) >= KCP_WINDOW)
        return true;
    if (kcp->receipts < KCP_WINDOW) /* of the rest `expected` tells */
        kcp->receipt[kcp->receipts++] = (struct kcp_receipt){header->number, header->timestamp};
    if (header->number == kcp->expected) {
        kcp->expected++;
        return deliver(kcp, payload, header->length) && deliver_early(kcp);
    }
    if (ahead(header->number, kcp->expected) > 0)
        keep(&kcp->early[header->number % KCP_WINDOW], payload, header->length);
    return true;
}

bool kcp_input(struct kcp *kcp, const unsigned char *data, size_t size, uint32_t now)
{
    struct header header, last = {0};
    do {
        if (size < HEADER)
            return false;
        memcpy(&header, data, HEADER);
        header = swapped(header);
        data += HEADER;
        size -= HEADER;
        if (header.conversation != kcp->conversation || header.length > size ||
            ahead(header.acknowledged, kcp->next) > 0)
            return false;
        kcp->peer_window = header.window;
        acknowledge_before(kcp, header.acknowledged);
        switch (header.command) {
        case PUSH:
            if (!take(kcp, &header, data))
                return false;
            break;
        case ACK:
            take_receipt(kcp, &header, now);
            if (last.command == 0 || ahead(header.number, last.number) > 0)
                last = header;
            break;
        case ASK:
            kcp->is_asked = true;
            break;
        case TELL:
            break;
        default:
            return false;
        }
        data += header.length;
        size -= header.length;
    } while (size > 0);
    if (last.command != 0)
        overtake(kcp, last.number, last.timestamp);
    return true;
}

/* What goes. */

static void send_off(struct kcp *kcp)
{
    if (filled > 0)
        output(kcp, datagram, filled);
    filled = 0;
}

static void put(struct kcp *kcp, struct header header, const unsigned char *payload)
{
    if (filled + HEADER + header.length > KCP_MTU)
        send_off(kcp);
    header.conversation = kcp->conversation;
    header.window = KCP_WINDOW;
    header.acknowledged = kcp->expected;
    struct header written = swapped(header);
    memcpy(datagram + filled, &written, HEADER);
    if (header.length > 0)
        memcpy(datagram + filled + HEADER, payload, header.length);
    filled += HEADER + header.length;
}

static void put_word(struct kcp *kcp, uint8_t command, uint32_t number, uint32_t timestamp)
{
    put(kcp, (struct header){.command = command, .number = number, .timestamp = timestamp}, NULL);
}

static void answer(struct kcp *kcp, uint32_t now)
{
    for (uint32_t i = 0; i < kcp->receipts; i++)
        put_word(kcp, ACK, kcp->receipt[i].number, kcp->receipt[i].timestamp);
    kcp->receipts = 0;
    if (kcp->is_asked)
        put_word(kcp, TELL, 0, 0);
    kcp->is_asked = false;
    if (kcp->peer_window == 0 && ahead(now, kcp->ask_at) >= 0) {
        put_word(kcp, ASK, 0, 0);
        kcp->ask_at = now + ASK_EVERY;
    }
}

static void cut(struct kcp *kcp, uint64_t queued)
{
    uint32_t window = kcp->peer_window < KCP_WINDOW ? kcp->peer_window : KCP_WINDOW;
    while (kcp->cut < queued && kcp->next - kcp->first < window) {
        uint64_t left = queued - kcp->cut;
        uint32_t length = left < PAYLOAD ? (uint32_t)left : PAYLOAD;
        *segment_of(kcp, kcp->next++) = (struct kcp_segment){.offset = kcp->cut, .length = length};
        kcp->cut += length;
    }
}

static bool is_due(const struct kcp *kcp, struct kcp_segment *segment, uint32_t now)
{
    if (segment->times == 0)
        segment->timeout = kcp->timeout;
    else if (ahead(now, segment->resend_at) >= 0)
        segment->timeout += segment->timeout / 2;
    else if (segment->overtaken < FAST_RESEND || segment->times > MOST_EARLY)
        return false;
    segment->resend_at = now + segment->timeout;
    return true;
}

void kcp_flush(struct kcp *kcp, uint64_t queued, uint32_t now)
{
    answer(kcp, now);
    cut(kcp, queued);
    for (uint32_t number = kcp->first; number != kcp->next; number++) {
        struct kcp_segment *segment = segment_of(kcp, number);
        if (segment->acknowledged || !is_due(kcp, segment, now))
            continue;
        segment->sent_at = now;
        segment->overtaken = 0;
        segment->times++;
        put(kcp, (struct header){.command = PUSH, .number = number, .timestamp = now, .length = segment->length},
            load_pattern_at(kcp->place + segment->offset));
    }
    send_off(kcp);
}
