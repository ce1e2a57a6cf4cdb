"""The programs of the tutorial do what its pages say, with a plain socket for a peer."""

from __future__ import annotations

import socket
from functools import cache

import pytest

STEPS = ("step2_frames", "step3_back_pressure", "step4_deadlines", "step5_graceful_stop")
MANY = 300_000
ANSWER = b"".join(b"%d\n" % number for number in range(1, MANY + 1))


@pytest.fixture(scope="module")
def running(start_for_all):
    """Starts a step at first, and returns what was started from then on: ``running(step)``."""
    return cache(lambda step: start_for_all(f"tutorial/{step}"))


@pytest.fixture
def connect():
    """Connects to a program; closed after the test."""
    sockets = []

    def make(program):
        address = program.addresses[0]
        sockets.append(socket.create_connection((address.host, address.port), timeout=30))
        return sockets[-1]

    yield make
    for sock in sockets:
        sock.close()


def receive_all(sock: socket.socket) -> bytes:
    """Reads to the end of the stream."""
    pieces = []
    while piece := sock.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def test_the_echo(start, connect) -> None:
    peer = connect(start("tutorial/step1_echo"))
    peer.sendall(b"hello")
    assert peer.recv(100) == b"hello"
    peer.shutdown(socket.SHUT_WR)
    assert receive_all(peer) == b""


@pytest.mark.parametrize("step", STEPS)
def test_the_commands(running, connect, step: str) -> None:
    peer = connect(running(step))
    peer.sendall(b"upper gr\xc3\xbc\xc3\x9fe\ncount 3\nwhat\nupper half")
    expected = b"GR\xc3\xbc\xc3\x9fE\n1\n2\n3\nerror: upper TEXT, count N or quit\n"
    received = b""
    while len(received) < len(expected):
        received += peer.recv(4096)
    assert received == expected
    peer.sendall(b" a line\nquit\nupper never\n")
    assert receive_all(peer) == b"HALF A LINE\n"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("rest", [b"\nupper never\n", b""], ids=["with an end", "without an end"])
def test_a_line_that_is_too_long(running, connect, step: str, rest: bytes) -> None:
    peer = connect(running(step))
    peer.sendall(b"x" * 2000 + rest)
    assert b"NEVER" not in receive_all(peer)  # which returns when the server closes: at once


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_long_answer_to_a_slow_reader(running, connect, step: str) -> None:
    peer = connect(running(step))
    peer.sendall(b"count %d\nupper done\nquit\n" % MANY)
    assert receive_all(peer) == ANSWER + b"DONE\n"


def test_deadlines(start, connect) -> None:
    program = start("tutorial/step4_deadlines", "1")
    silent, stuck = connect(program), connect(program)
    stuck.sendall(b"count 100000000\n")
    assert receive_all(silent) == b"error: no command for 1 s\n"
    with pytest.raises(ConnectionError):  # reading it would be taking the answer
        while True:
            stuck.send(bytes(65536))


@pytest.mark.wine("no Ctrl+Break without a console")
def test_a_stop_waits_for_an_answer(start, connect, ask_to_stop) -> None:
    program = start("tutorial/step5_graceful_stop")
    idle, busy = connect(program), connect(program)
    busy.sendall(b"count 1000000\n")
    busy.recv(10, socket.MSG_PEEK)
    assert ask_to_stop(program.process)
    assert receive_all(idle) == b""
    assert receive_all(busy).endswith(b"\n999999\n1000000\n")
    assert program.process.stdout.readline() == "all answers are complete\n"
    program.process.wait(30)
