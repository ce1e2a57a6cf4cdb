/*
 * Echo of frames, each four bytes of big-endian length and so many of payload: every frame is taken out of
 * the stream and its payload framed anew, as a server does that has something to do in between. For each
 * readable event one recv, and one send of the replies to all frames it completed.
 *
 * usage: frames_epoll PORT
 */
#include "tcp_server.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LENGTH_FIELD = 4, LARGEST = 64 * 1024, BUFFER_SIZE = 2 * (LENGTH_FIELD + LARGEST) };

static char inbound[BUFFER_SIZE], outbound[BUFFER_SIZE];

static size_t add_frame(char *out, const char *payload, uint32_t length)
{
    uint32_t field = htonl(length);
    memcpy(out, &field, LENGTH_FIELD);
    memcpy(out + LENGTH_FIELD, payload, length);
    return LENGTH_FIELD + length;
}

/* Returns how much of the `size` bytes in inbound was whole frames, and adds what they are answered with. */
static size_t answer_frames(size_t size, size_t *answered)
{
    size_t at = 0;
    while (size - at >= LENGTH_FIELD) {
        uint32_t field;
        memcpy(&field, inbound + at, LENGTH_FIELD);
        uint32_t length = ntohl(field);
        if (length > LARGEST)
            errx(1, "a frame of %u bytes", length);
        if (size - at - LENGTH_FIELD < length)
            break;
        *answered += add_frame(outbound + *answered, inbound + at + LENGTH_FIELD, length);
        at += LENGTH_FIELD + length;
    }
    return at;
}

static void take_partial(struct connection *connection)
{
    memcpy(inbound, connection->partial, connection->partial_size);
    free(connection->partial);
    connection->partial = NULL;
    connection->partial_size = 0;
}

static void keep_partial(struct connection *connection, const char *data, size_t size)
{
    connection->partial = malloc(size);
    if (!connection->partial)
        err(1, "malloc");
    memcpy(connection->partial, data, size);
    connection->partial_size = size;
}

static void echo_frames(struct connection *connection)
{
    size_t begun = connection->partial_size;
    ssize_t received = recv(connection->fd, inbound + begun, sizeof inbound - begun, 0);
    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0) {
        tcp_drop(connection);
        return;
    }
    if (begun > 0)
        take_partial(connection);
    size_t size = begun + (size_t)received, answered = 0;
    size_t whole = answer_frames(size, &answered);
    if (whole < size)
        keep_partial(connection, inbound + whole, size - whole);
    if (answered > 0)
        tcp_reply(connection, outbound, answered);
}

int main(int argc, char **argv)
{
    tcp_serve(argc, argv, echo_frames);
}
