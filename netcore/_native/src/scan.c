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

size_t nc_scan_length_fields(const char *data, size_t size, size_t at, const nc_length_field *layout,
                             nc_frames *frames)
{
    const size_t header = layout->offset + (size_t)layout->width;

    scan__start(frames, at);
    while (size - at >= header && scan__has_room(frames)) {
        const unsigned char *field = (const unsigned char *)data + at + layout->offset;
        uint64_t value = scan__number(field, layout->width, layout->little_endian);
        int64_t length;

        /* Eight bytes are signed. Nothing beyond the maximum is added to, so nothing can overflow. */
        if (value > (uint64_t)INT64_MAX || (int64_t)value > layout->max_value)
            break;
        length = (int64_t)value + layout->adjustment;
        if (length < (int64_t)header || length < layout->strip || (uint64_t)length > size - at)
            break;
        scan__take(frames, at + (size_t)layout->strip, at + (size_t)length);
        at += (size_t)length;
    }
    return at;
}

size_t nc_scan_lines(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                     nc_frames *frames)
{
    scan__start(frames, at);
    while (at < size && scan__has_room(frames)) {
        const char *found = memchr(data + at, '\n', size - at);
        size_t next, end;

        if (found == NULL)
            break;
        end = (size_t)(found - data);
        next = end + 1;
        if (end > at && data[end - 1] == '\r')
            end--;
        if (end - at > max_length)
            break;
        scan__take(frames, at, keep_delimiters ? next : end);
        at = next;
    }
    return at;
}

/* Returns the length of the shortest delimiter at `here`, 0 if there is none. */
static size_t scan__delimiter_at(const char *here, size_t left, int count, const char *delimiters,
                                 const size_t *lengths)
{
    for (int i = 0; i < count; delimiters += lengths[i++])
        if (lengths[i] <= left && *here == *delimiters && memcmp(here, delimiters, lengths[i]) == 0)
            return lengths[i];
    return 0;
}

/* Returns the first place from `at` on where a delimiter may begin, `size` if there is none. */
static size_t scan__candidate(const char *data, size_t size, size_t at, int count, const char *delimiters,
                              const unsigned char *first)
{
    if (count == 1) {
        const char *found = at < size ? memchr(data + at, *delimiters, size - at) : NULL;
        return found == NULL ? size : (size_t)(found - data);
    }
    while (at < size && !first[(unsigned char)data[at]])
        at++;
    return at;
}

size_t nc_scan_delimiters(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                          int count, const char *delimiters, const size_t *lengths, nc_frames *frames)
{
    unsigned char first[256] = {0};
    size_t here = at;

    for (size_t i = 0, k = 0; i < (size_t)count; k += lengths[i++])
        first[(unsigned char)delimiters[k]] = 1;
    scan__start(frames, at);
    while (scan__has_room(frames)) {
        size_t length;

        here = scan__candidate(data, size, here, count, delimiters, first);
        if (here == size || here - at > max_length)
            break;
        length = scan__delimiter_at(data + here, size - here, count, delimiters, lengths);
        if (length == 0) {
            here++;
            continue;
        }
        scan__take(frames, at, keep_delimiters ? here + length : here);
        here += length;
        at = here;
    }
    return at;
}
