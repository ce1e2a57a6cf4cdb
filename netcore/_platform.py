"""What this platform offers, decided in one place.

The rest of netcore never asks for the name of the operating system: it asks for one of these facts. They
come from the table in ``netcore._platforms``; everything is looked up by name, so that the module imports
(and type checks) everywhere.
"""

from __future__ import annotations

import importlib
import math
import mmap
import os
import platform
import re
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable

from netcore._cgroups import cpu_quota
from netcore._facts import Facts, facts_of
from netcore._platforms import Platform, platform_of

__all__ = [
    "AF_UNIX",
    "FACTS",
    "HERE",
    "LINGER_FORMAT",
    "MSG_CMSG_CLOEXEC",
    "NO_SIGNAL",
    "NO_WAIT",
    "SELECT_LIMIT",
    "SENDFILE",
    "SO_ACCEPTCONN",
    "SO_DOMAIN",
    "allocate_arena",
    "descriptor_limit",
    "in_trouble",
    "is_blocking",
    "keep_freed_memory",
    "linger_of",
    "option_number",
    "pack_linger",
    "pin_thread",
    "read_at",
    "return_freed_memory",
    "socket_over",
    "usable_cpu_count",
    "usable_cpus",
]

_SYSTEM: str = sys.platform  # a variable: type checkers prune branches on the expression itself

HERE: Platform = platform_of(_SYSTEM)
"""This platform's row of the table."""


def option_number(name: str) -> int | None:
    """Returns the number of a socket option; None for an empty name, or where Python does not know it."""
    number: int | None = getattr(socket, name, dict(HERE.numbers).get(name)) if name else None
    return number


def _release() -> list[int]:
    """The two first numbers of the kernel's version."""
    return [int(part) for part in re.findall(r"\d+", platform.release())[:2]]


FACTS: Facts = facts_of(HERE, _release(), option_number)
"""The kernel below. What may run in a simulation asks its machine instead (``netcore._machine``)."""

AF_UNIX: int = getattr(socket, "AF_UNIX", 1)
"""The family of Unix sockets, which has this number everywhere; see ``Facts.unix_sockets``."""

SO_ACCEPTCONN: int | None = getattr(socket, "SO_ACCEPTCONN", None)
"""The option that tells whether a socket listens (socket(7)); None where Python does not know it."""

SO_DOMAIN: int | None = getattr(socket, "SO_DOMAIN", None)
"""The option that tells a socket's family (socket(7)); None where Python does not know it."""

MSG_CMSG_CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Has received descriptors close at an exec (recvmsg(2)); 0 where there is no such flag."""

NO_SIGNAL: int = 0 if FACTS.no_sigpipe is not None else int(getattr(socket, "MSG_NOSIGNAL", 0))
"""The flag of a send that raises no SIGPIPE on a dead connection (send(2)); 0 where the option does it."""

NO_WAIT: int = int(getattr(socket, "MSG_DONTWAIT", 0))
"""The flag of one call that does not wait, though somebody with a duplicate has made the socket blocking."""

SELECT_LIMIT: int = HERE.select_limit
"""How many sockets the standard library's ``select.select`` watches at most; 0 where nobody needs it."""


SENDFILE: Callable[[int, int, int, int], int] | None = (
    getattr(os, "sendfile", None) if HERE.sendfile else None
)
"""``SENDFILE(socket, file, offset, count)`` sends a part of a file without bringing it here; None on Windows.

The standard library's function has the same first four arguments on every platform, though the system
calls behind it differ (sendfile(2) of Linux, of FreeBSD, of macOS).
"""

_PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)


def read_at(file: int, count: int, offset: int) -> bytes:
    """Reads up to ``count`` bytes of a file from ``offset`` on, ``b""`` past its end; pread(2).

    The file's own position stays where it is. Without pread(2) it is moved and put back, so that no other
    thread should use the file meanwhile.
    """
    if _PREAD is not None:
        return _PREAD(file, count, offset)
    position = os.lseek(file, 0, os.SEEK_CUR)
    try:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, count)
    finally:
        os.lseek(file, position, os.SEEK_SET)


