/* What the files here share that the middle of a turn is made of: dispatch.c, rounds.c, bulk.c, turns.c, intake.c. */
#ifndef HOT_INTAKE_H
#define HOT_INTAKE_H

enum {
    INTAKE_CHUNK = 64,      /* streams received from at once */
    INTAKE_LARGE = 16384,   /* bytes from which on those of a receive get an object of their own the next time */
    INTAKE_SHARE = 262144,  /* bytes that one stream may bring in a turn, level-triggered */
    INTAKE_CALLBACKS = 1024 /* calls of the handler in the rounds of one turn, as in intake.py */
};

typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *planned;
    PyObject *react;
    PyObject *failed;
    PyObject *owner; /* of the memory of the poller */
    PyObject *turn;
    PyObject *aftermath;
    PyObject *pending;
    PyObject *again;
    hot_table *table;
    hot_inbox *inbox;
    hot_outbox *outbox;
    hot_counts *counts;
    hot_passage *passage; /* by which streams leave; NULL if they leave otherwise */
    hot_wait wait;
    nc_poller *poller;
    Py_ssize_t cap;
    Py_ssize_t edge_chunk;
    int found;    /* events of the last wait, until they are served */
    int left;     /* of which so many, in fds and readiness, are for Python */
    int count;    /* and so many are streams to receive from, */
    int received; /* for so many of which that is done, */
    int bulky;    /* and so many are streams that bring much, at the end of `streams` */
    char serving;
    char forgotten; /* in a forked child, which goes on with nothing */
    nc_socket fds[HOT_BATCH];
    int readiness[HOT_BATCH];
    hot_stream *streams[HOT_BATCH];
    nc_socket sockets[HOT_BATCH];
    intptr_t results[HOT_BATCH];
    Py_ssize_t allowed[HOT_BATCH];
} hot_intake;

#endif
