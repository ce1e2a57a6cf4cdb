"""When a poller must wait: while nothing has happened of what was asked for, whatever the peer does.

A report that nobody wanted, told again and again, has the loop spin; so has a wait that ends early for it
and tells nothing. HANGUP and ERROR come unasked, where both directions have ended or the socket has an error;
who is told of them changes the interest or unregisters.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Final

from netcore._machine import current
from netcore.poll import Interest, Readiness
from netcore.testing.conformance.poller_bench import LOOKS, PollerBench
from netcore.testing.conformance.rules import expect_raises, require
from netcore.testing.conformance.wires import SocketPair, reset, tcp_pair, wait_ready

__all__ = ["KERNEL_RESTING_RULES", "RESTING_RULES"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_ENDED = int(Readiness.HANGUP | Readiness.ERROR)

_REST: Final = 0.003
"""Seconds that a wait must last where there is nothing to tell."""

_RESTS: Final = 2
"""Waits in a row that last, before a poller counts as at rest: on a busy machine any call may last once."""


@dataclass(frozen=True)
class _Happening:
    """Something that the far end of a connection does.

    Attributes:
        title: What it is, for the sentence.
        act: Does it, to the near and the far end.
        ends: Whether HANGUP or ERROR may follow.
    """

    title: str
    act: Callable[[socket.socket, socket.socket], object]
    ends: bool = False


def _end_both(near: socket.socket, far: socket.socket) -> None:
    near.shutdown(socket.SHUT_WR)
    far.shutdown(socket.SHUT_WR)


_HAPPENINGS: Final = (
    _Happening("nothing", lambda near, far: None),
    _Happening("bytes", lambda near, far: far.send(b"!")),
    _Happening("urgent data", lambda near, far: far.send(b"!", socket.MSG_OOB)),
    _Happening("the end of the peer's half", lambda near, far: far.shutdown(socket.SHUT_WR)),
    _Happening("the end of both halves", _end_both, ends=True),
    _Happening("a reset", lambda near, far: reset(far), ends=True),
)


def _interests(bench: PollerBench) -> Iterator[int]:
    for edge in (0, _EDGE) if bench.poller.supports_edge else (0,):
        for directions in (0, _READ, _WRITE, _READ | _WRITE):
            yield directions | edge


def _named(interest: int) -> str:
    names = [flag.name or "" for flag in Interest if interest & flag]
    return " and ".join(names) if names else "nothing"


def _settle(near: socket.socket) -> None:
    """Lets what the far end has done arrive, where loopback takes its time."""
    wait_ready(near.fileno(), patience=_REST)


@contextmanager
def _congested() -> Iterator[SocketPair]:
    """Connects two TCP sockets, the near one having no room to send."""
    near, far = tcp_pair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # a small one is sooner full
    wire = SocketPair(near, far)
    try:
        wire.fill()
        yield wire
    finally:
        wire.close()


def _is_true(wire: SocketPair, flags: int) -> bool:
    """Whether receiving, or sending, does not block."""
    try:
        if flags & _READABLE:
            wire.near.recv(1, socket.MSG_PEEK)
        elif flags & _WRITABLE:
            wire.near.send(b"!")
        return bool(flags)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _comes_to_rest(bench: PollerBench, wire: SocketPair, interest: int, ends: bool, sentence: str) -> None:
    """Requires that a poller waits, unless it tells, level-triggered, of what was asked for and is so."""
    rests = 0
    for _ in range(LOOKS):
        start = time.monotonic()
        found = bench.look(_REST).get(wire.fd, 0)
        asked = found & (_READABLE if interest & _READ else 0) | found & (
            _WRITABLE if interest & _WRITE else 0
        )
        legitimate = _is_true(wire, asked) or (ends and found & _ENDED)
        if legitimate and not interest & _EDGE:
            return
        lasted = not found and time.monotonic() - start >= _REST / 2
        rests = rests + 1 if lasted else 0
        if rests == _RESTS:
            return
    raise AssertionError(sentence)


def _waits_unless_asked(bench: PollerBench) -> None:
    for happening, interest, early in product(_HAPPENINGS, _interests(bench), (True, False)):
        order = "after" if early else "before"
        sentence = (
            f"with an interest in {_named(interest)}, {happening.title} that came {order} register() "
            "makes waits end again and again for nothing."
        )
        with _congested() as wire:
            if early:
                bench.register(wire, interest)
                bench.look()
            happening.act(wire.near, wire.far)
            _settle(wire.near)
            if not early:
                bench.register(wire, interest)
            _comes_to_rest(bench, wire, interest, happening.ends, sentence)
            bench.unregister(wire)
            if happening.ends:
                _comes_to_rest(bench, wire, 0, False, f"after unregister(), {happening.title} ends waits.")


def _waits_when_the_interest_is_gone(bench: PollerBench) -> None:
    """What a loop does that has read as much as it wants: the rest, and the end, must not keep it busy."""
    for happening, interest in product(_HAPPENINGS, _interests(bench)):
        sentence = (
            f"after modify() from READ to {_named(interest)}, {happening.title} makes waits end again and "
            "again for nothing."
        )
        with _congested() as wire:
            bench.register(wire, _READ)
            happening.act(wire.near, wire.far)
            _settle(wire.near)
            bench.look()
            bench.poller.modify(wire.fd, interest)
            _comes_to_rest(bench, wire, interest, happening.ends, sentence)
            bench.unregister(wire)


def _tells_of_room_after_the_peers_end(bench: PollerBench) -> None:
    """A half-closed connection is served on: what waits for room has to hear of it, each time."""
    for interest in _interests(bench):
        if not interest & _WRITE:
            continue
        with _congested() as wire:
            wire.far.shutdown(socket.SHUT_WR)
            _settle(wire.near)
            bench.register(wire, interest)
            _comes_to_rest(bench, wire, interest, False, "a half-closed connection ends waits.")
            for _ in range(3):
                wire.fill()  # until it would block, or there would be no edge
                with suppress(BlockingIOError):
                    while wire.far.recv(1 << 20):
                        pass
                bench.until(wire, _WRITABLE, "after the peer's end, room to send is not reported.")
                if not interest & _EDGE:
                    bench.until(wire, _WRITABLE, "after the peer's end, room to send is not repeated.")
            bench.unregister(wire)


def _tells_of_a_failed_datagram(bench: PollerBench) -> None:
    """An ICMP error waits on the socket until it is fetched; who asks for nothing learns of it, or sleeps."""
    for interest in (0, _READ):
        near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        wire = SocketPair(near, far)
        try:
            far.bind(("127.0.0.1", 0))
            near.connect(far.getsockname())
            far.close()
            bench.register(wire, interest)
            near.send(b"!")
            _settle(near)
            title = "an error of a datagram socket"
            sentence = f"with an interest in {_named(interest)}, {title} ends waits for nothing."
            _comes_to_rest(bench, wire, interest, True, sentence)
            bench.unregister(wire)
        finally:
            wire.close()


def _forgives_a_descriptor_closed_too_early(bench: PollerBench) -> None:
    if current().facts.sockets_are_handles:
        return  # where select(2) fails as a whole, and a poller on it could only guess for whom
    for _ in range(3):
        wire = bench.open()
        bench.register(wire, _READ)
        bench.look()
        wire.close()
        for _ in range(LOOKS):
            if not bench.look():
                break
        else:
            raise AssertionError("a descriptor that was closed before unregister() is reported for ever.")
        bench.watched.discard(wire.fd)
        with suppress(FileNotFoundError):  # the system may have forgotten it
            bench.poller.unregister(wire.fd)
        heir = bench.open()  # the kernel gives it the same number, the lowest that is free
        bench.register(heir, _READ)
        heir.make_readable()
        bench.until(heir, _READABLE, "under the number of a descriptor closed too early nothing is reported.")
        bench.unregister(heir)


def _refuses_files(bench: PollerBench) -> None:
    """They are always ready, so that a loop that watched one would spin; epoll_ctl(2) says EPERM."""
    if current().facts.sockets_are_handles:
        return  # numbers of files are not of the same kind
    register = bench.poller.register
    with tempfile.TemporaryFile() as file:
        expect_raises(OSError, lambda: register(file.fileno(), _READ), "register() of a file")
    if hasattr(os, "O_DIRECTORY"):  # it has descriptors of directories
        folder = os.open(".", os.O_RDONLY)
        try:
            expect_raises(OSError, lambda: register(folder, _READ), "register() of a directory")
        finally:
            os.close(folder)
    require(not bench.look(), "a register() that was refused is reported.")


RESTING_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (_forgives_a_descriptor_closed_too_early,)
"""For every poller."""

KERNEL_RESTING_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (
    _refuses_files,
    _waits_unless_asked,
    _waits_when_the_interest_is_gone,
    _tells_of_room_after_the_peers_end,
    _tells_of_a_failed_datagram,
)
"""For pollers that sit on the kernel's sockets."""
