/* What knows how streams come and go; see passage.c. */
#ifndef PASSAGE_H
#define PASSAGE_H

#include "hot.h"

typedef int (*hot_control)(nc_poller *, int, nc_socket, int);
typedef void (*hot_close)(int, const nc_socket *);

typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *poller_object;
    PyObject *connections;
    PyObject *descriptors;
    PyObject *by_id;
    PyObject *arriving;
    PyObject *closed;
    PyObject *react;
    PyObject *failed;
    PyObject *open; /* states */
    PyObject *peer_closed;
    PyObject *gone;
    PyObject *close;  /* the action */
    PyObject *reason; /* of such an end, */
    PyObject *over;   /* and what it leaves in `ending` */
    PyTypeObject *type; /* of streams, */
    allocfunc make;     /* and what makes one */
    hot_table *table;
    hot_inbox *inbox;
    hot_outbox *outbox;
    hot_counts *counts;
    nc_poller *poller;
    hot_control control; /* NULL where Python keeps a table of its own; then it is asked */
    hot_close end;       /* likewise, of what is attached to the sockets */
    PyObject *idle_timeout; /* seconds; None for no deadline */
    int interest;
    char gated; /* places are given back */
} hot_passage;

#endif
