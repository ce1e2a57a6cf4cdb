/* The contract between netcore's Python and its C.
 *
 * This file is read twice: by the C compiler, and by cffi, which drops the lines that start with '#'.
 * Everything here exists on every platform; what a platform lacks returns -ENOSYS (see platform.c).
 *
 * Rules of every function:
 *   - a result below zero is the negative of an errno value; nothing else reports an error;
 *   - none blocks, except nc_*_wait;
 *   - none keeps a pointer after it returns, and none but those of io_uring and iocp allocates;
 *   - interrupted system calls are repeated, except in nc_*_wait, which then reports no events.
 */
#ifndef NETCORE_H
#define NETCORE_H

#include <stddef.h>
#include <stdint.h>

typedef intptr_t nc_socket; /* a descriptor, or a handle where sockets are handles */

/* Interest and readiness, the same for every poller. NC_EXCLUSIVE is a hint, to ignore where need be. */
enum { NC_READ = 1, NC_WRITE = 2, NC_EDGE = 4, NC_EXCLUSIVE = 8 };
enum { NC_READABLE = 1, NC_WRITABLE = 2, NC_HANGUP = 4, NC_ERROR = 8 };
enum { NC_ADD = 1, NC_MODIFY = 2, NC_REMOVE = 3 };

/* A change of interest that the kernel has not been told of yet; see nc_kqueue_wait. */
typedef struct {
    nc_socket socket;
    int operation;
    int interest;
} nc_change;

enum { NC_CHANGES = 256 };

/* A poller: the kernel's object, what another thread pokes to end a wait, and, of kqueue only, where the
 * poke arrives if that is another descriptor, and the changes that the next wait takes along. Of io_uring the
 * object is memory, and `ring` the kernel's. */
typedef struct {
    nc_socket handle;
    nc_socket waker;
    int seen; /* every flag that the last wait found on any socket */
    nc_socket woken;
    nc_socket ring;
    int process; /* that has opened the poller, of kqueue only: a child of fork(2) has no such queue */
    int pending;
    nc_change changes[NC_CHANGES];
} nc_poller;

/* Backends. Each has these functions under its own name, but iocp has no fileno.
 * wait: timeout in seconds, negative for none; fills sockets[] and readiness[], returns how many.
 * fileno: the kernel's object as a descriptor for others to watch, readable from here on as soon as a wait
 * would find something or was woken; the same number each time, but it is to be asked anew before each time.
 * wake: may be called on any thread while the poller is open. */
int nc_epoll_open(nc_poller *poller);
int nc_epoll_control(nc_poller *poller, int operation, nc_socket socket, int interest);
int nc_epoll_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness);
int nc_epoll_fileno(nc_poller *poller);
int nc_epoll_wake(nc_poller *poller);
void nc_epoll_close(nc_poller *poller);

/* kqueue keeps no interest that could be asked for, so it is told the former one: control takes
 * interest | former << NC_FORMER (NC_REMOVE: former << NC_FORMER). It knows of no descriptor registered twice,
 * or never, and an error that only the system can see is reported by the next wait, as NC_ERROR. */
enum { NC_FORMER = 4 };
int nc_kqueue_open(nc_poller *poller);
int nc_kqueue_control(nc_poller *poller, int operation, nc_socket socket, int interest);
int nc_kqueue_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness);
int nc_kqueue_fileno(nc_poller *poller);
int nc_kqueue_wake(nc_poller *poller);
void nc_kqueue_close(nc_poller *poller);

/* iocp is for sockets only. A closed one that was not unregistered is forgotten by the next wait. */
int nc_iocp_open(nc_poller *poller);
int nc_iocp_control(nc_poller *poller, int operation, nc_socket socket, int interest);
int nc_iocp_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness);
int nc_iocp_wake(nc_poller *poller);
void nc_iocp_close(nc_poller *poller);

/* io_uring, beside a poller's functions: built says whether there was a liburing at build time; open_as
 * leaves out the first `mode` of the ways to set up a ring, each asking less of the kernel than the one
 * before; adopt registers a socket whose bytes the ring is to fetch. In a forked child nothing
 * works but wake and close. */
