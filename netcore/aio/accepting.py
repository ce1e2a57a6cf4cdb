"""Accepting connections without a task for each, which asyncio makes for the sake of TLS."""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio.log import logger
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol

__all__ = ["Accepting", "accept"]

_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What the system may be out of for a while."""


class Accepting(Protocol):
    """The loop, as far as it matters here."""

    def get_debug(self) -> bool:
        """Whether debug mode is on."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See ``asyncio.loop.call_exception_handler``."""

    def _make_socket_transport(
        self, sock: socket.socket, protocol: asyncio.BaseProtocol, *, extra: dict[str, Any], server: Any
    ) -> object: ...


def accept(
    loop: Accepting,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    listener: socket.socket,
    server: Any,
    most: int,
) -> bool:
    """Takes what waits at a listener, and makes a transport of each, in a context of its own.

    See accept(2).

    Args:
        loop: Whose transports they are.
        protocol_factory: Called for each. If it fails, that connection is closed, and debug mode tells.
        listener: Where they come in; non-blocking.
        server: The server that they belong to.
        most: How many to accept at most.

    Returns:
        False if the system is out of something, after which it is better to wait.

    Raises:
        OSError: Another error.
    """
    for _ in range(max(most, 1)):  # a backlog of 0 lets one wait all the same: listen(2)
        try:
            sock, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            break
        except OSError as error:
            if error.errno in _OUT_OF:
                return False
            raise
        copy_context().run(_open, loop, protocol_factory, sock, address, server)
    return True


def _open(
    loop: Accepting,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    sock: socket.socket,
    address: Any,
    server: Any,
) -> None:
    protocol = None
    try:
        if loop.get_debug():
            logger.debug("%r got a new connection from %r: %r", server, address, sock)
        sock.setblocking(False)
        protocol = protocol_factory()
        loop._make_socket_transport(sock, protocol, extra={"peername": address}, server=server)
    except BaseException as error:
        sock.close()
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise
        if loop.get_debug():
            context = {"message": "Error on transport creation for incoming connection", "exception": error}
            if protocol is not None:
                context["protocol"] = protocol
            loop.call_exception_handler(context)
