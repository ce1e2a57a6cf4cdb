/* Segments as they are in datagrams: the hot half of kcp/wire.py. */

#include "kcp.h"

static inline uint32_t kcp_wire__read(const char *at)
{
    const unsigned char *from = (const unsigned char *)at;

    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline void kcp_wire__write(char *at, uint32_t value)
{
    unsigned char *to = (unsigned char *)at;

    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
    to[2] = (unsigned char)(value >> 16);
    to[3] = (unsigned char)(value >> 24);
}

/* How far one of two numbers modulo 2**32 is ahead of the other; negative where it is behind. */
static inline int64_t kcp_difference(uint32_t later, uint32_t earlier)
{
    uint32_t ahead = later - earlier;

    return ahead < 0x80000000u ? (int64_t)ahead : (int64_t)ahead - 0x100000000;
}

/* The integer next to `near` that is `number` modulo 2**32. */
static inline int64_t kcp_unwrap(uint32_t number, int64_t near)
{
    return near + kcp_difference(number, (uint32_t)near);
}

/* Reads the segment at the beginning of what is known to have a whole one; returns how many bytes it has. */
static inline size_t kcp_wire_take(const char *data, kcp_part *part)
{
    uint32_t kinds = kcp_wire__read(data + 4);

    part->conversation = kcp_wire__read(data);
    part->command = (int)(kinds & 0xff);
    part->fragment = (int)(kinds >> 8 & 0xff);
    part->window = (int)(kinds >> 16);
    part->timestamp = kcp_wire__read(data + 8);
    part->number = kcp_wire__read(data + 12);
    part->acknowledged = kcp_wire__read(data + 16);
    part->length = kcp_wire__read(data + 20);
    part->payload = data + KCP_HEADER;
    return KCP_HEADER + (size_t)part->length;
}

/* Looks whether a datagram has nothing but whole segments of a conversation, and one at least. */
static int kcp_wire_check(const char *data, size_t size, uint32_t conversation)
{
    size_t at = 0;

    do {
        kcp_part part;
        if (size - at < KCP_HEADER) {
            PyErr_Format(PyExc_ValueError, "%zu bytes where a segment has a header of %d", size - at, KCP_HEADER);
            return -1;
        }
        kcp_wire_take(data + at, &part);
        at += KCP_HEADER;
        if (part.conversation != conversation) {
            PyErr_Format(PyExc_ValueError, "a segment of conversation %lu, not of %lu",
                         (unsigned long)part.conversation, (unsigned long)conversation);
            return -1;
        }
        if (part.command < KCP_PUSH || part.command > KCP_TELL) {
            PyErr_Format(PyExc_ValueError, "there is no command %d", part.command);
            return -1;
        }
        if (part.length > size - at) {
            PyErr_Format(PyExc_ValueError, "a segment of %lu bytes where %zu are left", (unsigned long)part.length,
                         size - at);
            return -1;
        }
        at += part.length;
    } while (at < size);
    return 0;
}

/* Writes a segment; there is room. Returns how many bytes it has. */
static size_t kcp_wire_put(char *to, const kcp_part *part)
{
    kcp_wire__write(to, part->conversation);
    kcp_wire__write(to + 4, (uint32_t)part->command | (uint32_t)part->fragment << 8 | (uint32_t)part->window << 16);
    kcp_wire__write(to + 8, part->timestamp);
    kcp_wire__write(to + 12, part->number);
    kcp_wire__write(to + 16, part->acknowledged);
    kcp_wire__write(to + 20, part->length);
    if (part->length > 0)
        memcpy(to + KCP_HEADER, part->payload, part->length);
    return KCP_HEADER + (size_t)part->length;
}
