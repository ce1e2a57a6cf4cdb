/* How the bytes of a connection travel: as they are (wire_plain.c) or by TLS 1.3 (wire_tls.c), whichever a program is
 * linked with. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire {
    int fd;             /* -1 once it is closed */
    struct ssl_st *tls; /* OpenSSL's, NULL without TLS */
    bool resuming;      /* it was given an earlier connection's session */
};

/* Comes first. With `resuming`, connections begin with a session of an earlier one as soon as there is any. */
void wire_setup(bool resuming);

/* Takes over a connected descriptor. */
void wire_open(struct wire *wire, int fd);

/* Makes the handshake, as the first wire_send otherwise does, on a descriptor that blocks. Returns whether it could. */
bool wire_greet(struct wire *wire);

/* As send and recv with MSG_NOSIGNAL and MSG_DONTWAIT, but that EAGAIN of a send may also mean that the peer has to
 * say something first. */
ssize_t wire_send(struct wire *wire, const void *data, size_t size);
ssize_t wire_receive(struct wire *wire, void *buffer, size_t size);

/* What is wrong with a connection although its messages came back, or NULL. */
const char *wire_fault(const struct wire *wire);

/* Says goodbye, where the protocol has a word for it, and closes the descriptor. */
void wire_close(struct wire *wire);

#endif
