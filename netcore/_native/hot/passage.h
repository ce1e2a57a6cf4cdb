/* What knows how streams come and go; see passage.c. */
#ifndef PASSAGE_H
#define PASSAGE_H

#include "hot.h"

typedef int (*hot_control)(nc_poller *, int, nc_socket, int);
typedef void (*hot_close)(int, const nc_socket *);
typedef int (*hot_accept)(nc_socket, int, nc_socket *, unsigned char *, int *);

typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *poller_object;
    PyObject *descriptors;
    PyObject *lock; /* see Host.descriptor_lock */
    PyObject *callers;
    PyObject *by_id;
    PyObject *arriving;
    PyObject *doors; /* listeners that what they have is accepted from here: see HotConnections */
    PyObject *react;
    PyObject *failed;
    PyObject *open; /* states */
    PyObject *peer_closed;
    PyObject *gone;
    PyObject *close; /* the action */
    PyObject *over;  /* what such an end leaves in `ending` */
    PyObject *usual_on_open; /* functions of EventHandler, which need no call */
    PyObject *usual_on_eof;
    PyObject *usual_on_close;
    PyObject *method_type; /* of a callback that is such a function */
    PyTypeObject *type; /* of streams, */
    allocfunc make;     /* and what makes one */
    hot_table *table;
    hot_inbox *inbox;
    hot_outbox *outbox;
    hot_counts *counts;
    nc_poller *poller;
    hot_control control; /* NULL where Python keeps a table of its own; then it is asked */
    hot_close end;       /* likewise, of what is attached to the sockets */
    hot_accept accept;   /* likewise */
    PyObject *idle_timeout; /* seconds; None for no deadline */
    int interest;
    char looked;     /* whether the handler was looked at since the last wait, */
    char skips_open; /* and whether it has the usual callbacks */
    char skips_eof;
    char skips_close;
    char gated; /* places are given back */
    char turning_away;
    char noting; /* whether each end is noted down, which Python does */
} hot_passage;

#endif
