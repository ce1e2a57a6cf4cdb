/* The hot half of a server's datagrams: what its C files share. See hot.h.
 *
 * A datagram that has come stays where the kernel has put it, in the slots of the sockets, and its sender's name in
 * the columns of the port, until the handler asks for either: the connection that it comes with knows where they lie.
 * One that the handler has not kept after its callback is the next datagram's. */
#ifndef HOT_DATAGRAMS_H
#define HOT_DATAGRAMS_H

#include "hot.h"

enum {
    DATAGRAMS_BATCH = 256, /* received at once, at most; as many slots there are */
    DATAGRAMS_NAME = 48    /* bytes that a packed name needs at most, rounded up; see native_datagrams.py */
};

typedef int (*hot_receive_datagrams)(nc_socket, int, int, char *, size_t, intptr_t *, unsigned char *, int *, int *);
typedef int (*hot_send_datagrams)(nc_socket, int, const size_t *, const char *, const char *const *,
                                  const unsigned char *, intptr_t *);

/* Datagrams that are to leave, in columns, as nc_send_datagrams takes them. */
typedef struct {
    Py_ssize_t count;
    Py_ssize_t room;
    PyObject **senders; /* who is told of a failure; NULL for a connection that is made then */
    PyObject **owners;  /* of what `pointers` point to; NULL for bytes in `joined` */
    const char **pointers;
    size_t *lengths;
    size_t *name_sizes;
    intptr_t *unsent;
    char *joined;
    size_t used;
    size_t joined_room;
    unsigned char *names;
    size_t names_used;
    size_t names_room;
} hot_mail;

/* What has been written to a server's socket; see DatagramOutbox. */
typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *backlog;
    hot_counts *counts;
    hot_send_datagrams send;
    hot_mail filling;
    hot_mail spare;
    Py_ssize_t cost;
    Py_ssize_t limit;
    nc_socket fd;
    char open;
} hot_postbox;

struct hot_datagram;

/* A server's socket; see DatagramPort. */
typedef struct {
    PyObject_HEAD
    PyObject *host;
    PyObject *handler;
    PyObject *react;
    PyObject *failed;
    PyTypeObject *conn_class;
    hot_inbox *inbox;
    hot_counts *counts;
    hot_postbox *outbox;
    struct hot_datagram *spare; /* a connection that nobody else knows */
    hot_receive_datagrams receive;
    char *slots;
    size_t longest;
    nc_socket fd;
    char delivering;
    intptr_t lengths[DATAGRAMS_BATCH];
    unsigned char names[DATAGRAMS_BATCH * DATAGRAMS_NAME];
} hot_port;

/* One datagram of a server and the way back; see DatagramConn. What is None in Python may be NULL here. */
typedef struct hot_datagram {
    PyObject_HEAD
    PyObject *weakrefs;
    hot_port *port;
    hot_postbox *outbox; /* NULL once it is closed */
    PyObject *rare;
    PyObject *source; /* the bytes that the window is of; NULL if it is of a slot */
    const char *slot;
    Py_ssize_t lo;
    Py_ssize_t hi;
    Py_ssize_t bytes_received;
    Py_ssize_t bytes_sent;
    size_t name_size;
    unsigned char name[DATAGRAMS_NAME];
} hot_datagram;

extern PyTypeObject *hot_postbox_type, *hot_port_type, *hot_datagram_type;

#endif