def descriptor_limit() -> int | None:
    """Returns how many descriptors the process may have, RLIMIT_NOFILE of getrlimit(2); None for any."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # Windows
        return None
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def is_blocking(fd: int) -> bool:
    """Whether a socket lacks O_NONBLOCK; OSError if it is not open. Windows does not tell, and gets True."""
    if FACTS.sockets_are_handles:
        return True
    blocking: bool = os.get_blocking(fd)  # type: ignore[attr-defined, unused-ignore]
    return blocking


def in_trouble(fd: int) -> bool:
    """Whether a socket has failed or hung up; poll(2), without which the answer is yes. It changes nothing.

    Raises:
        OSError: The system refuses.
    """
    make_poll = getattr(select, "poll", None)
    if make_poll is None:
        return True
    poll = make_poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def usable_cpus() -> tuple[int, ...]:
    """Returns the numbers of the CPUs this process may run on, in ascending order."""
    get_affinity = getattr(os, "sched_getaffinity", None)
    if get_affinity is not None:
        return tuple(sorted(get_affinity(0)))
    return tuple(range(os.cpu_count() or 1))


def usable_cpu_count() -> int:
    """Returns how many CPUs this process can keep busy, a container's limit considered."""
    cpus, quota = len(usable_cpus()), cpu_quota()
    return cpus if quota is None else min(cpus, max(math.ceil(quota), 1))


def pin_thread(cpu: int) -> bool:
    """Ties the calling thread to one CPU; returns whether the platform could do so."""
    set_affinity = getattr(os, "sched_setaffinity", None)
    if set_affinity is None:
        return False
    try:
        set_affinity(threading.get_native_id(), {cpu})
    except OSError:  # taken away since usable_cpus() looked
        return False
    return True


def allocate_arena(size: int) -> mmap.mmap:
    """Returns zeroed memory that is committed page by page as it is touched.

    An anonymous map is the one standard object that is writable through the buffer protocol and
    whose slices are ``bytes``: one copy from the kernel's data to what a handler reads.

    Args:
        size: Bytes, rounded up to whole pages by the kernel.
    """
    private = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
    if private:
        return mmap.mmap(-1, size, flags=private)  # type: ignore[call-arg, unused-ignore]
    return mmap.mmap(-1, size)


_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)


def socket_over(fd: int, family: int, kind: int, proto: int = -1) -> socket.socket:
    """Makes an object that owns an open socket, which goes on to block, or not, as it did. Any thread.

    The object takes it for one that does not block. Made in the plain way, PyPy's has the socket block, for
    all who have it open; the flag keeps it from that, and in CPython concerns the object alone.

    Raises:
        OSError: It is no socket (ENOTSOCK). PyPy says nothing if the descriptor is closed, nor of what is no
            socket if ``proto`` is given.
    """
    return socket.socket(family, kind | _NONBLOCK, proto, fd)


LINGER_FORMAT = "hh" if _SYSTEM == "win32" else "ii"
"""``struct linger``, as ``struct`` calls it."""


def pack_linger(seconds: int) -> bytes:
    """Packs the value of SO_LINGER (socket(7)); its fields are ints, on Windows shorts.

    Args:
        seconds: How long close(2) waits; 0 makes it a reset, below zero is off.
    """
    return struct.pack(LINGER_FORMAT, seconds >= 0, max(seconds, 0))


def linger_of(sock: socket.socket) -> int | None:
    """Returns the seconds of SO_LINGER, or None where it is off."""
    size = struct.calcsize(LINGER_FORMAT)
    on, seconds = struct.unpack(LINGER_FORMAT, sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, size))
    return seconds if on else None


def keep_freed_memory() -> None:
    """Makes the C library keep up to 2 MiB of freed memory rather than return it to the kernel.

    glibc trims its heap when 128 KiB at the top are free, and so a loop that turns over a few messages of
    64 KiB has the same pages taken away and faulted in again on every turn: eight faults and 20 us a
    message. Freeing one block of 1 MiB makes it raise the threshold for good (mallopt(3), "dynamic mmap
    threshold"); with other libraries it is an allocation like any other.
    """
    bytes(1 << 20)


def return_freed_memory() -> bool:
    """Has the C library return what it keeps of freed memory to the kernel; malloc_trim(3) of glibc.

    Other libraries have nothing of the kind, or do it by themselves. Any thread; the GIL is not held.

    Returns:
        Whether there was anything to return.
    """
    try:
        import ctypes

        trim = ctypes.CDLL(None).malloc_trim
    except (ImportError, OSError, AttributeError, TypeError):  # TypeError: Windows wants a name
        return False
    return bool(trim(ctypes.c_size_t(0)))