int nc_io_uring_built(void);
int nc_io_uring_open(nc_poller *poller);
int nc_io_uring_open_as(nc_poller *poller, int mode);
int nc_io_uring_control(nc_poller *poller, int operation, nc_socket socket, int interest);
int nc_io_uring_adopt(nc_poller *poller, nc_socket socket, int interest);
int nc_io_uring_wait(nc_poller *poller, double timeout, int capacity, nc_socket *sockets, int *readiness);
int nc_io_uring_fileno(nc_poller *poller);
int nc_io_uring_wake(nc_poller *poller);
void nc_io_uring_close(nc_poller *poller);

/* Batched socket I/O.
 *
 * Names of sockets are packed into NC_NAME_SIZE bytes: one byte of length, then the family (4, 6, 1
 * for Unix, 0 for none), then port (2 bytes), scope id (4 bytes, IPv6 only), address, or the path. */
enum { NC_NAME_SIZE = 128 };

/* Accepts up to capacity connections, non-blocking and close-on-exec. Returns how many; *error is the
 * negative errno that ended the batch, 0 if there was nothing left or the capacity was reached. */
int nc_accept(nc_socket listener, int capacity, nc_socket *sockets, unsigned char *names, int *error);

/* Receives once from each socket, up to `cap` bytes, one after the other into the arena, while there are
 * `cap` bytes of room. Returns how many sockets it came to; results[i] is the length, 0 at the end of
 * the stream, or a negative errno. */
int nc_receive(int count, const nc_socket *sockets, char *arena, size_t room, size_t cap, intptr_t *results);

/* The same for a single socket, without the arrays: a turn with one event is to cost no more than a plain
 * call. Returns what would stand in results[0]. */
intptr_t nc_receive_one(nc_socket socket, char *arena, size_t cap);

/* How many bytes of a stream have come and can be received, as far as the system can tell. */
intptr_t nc_available(nc_socket socket);

/* Sends chunk after chunk. Chunk i is lengths[i] bytes at pointers[i], or, where that is NULL (or
 * pointers is), the next lengths[i] bytes of `joined`. Chunks of one socket go out in order; after a short
 * write its later ones are not tried. unsent[i] is how much of chunk i was left over, or a negative errno.
 * Returns the number of sockets that had trouble; unsent[] is all zero when that is 0. */
int nc_send(int count, const nc_socket *sockets, const size_t *lengths, const char *joined,
            const char *const *pointers, intptr_t *unsent);

/* The same for a single chunk. Returns what would stand in unsent[0]. */
intptr_t nc_send_one(nc_socket socket, const char *chunk, size_t length);

/* Datagrams.
 *
 * The arena has `capacity` slots of NC_DATAGRAM_SLOT bytes, and behind them as many of `cap` bytes. A
 * datagram lies in its small slot if it fits there, else in its large one.
 *
 * Names are packed as those of nc_accept, without the byte of length, one behind the other. The family may
 * have the bit NC_NAME_KNOWN: then the address of this side that the datagram was sent to is behind the name,
 * which is where an answer comes from (IPv4: 4 bytes; IPv6: the scope, 4 bytes, and 16), zero where there is none. */
enum { NC_NAME_KNOWN = 0x40 };
enum { NC_DATAGRAM_SLOT = 2112 }; /* an Ethernet frame and more; no power of two, for the cache's sake */

/* Whether one system call moves several datagrams here. */
int nc_datagram_batches(void);

/* Keeps receiving from an unconnected socket from failing because something that was sent before found nobody
 * there. Only Windows has it fail, by default; elsewhere this is -ENOSYS. */
int nc_ignore_unreachable(nc_socket socket);

/* Receives up to `limit` datagrams, which is at most `capacity`, and returns how many: fewer if there are no
 * more. lengths[i] is the length, or -EMSGSIZE if it was longer than `cap` and is lost; *name_size is the
 * size of each sender's packed name; *error is the negative errno that ended the batch, such as an
 * ICMP error, or 0. */
int nc_receive_datagrams(nc_socket socket, int capacity, int limit, char *arena, size_t cap,
                         intptr_t *lengths, unsigned char *names, int *name_size, int *error);

/* Sends datagrams in order, each to its name; a name of the family 0 is one byte and means the peer that the
 * socket is connected to. Chunks are given as to nc_send. unsent[i] is 0, or the negative errno with which
 * datagram i failed; -EAGAIN or -ENOBUFS ends the batch, and stands for all later ones too. Returns the
 * number of failures; unsent[] is all zero when that is 0. */
