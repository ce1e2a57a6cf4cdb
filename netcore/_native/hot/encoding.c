/* Making frames of payloads where the outbox has the bytes of small chunks, with no object in between. */

#include "hot.h"

typedef struct {
    const nc_framing *framing;
    hot_find_delimiter find_delimiter;
} encoding;

/* Writes a length field in front of a payload, behind the part of it that comes before the field. */
static int encoding__length_field(const nc_framing *framing, char *to, const char *payload, size_t n)
{
    const nc_length_field *field = &framing->field;
    int64_t value;

    if (n < field->offset)
        return -1;
    value = (int64_t)(n - field->offset) + framing->surplus;
    if (value < 0 || (field->width < 8 && value >> 8 * field->width))
        return -1;
    memcpy(to, payload, field->offset);
    to += field->offset;
    for (int i = 0; i < field->width; i++)
        to[field->little_endian ? i : field->width - 1 - i] = (char)(value >> 8 * i & 0xff);
    memcpy(to + field->width, payload + field->offset, n - field->offset);
    return 0;
}

/* Writes a payload and what ends it, unless it ends itself; returns how many bytes that are, -1 if they are not one
 * frame. */
static Py_ssize_t encoding__delimited(const encoding *self, char *to, const char *payload, size_t n)
{
    const nc_framing *framing = self->framing;
    size_t total = n + framing->ending_length;
    size_t length, end;

    memcpy(to, payload, n);
    if (framing->keep) {
        end = self->find_delimiter(framing, to, n, &length);
        if (end < n && end + length == n)
            return (Py_ssize_t)n;
    }
    memcpy(to + n, framing->ending, framing->ending_length);
    end = self->find_delimiter(framing, to, total, &length);
    return end == n && length == framing->ending_length ? (Py_ssize_t)total : -1;
}

/* Bytes that a frame has more than its payload, at most. */
static size_t encoding_overhead(const encoding *self)
{
    if (self->framing->kind == NC_LENGTH_FIELD)
        return (size_t)self->framing->field.width;
    return self->framing->kind == NC_FIXED_LENGTH ? 0 : self->framing->ending_length;
}

/* Writes the frame of a payload; there is room. Returns how many bytes it has, -1 if it cannot be framed. */
static Py_ssize_t encoding_write(const encoding *self, char *to, const char *payload, size_t n)
{
    const nc_framing *framing = self->framing;

    if (framing->kind == NC_LENGTH_FIELD)
        return encoding__length_field(framing, to, payload, n) < 0 ? -1 : (Py_ssize_t)n + framing->field.width;
    if (framing->kind == NC_FIXED_LENGTH) {
        if (n != framing->max_length)
            return -1;
        memcpy(to, payload, n);
        return (Py_ssize_t)n;
    }
    return encoding__delimited(self, to, payload, n);
}
