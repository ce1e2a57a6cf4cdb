/* TLS 1.3 by OpenSSL. Nobody's certificate is checked: that would be this side's work alone. */
#include "wire.h"

#include <err.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <unistd.h>

static SSL_CTX *context;
static SSL_SESSION *session; /* the first that a server has given, if sessions are resumed */

/* TLS 1.3 wants a ticket of its own for each connection, but no server asks for that. */
static int keep(SSL *tls, SSL_SESSION *given)
{
    (void)tls;
    if (session)
        return 0;
    session = given;
    return 1; /* it is ours now */
}

void wire_setup(bool resuming)
{
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION))
        errx(1, "this OpenSSL has no TLS 1.3");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF); /* every end is the wrong one here */
    if (resuming) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep);
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) /* OpenSSL writes, and does not send */
        err(1, "SIGPIPE");
}

void wire_open(struct wire *wire, int fd)
{
    SSL_SESSION *copy = session ? SSL_SESSION_dup(session) : NULL; /* once used, OpenSSL takes it for spent */
    *wire = (struct wire){.fd = fd, .tls = SSL_new(context), .resuming = copy != NULL};
    if (!wire->tls || !SSL_set_fd(wire->tls, fd) || !SSL_set_session(wire->tls, copy))
        errx(1, "OpenSSL makes no connection");
    SSL_SESSION_free(copy);
    SSL_set_connect_state(wire->tls);
}

bool wire_greet(struct wire *wire)
{
    ERR_clear_error();
    return SSL_do_handshake(wire->tls) == 1;
}

/* What send and recv return for what OpenSSL has; SSL_get_error(3). */
static ssize_t outcome(const struct wire *wire, int result)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(wire->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return errno ? -1 : 0;
    default:
        errno = EPROTO;
        return -1;
    }
}

ssize_t wire_send(struct wire *wire, const void *data, size_t size)
{
    ERR_clear_error();
    errno = 0;
    return outcome(wire, SSL_write(wire->tls, data, (int)size));
}

/* A record is read whole, so nothing that has come is left where no poller sees it. */
ssize_t wire_receive(struct wire *wire, void *buffer, size_t size)
{
    ERR_clear_error();
    errno = 0;
    return outcome(wire, SSL_read(wire->tls, buffer, (int)size));
}

const char *wire_fault(const struct wire *wire)
{
    return wire->resuming && !SSL_session_reused(wire->tls) ? "the session was not resumed" : NULL;
}

void wire_close(struct wire *wire)
{
    ERR_clear_error();
    if (SSL_is_init_finished(wire->tls))
        SSL_shutdown(wire->tls);
    SSL_free(wire->tls);
    close(wire->fd);
    *wire = (struct wire){.fd = -1};
}