int nc_send_datagrams(nc_socket socket, int count, const size_t *lengths, const char *joined,
                      const char *const *pointers, const unsigned char *names, intptr_t *unsent);

int nc_shutdown_write(nc_socket socket);

/* Ends connections: FIN, also where duplicates of the descriptors live on, or RST where SO_LINGER is set to
 * zero seconds; SO_LINGER above zero is switched off, since close(2) would wait. release only closes: what else is
 * open of the sockets goes on. reset sends RST, on Linux at once, elsewhere when the last duplicate is closed.
 */
void nc_close(int count, const nc_socket *sockets);
void nc_release(int count, const nc_socket *sockets);
int nc_reset(nc_socket socket);

/* The same over a ring that may hold what they ask for. release ends what the ring does with sockets, and
 * comes before they are closed. On a poller that is closed they do what the functions above do. */
int nc_io_uring_receive(nc_poller *poller, int count, const nc_socket *sockets, char *arena, size_t room,
                        size_t cap, intptr_t *results);
intptr_t nc_io_uring_available(nc_poller *poller, nc_socket socket);
intptr_t nc_io_uring_receive_one(nc_poller *poller, nc_socket socket, char *arena, size_t cap);
int nc_io_uring_send(nc_poller *poller, int count, const nc_socket *sockets, const size_t *lengths,
                     const char *joined, const char *const *pointers, intptr_t *unsent);
int nc_io_uring_release(nc_poller *poller, int count, const nc_socket *sockets);

/* Has this process end by SIGKILL so many milliseconds after the other end of a connected Unix socket is
 * closed, whatever its other threads do. The descriptor stays the caller's, who may close it. */
int nc_guard(int fd, int grace);

/* Nanoseconds that never go back; for durations, since they begin anywhere. */
int64_t nc_nanoseconds(void);

/* Finding frames in memory.
 *
 * Each looks from data[at] on for frames that are whole and acceptable, one behind the other, and returns
 * where it stopped: at the first that is not, or because the result is full. */

/* The result: a format of Python's module struct, such as "4x60s4x12s", by which one call there makes all
 * the frames out of what begins at data[at]. The caller provides the memory. */
typedef struct {
    char *format;
    size_t room;
    size_t used;        /* 0 if there are no frames */
    size_t described;   /* up to where in data[] the format goes */
} nc_frames;

/* A length field. The frame is as long as the field says plus `adjustment`, which here includes everything
 * up to the field's end; values beyond max_value are not accepted. */
typedef struct {
    size_t offset;      /* of the field */
    int width;          /* of the field: 1 to 8 bytes; 8 are signed */
    int little_endian;
    int64_t adjustment;
    int64_t max_value;
    int64_t strip;      /* bytes at the beginning of each frame that are not wanted */
} nc_length_field;

size_t nc_scan_length_fields(const char *data, size_t size, size_t at, const nc_length_field *layout,
                             nc_frames *frames);

/* Lines end with LF or CR LF, which does not count for max_length. */
size_t nc_scan_lines(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                     nc_frames *frames);

/* Delimiters are given one behind the other, `count` of them, the shorter ones first. */
size_t nc_scan_delimiters(const char *data, size_t size, size_t at, size_t max_length, int keep_delimiters,
                          int count, const char *delimiters, const size_t *lengths, nc_frames *frames);

/* What the frames of a stream look like, and how a payload becomes one. */
enum { NC_FIXED_LENGTH, NC_LENGTH_FIELD, NC_LINES, NC_DELIMITERS };

typedef struct {
    int kind;
    int keep;               /* whether frames are given with their delimiters */
    size_t max_length;      /* of a frame without its delimiter; of each that is of a fixed length */
    nc_length_field field;
    int64_t surplus;        /* what is added to the number of bytes behind the field to get its value */
    int count;              /* of delimiters, as above */
    const char *delimiters;
    const size_t *lengths;
    const char *ending;     /* the delimiter that is sent */
    size_t ending_length;
} nc_framing;

/* Finds the frame at data[at]: from where to where it goes, and, returned, where the next one begins; that
 * is `at` if what is there is not whole and acceptable. */
size_t nc_next_frame(const nc_framing *framing, const char *data, size_t size, size_t at, size_t *begin,
                     size_t *end);

/* Finds the first delimiter, or end of a line: where it begins, `size` if there is none, and its length. */
size_t nc_find_delimiter(const nc_framing *framing, const char *data, size_t size, size_t *length);

#endif
