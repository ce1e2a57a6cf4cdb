/* Where short connections come from. A 4-tuple rests for 60 s after its end (TCP_TIMEWAIT_LEN of Linux), and one
 * address has some 28 000 ephemeral ports: to a server on the loopback network connections come from so many
 * addresses in turn that 480 000 a second find a port. */
#ifndef BENCH_SOURCE_H
#define BENCH_SOURCE_H

#include <netinet/in.h>

/* Binds a socket that is to connect to `server` to the next address. IP_BIND_ADDRESS_NO_PORT leaves the choice of
 * the port to connect, which knows the whole 4-tuple: ip(7). */
void source_bind(int fd, const struct sockaddr_in *server);

#endif
