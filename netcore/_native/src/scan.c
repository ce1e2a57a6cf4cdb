/* Finding frames: arithmetic on memory, the same on every platform, and no system calls.
 *
 * A scan takes whole, acceptable frames only. Where one is incomplete, too long or corrupt it stops, and
 * what that means is for the caller to decide: no policy here.
 */

#include <string.h>

enum { SCAN_RECORD = 48 }; /* room for the longest record: two 64-bit numbers in decimal, two letters */

static char *scan__write(char *text, uint64_t number, char letter)
{
    char digits[20];
    int n = 0;

    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (n)
        *text++ = digits[--n];
    *text++ = letter;
    return text;
}

/* Takes the bytes from `begin` to `end` as the next frame. */
static void scan__take(nc_frames *frames, size_t begin, size_t end)
{
    char *text = frames->format + frames->used;

    if (begin > frames->described)
        text = scan__write(text, begin - frames->described, 'x');
    text = scan__write(text, end - begin, 's');
    frames->described = end;
    frames->used = (size_t)(text - frames->format);
}

static void scan__start(nc_frames *frames, size_t at)
{
    frames->used = 0;
    frames->described = at;
}

static int scan__has_room(const nc_frames *frames)
{
    return frames->room - frames->used >= SCAN_RECORD;
}

static uint64_t scan__number(const unsigned char *field, int width, int little_endian)
{
    uint64_t value = 0;

    for (int i = 0; i < width; i++)
        value = value << 8 | field[little_endian ? width - 1 - i : i];
    return value;
}

/* Returns the length of the frame at data[at], header and all; 0 if it is not whole and acceptable. */
static inline size_t scan__field(const nc_length_field *layout, const char *data, size_t size, size_t at)
{
    const size_t header = layout->offset + (size_t)layout->width;
    const unsigned char *field = (const unsigned char *)data + at + layout->offset;
    uint64_t value;
    int64_t length;

    if (size - at < header)
        return 0;
    value = scan__number(field, layout->width, layout->little_endian);
    /* Eight bytes are signed. Nothing beyond the maximum is added to, so nothing can overflow. */
    if (value > (uint64_t)INT64_MAX || (int64_t)value > layout->max_value)
        return 0;
    length = (int64_t)value + layout->adjustment;
    if (length < (int64_t)header || length < layout->strip || (uint64_t)length > size - at)
        return 0;
    return (size_t)length;
}

size_t nc_scan_length_fields(const char *data, size_t size, size_t at, const nc_length_field *layout,
                             nc_frames *frames)
{
    scan__start(frames, at);
    while (scan__has_room(frames)) {
        size_t length = scan__field(layout, data, size, at);

        if (length == 0)
            break;
        scan__take(frames, at + (size_t)layout->strip, at + length);
        at += length;
    }
    return at;
}

/* Returns where the end of the line begins that data[at] is of, and how long it is; `size` if it has none. */
static inline size_t scan__line_end(const char *data, size_t size, size_t at, size_t *length)
{
    const char *found = at < size ? memchr(data + at, '\n', size - at) : NULL;
    size_t end;

    if (found == NULL)
        return size;
    end = (size_t)(found - data);
    *length = 1;
    if (end > at && data[end - 1] == '\r') {
        *length = 2;
        end--;
    }
    return end;
}

size_t nc_scan_lines(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                     nc_frames *frames)
{
    scan__start(frames, at);
    while (scan__has_room(frames)) {
        size_t length;
        size_t end = scan__line_end(data, size, at, &length);

        if (end == size || end - at > max_length)
            break;
        scan__take(frames, at, keep_delimiters ? end + length : end);
        at = end + length;
    }
    return at;
}

/* Several delimiters, one behind the other, the shorter ones first, and which bytes they begin with. */
typedef struct {
    int count;
    const char *joined;
    const size_t *lengths;
    unsigned char first[256];
} scan__set;

static void scan__prepare(scan__set *set, int count, const char *delimiters, const size_t *lengths)
{
    set->count = count;
    set->joined = delimiters;
    set->lengths = lengths;
    if (count == 1)
        return;
    memset(set->first, 0, sizeof set->first);
    for (size_t i = 0, k = 0; i < (size_t)count; k += lengths[i++])
        set->first[(unsigned char)delimiters[k]] = 1;
}

/* Returns the length of the shortest delimiter at `here`, 0 if there is none. */
static size_t scan__delimiter_at(const scan__set *set, const char *here, size_t left)
{
    const char *delimiter = set->joined;

    for (int i = 0; i < set->count; delimiter += set->lengths[i++])
        if (set->lengths[i] <= left && *here == *delimiter && memcmp(here, delimiter, set->lengths[i]) == 0)
            return set->lengths[i];
    return 0;
}

/* Returns the first place from `at` on where a delimiter may begin, `size` if there is none. */
static size_t scan__candidate(const scan__set *set, const char *data, size_t size, size_t at)
{
    if (set->count == 1) {
        const char *found = at < size ? memchr(data + at, *set->joined, size - at) : NULL;
        return found == NULL ? size : (size_t)(found - data);
    }
    while (at < size && !set->first[(unsigned char)data[at]])
        at++;
    return at;
}

/* Returns where the first delimiter from data[at] on begins, and how long it is; `size` if there is none, or none
 * within `most` bytes. */
static size_t scan__delimiter(const scan__set *set, const char *data, size_t size, size_t at, size_t most,
                              size_t *length)
{
    for (size_t here = at;; here++) {
        here = scan__candidate(set, data, size, here);
        if (here == size || here - at > most)
            return size;
        *length = scan__delimiter_at(set, data + here, size - here);
        if (*length)
            return here;
    }
}

size_t nc_scan_delimiters(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                          int count, const char *delimiters, const size_t *lengths, nc_frames *frames)
{
    scan__set set;

    scan__prepare(&set, count, delimiters, lengths);
    scan__start(frames, at);
    while (scan__has_room(frames)) {
        size_t length;
        size_t end = scan__delimiter(&set, data, size, at, max_length, &length);

        if (end == size)
            break;
        scan__take(frames, at, keep_delimiters ? end + length : end);
        at = end + length;
    }
    return at;
}

static size_t scan__end(const nc_framing *framing, const char *data, size_t size, size_t at, size_t most,
                        size_t *length)
{
    scan__set set;
    size_t end;

    if (framing->kind == NC_LINES) {
        end = scan__line_end(data, size, at, length);
        return end - at > most ? size : end;
    }
    scan__prepare(&set, framing->count, framing->delimiters, framing->lengths);
    return scan__delimiter(&set, data, size, at, most, length);
}

size_t nc_find_delimiter(const nc_framing *framing, const char *data, size_t size, size_t *length)
{
    return scan__end(framing, data, size, 0, SIZE_MAX, length);
}

size_t nc_next_frame(const nc_framing *framing, const char *data, size_t size, size_t at, size_t *begin, size_t *end)
{
    size_t length;

    *begin = at;
    if (framing->kind == NC_LENGTH_FIELD) {
        *end = at + scan__field(&framing->field, data, size, at);
        *begin += *end > at ? (size_t)framing->field.strip : 0;
        return *end;
    }
    if (framing->kind == NC_FIXED_LENGTH) {
        *end = size - at < framing->max_length ? at : at + framing->max_length;
        return *end;
    }
    *end = scan__end(framing, data, size, at, framing->max_length, &length);
    if (*end == size)
        return at;
    at = *end + length;
    *end = framing->keep ? at : *end;
    return at;
}
