/* What the hot half of asyncio's transports is made of: channel.c, exchange.c, courses.c. */
#ifndef HOT_EXCHANGE_H
#define HOT_EXCHANGE_H

#include "hot.h"

enum {
    EXCHANGE_CAP = 65536,    /* bytes taken from one socket in one receive; see aio/exchange.py */
    EXCHANGE_ARENA = 262144, /* bytes that are received into at once */
    EXCHANGE_CHUNK = 64,     /* channels received from at once */
    EXCHANGE_LARGE = 16384,  /* see LARGE in aio/batch.py */
    EXCHANGE_MOST = 262144,  /* bytes taken at once from a channel that has brought much */
    EXCHANGE_TURNS = 16      /* turns of messages alone, while timers wait */
};

struct hot_exchange;

/* What a batch knows of a transport; see Channel. */
typedef struct {
    PyObject_HEAD
    struct hot_exchange *batch;
    PyObject *owner;
    PyObject *sock;
    PyObject *receive;
    PyObject *handle;
    PyObject *run; /* of the handle's context */
    Py_ssize_t waiting;
    nc_socket fd;
    char usual;
    char watched;
    char bulk; /* it has last brought so much that it is received from alone, into bytes of its own */
} hot_channel;

/* See Batch. */
typedef struct hot_exchange {
    PyObject_HEAD
    PyObject *busy;
    PyObject *complain;
    PyObject *keeper; /* of the memory of the poller */
    nc_poller *poller;
    hot_wait wait;
    hot_calls calls;
    hot_batch filling;
    hot_batch spare;
    hot_channel **table; /* by descriptor; borrowed, since the transport of each keeps it */
    Py_ssize_t room;
    char *arena;
    unsigned long thread;
    int left;     /* of the events of the last wait so many, in fds and readiness, are no channel's; */
    int count;    /* so many are, */
    int at;       /* of which so many are delivered, */
    int received; /* and so many received from, */
    Py_ssize_t lo; /* the bytes of the next of which begin here in the arena */
    char stopping;
    char delivering;
    nc_socket fds[HOT_BATCH];
    int readiness[HOT_BATCH];
    hot_channel *channels[HOT_BATCH];
    nc_socket sockets[HOT_BATCH];
    intptr_t results[HOT_BATCH];
} hot_exchange;

#endif
