"""Sockets that an engine is given and cannot serve, or not yet: they stay the caller's, as they were."""

from __future__ import annotations

import errno
import os
import socket
import sys

import pytest

from netcore import Engine, EventHandler, GivenListener, InvalidAddressError, UnsupportedOperationError
from netcore._platform import FACTS, is_blocking
from netcore.testing import RecordingHandler

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such sockets")


def echo(conn):
    conn.write(conn.read())


def bound(family, name):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(name)
    return sock


def connected(path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return socket.create_connection(listener.getsockname())


def connected_datagrams(path):
    sock = bound(socket.AF_INET, ("127.0.0.1", 0))
    sock.connect(("127.0.0.1", 9))
    return sock


UNIX = pytest.mark.unix_sockets
MISFITS = [
    pytest.param(lambda path: socket.socket(), "does not listen", id="silent"),
    pytest.param(connected, "does not listen", id="connected"),
    pytest.param(connected_datagrams, "connected to one peer", id="connected datagrams"),
    pytest.param(
        lambda path: bound(socket.AF_UNIX, path), "AF_UNIX SOCK_DGRAM", id="unix datagrams", marks=UNIX
    ),
    pytest.param(
        lambda path: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "not bound",
        id="unbound",
        marks=pytest.mark.posix,  # Windows refuses to say where it is
    ),
    pytest.param(
        lambda path: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "AF_NETLINK SOCK_RAW",
        id="netlink",
        marks=LINUX,
    ),
    pytest.param(
        lambda path: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET),
        "AF_UNIX SOCK_SEQPACKET",
        id="packets",
        marks=LINUX,
    ),
]


@pytest.mark.parametrize(("make_one", "complaint"), MISFITS)
@pytest.mark.parametrize("blocking", [True, False])
def test_what_cannot_be_served_stays_as_it_is(tmp_path, make_one, complaint, blocking, open_descriptors):
    with make_one(str(tmp_path / "x.sock")) as sock:
        sock.setblocking(blocking)
        before = open_descriptors()
        engine = Engine(EventHandler(), "tcp://127.0.0.1:0", GivenListener(sock.fileno(), unlink=True))
        with pytest.raises((OSError, UnsupportedOperationError), match=complaint) as caught:
            engine.start()
        assert f"fd://{sock.fileno()}" in str(caught.value)
        assert open_descriptors() == before
        assert is_blocking(sock.fileno()) == (blocking or FACTS.sockets_are_handles)
        assert not engine.running


@pytest.mark.posix
def test_what_is_no_socket_stays_as_it_is(tmp_path):
    ends = os.pipe()
    with open(tmp_path / "file", "w") as file:
        for fd in (*ends, file.fileno()):
            with pytest.raises(OSError, match=f"fd://{fd}") as caught:
                Engine(EventHandler(), f"fd://{fd}").start()
            assert caught.value.errno == errno.ENOTSOCK
            assert os.get_blocking(fd)
    for fd in ends:
        os.close(fd)
    for fd in (ends[0], (1 << 31) - 1):
        with pytest.raises(OSError, match=f"fd://{fd}") as caught:
            Engine(EventHandler(), "tcp://127.0.0.1:0", f"fd://{fd}").start()
        assert caught.value.errno == errno.EBADF, "it is what the engine has opened itself"


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("timeout", [None, 30])  # in Python one sets O_NONBLOCK on whatever becomes an object
@pytest.mark.parametrize("reason", ["address", "on_boot"])
def test_a_start_that_fails_leaves_the_socket_to_the_caller(
    serve, dial, blocking, timeout, reason, open_descriptors
):
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(blocking)
    taken = socket.create_server(("127.0.0.1", 0))  # no engine: its loop may open a descriptor at any moment
    busy = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    before = open_descriptors()
    handler = RecordingHandler(on_boot=lambda engine: 1 / 0)
    socket.setdefaulttimeout(timeout)
    try:
        engine = Engine(handler, f"fd://{sock.fileno()}", *[busy] * (reason == "address"))
        with pytest.raises((OSError, ZeroDivisionError)):
            engine.start()
    finally:
        socket.setdefaulttimeout(None)
    assert engine.stop(30)
    assert open_descriptors() == before
    assert is_blocking(sock.fileno()) == (blocking or FACTS.sockets_are_handles)
    with socket.create_connection(sock.getsockname()):
        sock.settimeout(30)
        sock.accept()[0].close()
    taken.close()
    served = serve(RecordingHandler(on_traffic=echo), GivenListener(sock.detach()))
    dial(served).sendall(b"x")


def test_a_descriptor_may_be_given_once():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        fd = sock.fileno()
        with pytest.raises(InvalidAddressError, match=f"'fd://{fd}' is given twice"):
            Engine(EventHandler(), f"fd://{fd}", GivenListener(fd, unlink=True))


@pytest.mark.parametrize("fd", [-1, 1 << 31, "3", None, True, 3.0])
def test_what_is_no_descriptor_is_refused(fd):
    with pytest.raises(InvalidAddressError, match="no descriptor"):
        GivenListener(fd)
