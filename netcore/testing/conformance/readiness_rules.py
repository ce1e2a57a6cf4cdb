"""What a poller must report, and what not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Final

from netcore.poll import Interest, Readiness
from netcore.testing.conformance.poller_bench import PollerBench
from netcore.testing.conformance.rules import expect_raises, require
from netcore.testing.conformance.wires import SocketPair, refusing_name, reset, tcp_pair

__all__ = ["KERNEL_READINESS_RULES", "READINESS_RULES"]

_READ, _WRITE, _EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
_EXCLUSIVE = int(Interest.EXCLUSIVE)
_READABLE, _WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
_ENDED = int(Readiness.HANGUP | Readiness.ERROR)

_MANY: Final = 300
"""More descriptors than any backend is likely to report at once (256 here, 64 in some)."""


def _tells_its_name_and_abilities(bench: PollerBench) -> None:
    name, supports_edge = bench.poller.name, bench.poller.supports_edge
    require(name and type(name) is str, f"the poller's name is {name!r} instead of a text.")
    require(isinstance(supports_edge, bool), f"supports_edge is {supports_edge!r} instead of True or False.")


def _registers_once(bench: PollerBench) -> None:
    wire = bench.open()
    poller, fd = bench.poller, wire.fd
    expect_raises(
        FileNotFoundError, lambda: poller.modify(fd, _READ), "modify() of an unregistered descriptor"
    )
    expect_raises(
        FileNotFoundError, lambda: poller.unregister(fd), "unregister() of an unregistered descriptor"
    )
    bench.register(wire, _READ)
    expect_raises(
        FileExistsError, lambda: poller.register(fd, _WRITE), "register() of a registered descriptor"
    )
    bench.quiet(wire, _WRITABLE, "a register() that was refused changes the interest.")
    wire.make_readable()
    bench.until(wire, _READABLE, "a register() that was refused ends the former interest.")
    bench.unregister(wire)
    expect_raises(FileNotFoundError, lambda: poller.unregister(fd), "unregister() for the second time")
    expect_raises(FileNotFoundError, lambda: poller.modify(fd, _READ), "modify() after unregister()")
    bench.register(wire, _READ)
    bench.until(wire, _READABLE, "a descriptor registered again is not reported, though it is readable.")


def _repeats_while_ready(bench: PollerBench) -> None:
    wire = bench.open()
    bench.register(wire, _READ)
    bench.quiet(
        wire, _READABLE, "a descriptor with nothing to receive is reported as readable again and again."
    )
    wire.make_readable()
    for _ in range(4):
        bench.until(wire, _READABLE, "level-triggered readiness is not repeated while bytes are left.")
    wire.drain()
    bench.quiet(wire, _READABLE, "a descriptor is still reported as readable after everything was received.")
    wire.make_readable()
    bench.until(wire, _READABLE, "bytes that arrive later are not reported.")


def _reports_what_was_ready_before(bench: PollerBench) -> None:
    wire = bench.open()
    wire.make_readable()
    bench.register(wire, _READ)
    bench.until(wire, _READABLE, "bytes that arrived before register() are not reported.")


def _respects_the_interest(bench: PollerBench) -> None:
    wire = bench.open()
    wire.make_readable()
    bench.register(wire, _WRITE)
    bench.until(wire, _WRITABLE, "a writable descriptor is not reported.")
    bench.quiet(wire, _READABLE, "an interest in WRITE alone reports bytes to receive.")
    bench.poller.modify(wire.fd, _READ)
    bench.until(wire, _READABLE, "modify() to READ does not report bytes that are there already.")
    bench.quiet(wire, _WRITABLE, "an interest in READ alone reports room to send.")
    bench.poller.modify(wire.fd, 0)
    bench.quiet(wire, _READABLE | _WRITABLE, "an empty interest reports bytes or room.")
    bench.poller.modify(wire.fd, _READ | _WRITE)
    bench.until(wire, _READABLE, "an interest in READ and WRITE does not report bytes to receive.")
    bench.until(wire, _WRITABLE, "an interest in READ and WRITE does not report room to send.")
    wire.fill()
    bench.quiet(wire, _WRITABLE, "a descriptor without room to send is reported as writable again and again.")
    bench.until(wire, _READABLE, "a descriptor without room to send is not reported as readable.")


def _reports_the_end_as_readable(bench: PollerBench) -> None:
    wire = bench.open()
    bench.register(wire, _READ)
    wire.make_readable()
    wire.hang_up()
    bench.until(wire, _READABLE, "bytes in front of the end of a stream are not reported as readable.")
    wire.drain()
    for _ in range(2):
        bench.until(wire, _READABLE, "the end of a stream is not reported as readable.")
    bench.unregister(wire)


def _forgets_what_is_unregistered(bench: PollerBench) -> None:
    first, second = bench.open(), bench.open()
    for wire in (first, second):
        bench.register(wire, _READ | _WRITE)
        wire.make_readable()
    bench.until(first, _READABLE, "the first of two ready descriptors is not reported.")
    bench.unregister(first)
    for _ in range(3):
        bench.until(second, _READABLE, "unregister() of one descriptor silences another.")


def _knows_no_stale_events(bench: PollerBench) -> None:
    for _ in range(5):
        old = bench.open()
        bench.register(old, _READ)
        old.make_readable()
        bench.look()
        bench.unregister(old)
        old.close()
        new = bench.open()  # the kernel gives it the number of the old one, the lowest that is free
        bench.register(new, _READ)
        bench.quiet(
            new, _READABLE, "a new socket under a reused number is reported for its predecessor's bytes."
        )
        new.make_readable()
        bench.until(new, _READABLE, "a new socket under a reused number is not reported.")


def _reports_all_of_many(bench: PollerBench) -> None:
    with bench.surroundings.more_descriptors(2 * _MANY):
        ready = {}
        for _ in range(_MANY):
            wire = bench.open()
            bench.register(wire, _READ)
            wire.make_readable()
            ready[wire.fd] = wire
        for _ in range(_MANY):
            for fd in bench.look():
                if fd in ready:
                    ready.pop(fd).drain()
            if not ready:
                return
        raise AssertionError(f"{len(ready)} of {_MANY} ready descriptors are never reported.")


def _edge_reports_news_once(bench: PollerBench) -> None:
    if not bench.poller.supports_edge:
        return
    wire = bench.open()
    bench.register(wire, _READ | _EDGE)
    for news in ("the first bytes", "new bytes behind unread ones", "new bytes again"):
        wire.make_readable()
        bench.until(wire, _READABLE, f"edge-triggered, {news} are not reported.")
        bench.quiet(wire, _READABLE, "edge-triggered readiness is repeated without news.")
    wire.drain()
    wire.make_readable()
    bench.until(
        wire, _READABLE, "edge-triggered, bytes that arrive after everything was received are not reported."
    )
    bench.poller.modify(wire.fd, _READ)
    for _ in range(2):
        bench.until(wire, _READABLE, "modify() to an interest without EDGE does not make it level-triggered.")


def _edge_reports_both_directions(bench: PollerBench) -> None:
    if not bench.poller.supports_edge:
        return
    wire = bench.open()
    wire.make_readable()
    bench.register(wire, _READ | _WRITE | _EDGE)
    seen = 0
    while seen & (_READABLE | _WRITABLE) != _READABLE | _WRITABLE:
        missing = "room to send" if seen & _READABLE else "bytes to receive"
        lost = f"edge-triggered, {missing} from before register() is not reported."
        seen |= bench.until(wire, (_READABLE | _WRITABLE) & ~seen, lost)
    bench.quiet(wire, _WRITABLE, "edge-triggered room to send is repeated without news.")
    wire.hang_up()
    bench.until(wire, _READABLE, "edge-triggered, the end of a stream is not reported as readable.")


def _takes_exclusive_for_a_hint(bench: PollerBench) -> None:
    wire = bench.open()
    edge = _EDGE if bench.poller.supports_edge else 0
    bench.register(wire, _READ | _EXCLUSIVE)
    wire.make_readable()
    for interest in (
        _READ | _EXCLUSIVE,
        _READ,
        _READ | _WRITE | _EXCLUSIVE,
        _READ | _EXCLUSIVE | edge,
        _READ,
    ):
        bench.poller.modify(wire.fd, interest)
        bench.until(wire, _READABLE, f"after modify() to {Interest(interest)!r} readiness is not reported.")
    bench.poller.modify(wire.fd, _READ | _EXCLUSIVE)
    bench.unregister(wire)
    bench.quiet(
        wire, _READABLE, "a descriptor that was watched with EXCLUSIVE is reported after unregister()."
    )
    bench.register(wire, _READ | _EXCLUSIVE)
    bench.until(wire, _READABLE, "registered again with EXCLUSIVE, a descriptor is not reported.")


def _refuses_bad_descriptors(bench: PollerBench) -> None:
    wire = bench.open()
    wire.close()
    expect_raises(OSError, lambda: bench.poller.register(wire.fd, _READ), "register() of a closed descriptor")
    expect_raises(OSError, lambda: bench.poller.register(-1, _READ), "register() of descriptor -1")
    again = bench.open()
    bench.register(again, _READ)
    again.make_readable()
    bench.until(again, _READABLE, "after a register() that failed, a good descriptor is not reported.")


def _reports_a_reset_as_readable(bench: PollerBench) -> None:
    near, far = tcp_pair()
    wire = SocketPair(near, far)
    try:
        bench.register(wire, _READ)
        reset(far)
        bench.until(wire, _READABLE, "a connection reset by the peer is not reported as readable.")
        bench.unregister(wire)
    finally:
        wire.close()


def _reports_half_close_as_readable(bench: PollerBench) -> None:
    near, far = tcp_pair()
    wire = SocketPair(near, far)
    try:
        bench.register(wire, _READ | _WRITE)
        far.shutdown(socket.SHUT_WR)
        bench.until(
            wire, _READABLE, "the end of the peer's half of a connection is not reported as readable."
        )
        bench.until(wire, _WRITABLE, "after the end of the peer's half, ours is not reported as writable.")
        bench.unregister(wire)
    finally:
        wire.close()


def _reports_connections(bench: PollerBench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listening, connecting = SocketPair(listener, listener), SocketPair(client, client)
        bench.register(listening, _READ)
        bench.quiet(listening, _READABLE, "a listener without a connection is reported as readable.")
        client.connect_ex(listener.getsockname())
        bench.register(connecting, _WRITE)
        bench.until(listening, _READABLE, "a connection to be accepted is not reported as readable.")
        bench.until(connecting, _WRITABLE, "a connection that was made is not reported as writable.")
        bench.unregister(listening)
        bench.unregister(connecting)


def _reports_a_failed_connect(bench: PollerBench) -> None:
    with socket.socket() as client:
        connecting = SocketPair(client, client)
        if client.connect_ex(refusing_name()) not in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            return  # the system told at once
        bench.register(connecting, _WRITE)
        bench.until(connecting, _WRITABLE | _ENDED, "a connection that was refused is not reported.")
        bench.unregister(connecting)


READINESS_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (
    _tells_its_name_and_abilities,
    _repeats_while_ready,
    _reports_what_was_ready_before,
    _respects_the_interest,
    _registers_once,
    _reports_the_end_as_readable,
    _forgets_what_is_unregistered,
    _knows_no_stale_events,
    _reports_all_of_many,
    _edge_reports_news_once,
    _edge_reports_both_directions,
    _takes_exclusive_for_a_hint,
)
"""For every poller."""

KERNEL_READINESS_RULES: Final[tuple[Callable[[PollerBench], None], ...]] = (
    _refuses_bad_descriptors,
    _reports_a_reset_as_readable,
    _reports_half_close_as_readable,
    _reports_connections,
    _reports_a_failed_connect,
)
"""For pollers that sit on the kernel's sockets."""
