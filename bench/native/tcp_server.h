/* What the stream servers of the suite share: accepting, closing, and what a socket did not take at once. */
#ifndef BENCH_TCP_SERVER_H
#define BENCH_TCP_SERVER_H

#include <stddef.h>

struct connection {
    int fd;
    char *unsent; /* NULL unless the socket has refused part of a reply */
    size_t unsent_begin, unsent_end;
    char *partial; /* the server's own: the beginning of a message; freed with the connection */
    size_t partial_size;
};

/* Serves 127.0.0.1 at the port named by the only argument, and never returns. `on_readable` receives once; it is
 * not called while part of a reply is unsent, so no reply overtakes another and nothing piles up. */
void tcp_serve(int argc, char **argv, void (*on_readable)(struct connection *connection));

/* One send; the rest, if any, goes when the socket takes it. The connection may be gone afterwards. */
void tcp_reply(struct connection *connection, const char *data, size_t size);

void tcp_drop(struct connection *connection);

#endif
