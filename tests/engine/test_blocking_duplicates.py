"""Duplicates that somebody makes blocking, although O_NONBLOCK is common to all of them (fcntl(2))."""

from __future__ import annotations

import socket

import pytest

from netcore import Engine
from netcore.testing import RecordingHandler

pytestmark = pytest.mark.posix


def answer(conn):
    conn.write({b"big": bytes(30 << 20)}.get(conn.read(), b"pong"))


@pytest.fixture
def engine():
    with Engine(RecordingHandler(on_traffic=answer), "tcp://127.0.0.1:0", "udp://127.0.0.1:0") as engine:
        yield engine


@pytest.fixture
def make_blocking():
    kept = []

    def take(fd):
        kept.append(socket.socket(fileno=fd))
        kept[-1].setblocking(True)

    yield take
    for duplicate in kept:
        duplicate.close()


def serves(engine, dial):
    for _ in range(2):
        with dial(engine) as sock:
            sock.settimeout(10)
            sock.sendall(b"ping")
            assert sock.recv(9) == b"pong"


def test_a_listener(engine, dial, make_blocking):
    make_blocking(engine.dup_listener(engine.addresses[0]))
    serves(engine, dial)


@pytest.mark.parametrize("question", [b"ping", b"big"])
def test_a_connection(engine, dial, make_blocking, question):
    with dial(engine) as sock:
        sock.sendall(b"ping")
        assert sock.recv(9) == b"pong"
        make_blocking(engine.connections()[0].dup())
        sock.sendall(question)
        serves(engine, dial)


def test_datagrams(engine, dial, make_blocking):
    make_blocking(engine.dup_listener(engine.addresses[1]))
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", engine.addresses[1].port))
        for _ in range(2):
            sock.send(b"ping")
            assert sock.recv(9) == b"pong"
    serves(engine, dial)
