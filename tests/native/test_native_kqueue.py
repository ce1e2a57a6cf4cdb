"""The kqueue poller on the emulation, with both ways to wake."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netcore.poll import Interest, Poller, Readiness
from netcore.testing import check_poller
from netcore.testing.conformance import wires

pytestmark = pytest.mark.once

READ, WRITE, EDGE = int(Interest.READ), int(Interest.WRITE), int(Interest.EDGE)
READABLE, WRITABLE = int(Readiness.READABLE), int(Readiness.WRITABLE)
HANGUP, ERROR = int(Readiness.HANGUP), int(Readiness.ERROR)

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def poller(open_kqueue: Callable[[], Poller]) -> Iterator[Poller]:
    opened = open_kqueue()
    yield opened
    opened.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture
def tcp() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    near.setblocking(False)
    with near, far:
        yield near, far


def until(poller: Poller, fd: int, flags: int) -> int:
    """Waits until a descriptor has been told with all the flags, together."""
    while True:
        for found, readiness in poller.wait(5):
            if found == fd and readiness & flags == flags:
                return readiness


def test_keeps_the_contract(open_kqueue: Callable[[], Poller]) -> None:
    check_poller(open_kqueue)


def test_a_turn_is_one_system_call(module: Any, poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    before = module.lib.emulated_kevents
    for near, far in pairs:
        poller.register(near.fileno(), READ)
        poller.modify(near.fileno(), READ | WRITE)
        far.send(b"!")
    assert module.lib.emulated_kevents == before
    assert dict(poller.wait(0)) == {near.fileno(): READABLE | WRITABLE for near, _ in pairs}
    assert module.lib.emulated_kevents == before + 1
    for near, far in pairs:
        near.close()
        far.close()


def is_readable(poller: Any) -> bool:
    return bool(select.select([poller.fileno()], [], [], 0)[0])


def test_who_watches_its_descriptor_pays_one_more_system_call(module: Any, poller: Any) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    for near, far in pairs:
        poller.register(near.fileno(), READ)
        far.send(b"!")
    before = module.lib.emulated_kevents
    assert is_readable(poller)
    assert module.lib.emulated_kevents == before + 1
    assert len(poller.wait(0)) == 5
    assert is_readable(poller)
    assert module.lib.emulated_kevents == before + 2
    for near, far in pairs:
        near.close()
        far.close()


def test_a_refusal_is_shown_until_it_is_told(poller: Any, pair: Pair) -> None:
    with open(os.devnull, "rb") as file:  # which the emulation does not watch
        poller.register(file.fileno(), READ)
        poller.register(pair[0].fileno(), READ)
        for _ in range(2):
            assert is_readable(poller)
        assert poller.wait(5) == [(file.fileno(), READABLE | ERROR)]
        assert poller.wait(0) == []  # what has called for the wait comes after the refusal
        assert not is_readable(poller)
        poller.unregister(file.fileno())
    pair[1].send(b"!")
    assert is_readable(poller)
    assert poller.wait(5) == [(pair[0].fileno(), READABLE)]


def test_more_changes_than_one_call_takes(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    for _ in range(1000):
        poller.modify(near.fileno(), READ | WRITE)
        poller.modify(near.fileno(), READ)
    far.send(b"!")
    assert poller.wait(5) == [(near.fileno(), READABLE)]


def test_unregister_takes_back_what_the_kernel_has_and_has_not_seen(poller: Poller, pair: Pair) -> None:
    near, far = pair
    far.send(b"!")
    poller.register(near.fileno(), READ)
    poller.unregister(near.fileno())
    assert poller.wait(0) == []
    poller.register(near.fileno(), READ)
    assert poller.wait(5) == [(near.fileno(), READABLE)]
    poller.modify(near.fileno(), WRITE)
    poller.unregister(near.fileno())
    assert poller.wait(0) == []


def test_unregister_does_not_wait_for_a_turn_since_a_duplicate_may_live_on(
    poller: Poller, pair: Pair
) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    poller.wait(0)
    poller.unregister(near.fileno())
    with socket.socket(fileno=os.dup(near.fileno())):
        near.close()  # without the emulation being told, as if the filter outlived it
        far.send(b"!")
        assert poller.wait(0) == []


@pytest.mark.parametrize("edge", [0, EDGE])
def test_the_end_is_readable_with_bytes_and_after_them(poller: Poller, pair: Pair, edge: int) -> None:
    near, far = pair
    poller.register(near.fileno(), READ | edge)
    far.send(b"last")
    far.close()
    assert poller.wait(5) == [(near.fileno(), READABLE)]
    assert near.recv(100) == b"last"
    if edge:  # the flag is the end: to ask again tells it again
        poller.modify(near.fileno(), READ | edge)
    assert poller.wait(5) == [(near.fileno(), READABLE)]
    assert near.recv(100) == b""


def test_level_and_edge_can_be_changed_both_ways(poller: Poller, pair: Pair) -> None:
    near, far = pair
    fd = near.fileno()
    far.send(b"!")
    poller.register(fd, READ)
    for edge, repeats in ((EDGE, False), (0, True), (EDGE, False)):
        poller.modify(fd, READ | edge)
        assert poller.wait(5) == [(fd, READABLE)]
        assert bool(poller.wait(0)) is repeats


def test_a_reset_is_an_error_and_a_hangup(poller: Poller, tcp: Pair) -> None:
    near, far = tcp
    poller.register(near.fileno(), READ | WRITE)
    wires.reset(far)
    until(poller, near.fileno(), READABLE | WRITABLE | HANGUP | ERROR)
    with pytest.raises(ConnectionResetError):
        near.recv(1)


def test_a_half_close_is_no_hangup(poller: Poller, tcp: Pair) -> None:
    near, far = tcp
    poller.register(near.fileno(), READ | WRITE)
    far.shutdown(socket.SHUT_WR)
    assert not until(poller, near.fileno(), READABLE | WRITABLE) & (HANGUP | ERROR)


def test_an_empty_interest_hears_of_the_end_only(poller: Poller, pair: Pair) -> None:
    near, far = pair
    poller.register(near.fileno(), 0)
    far.send(b"!")
    assert poller.wait(0) == []
    poller.modify(near.fileno(), READ)
    assert poller.wait(5) == [(near.fileno(), READABLE)]
    poller.modify(near.fileno(), 0)
    assert poller.wait(0) == []
    far.close()
    assert poller.wait(5) == [(near.fileno(), HANGUP)]


@pytest.mark.parametrize("interest", [0, READ, EDGE, READ | EDGE])
def test_an_error_of_a_datagram_socket_is_told_whatever_is_asked_for(poller: Poller, interest: int) -> None:
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        far.bind(("127.0.0.1", 0))
        near.connect(far.getsockname())
        far.close()
        poller.register(near.fileno(), interest)
        assert poller.wait(0) == []
        near.send(b"!")
        assert poller.wait(5) == [(near.fileno(), READABLE if interest & READ else ERROR)]
        with pytest.raises(ConnectionRefusedError):
            near.recv(1)
        assert poller.wait(0) == []
        poller.unregister(near.fileno())


@pytest.mark.parametrize("end", ["close", "abandon", "unregister"])
def test_a_forked_child_touches_no_number_of_the_queue(poller: Any, pair: Pair, end: str) -> None:
    near, far = pair
    poller.register(near.fileno(), READ)
    poller.wait(0)
    number = poller.fileno()
    child = os.fork()
    if child == 0:  # where the emulation has closed the queue: the number is free
        try:
            heir = os.open(os.devnull, os.O_RDONLY)
            os.dup2(heir, number)
            before = os.fstat(number)
            if end == "unregister":
                try:
                    poller.unregister(near.fileno())
                except OSError:
                    pass
            else:
                getattr(poller, end)()
            os._exit(not os.path.samestat(os.fstat(number), before))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    far.send(b"!")
    assert poller.wait(5) == [(near.fileno(), READABLE)]


def test_what_only_the_kernel_can_refuse_is_told_by_the_wait(poller: Poller, pair: Pair) -> None:
    with open(os.devnull, "rb") as file:  # which the emulation does not watch
        poller.register(file.fileno(), READ)
        assert poller.wait(5) == [(file.fileno(), READABLE | ERROR)]
        poller.unregister(file.fileno())
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"!")
    assert poller.wait(5) == [(pair[0].fileno(), READABLE)]


def test_so_many_refusals_that_none_fits_in(poller: Poller) -> None:
    with open(os.devnull, "rb") as file:
        twins = [os.dup(file.fileno()) for _ in range(256)]
        for twin in twins:
            poller.register(twin, READ)
        with pytest.raises(PermissionError):
            poller.register(file.fileno(), READ)
        assert len(poller.wait(5)) == 256
        for twin in twins:
            os.close(twin)


def test_a_descriptor_closed_before_the_turn_is_forgiven(poller: Poller, pair: Pair) -> None:
    near, far = socket.socketpair()
    poller.register(near.fileno(), READ)
    near.close()
    far.close()
    assert poller.wait(0) == []
    poller.register(pair[0].fileno(), READ)
    pair[1].send(b"!")
    assert poller.wait(5) == [(pair[0].fileno(), READABLE)]


def test_more_wakes_than_a_pipe_holds_are_one(poller: Poller) -> None:
    for _ in range(70_000):
        poller.wake()
    assert poller.wait(None) == []
    thread = threading.Timer(0.01, poller.wake)
    thread.start()
    assert poller.wait(None) == []
    thread.join()
    assert poller.wait(0) == []


def test_out_of_descriptors_leaves_nothing_open(open_kqueue: Callable[[], Poller]) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as probe:
        lowest = probe.fileno()
    for room in range(5):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        try:
            open_kqueue().close()
        except OSError as error:
            assert "Too many open files" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with open(os.devnull) as probe:
            assert probe.fileno() == lowest
