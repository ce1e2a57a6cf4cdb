#include "source.h"

#include <err.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SOURCES = 1024, FIRST_SOURCE = 0x7f010001 /* 127.1.0.1 */ };

void source_bind(int fd, const struct sockaddr_in *server)
{
    static uint32_t next;
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(FIRST_SOURCE + next++ % SOURCES)};
    int on = 1;
    if (ntohl(server->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0)
        err(1, "IP_BIND_ADDRESS_NO_PORT");
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        err(1, "bind");
}
