"""The sockets that a service manager has passed to this process, by name."""

from __future__ import annotations

import os

from netcore.address import Address
from netcore.errors import UnsupportedProtocolError

__all__ = ["inherited"]

_FIRST = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3): the descriptors follow those of standard input and output."""


def inherited(address: Address) -> list[int]:
    """Finds the descriptors for which ``fd://NAME`` stands (``tls+fd`` likewise), be it one or several.

    Raises:
        UnsupportedProtocolError: This process was passed none of this name.
    """
    environment = os.environ
    if environment.get("LISTEN_PID") != str(os.getpid()):  # meant for a parent, if for anybody
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be served: no sockets were passed to this process (LISTEN_PID)"
        )
    count = environment.get("LISTEN_FDS", "")
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    passed = names[: int(count) if count.isdecimal() else 0]
    found = [_FIRST + i for i, name in enumerate(passed) if name == address.path]
    if not found:
        raise UnsupportedProtocolError(
            f"{str(address)!r} cannot be served: the sockets passed to this process are named "
            f"{', '.join(map(repr, passed)) or 'nothing'} (LISTEN_FDNAMES)"
        )
    return found
