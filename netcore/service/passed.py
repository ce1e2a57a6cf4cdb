"""The sockets that a service manager has bound and passed to this process; see sd_listen_fds(3)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

__all__ = ["PassedSocket", "claim", "passed_sockets"]

_FIRST = 3
"""SD_LISTEN_FDS_START: the descriptors follow those of standard input and output."""

_UNNAMED = "unknown"
"""What sd_listen_fds_with_names(3) calls a descriptor without a name."""

_MOST = 1 << 16
"""More descriptors than a service is passed: a number beyond it is no number of descriptors."""

_claimed: set[int] = set()
"""Descriptors that somebody here has taken: their numbers may be those of something else by now."""


class PassedSocket(NamedTuple):
    """A descriptor that was passed, be it of a socket or, in principle, of something else.

    Attributes:
        fd: Its number.
        name: ``FileDescriptorName=`` of its unit (systemd.socket(5)); "unknown" where there is none.
    """

    fd: int
    name: str


def passed_sockets(environ: Mapping[str, str] = os.environ) -> list[PassedSocket]:
    """Returns what this process was passed, in the order of the units, but for what is claimed. Any thread.

    None are there if the variables are meant for another process (LISTEN_PID), or make no sense. From then on
    the descriptors are not inherited by processes that this one starts, as all others of Python (PEP 446).
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdecimal()):
        return []
    given = environ.get("LISTEN_FDNAMES")
    names = [] if given is None else given.split(":")
    found = []
    for i in range(min(int(count[:9]), _MOST)):
        fd = _FIRST + i
        if fd not in _claimed:
            with suppress(OSError):  # it was closed: what opens next gets the number, and is told so itself
                os.set_inheritable(fd, False)
            found.append(PassedSocket(fd, names[i] if i < len(names) else _UNNAMED))
    return found


def claim(fd: int) -> None:
    """Notes that a descriptor has an owner, who may close it: nobody is passed it any more. Any thread."""
    _claimed.add(fd)
