"""Sockets that are handed over, and those that are refused and stay the caller's as they were."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from netcore import (
    Client,
    Engine,
    EngineNotRunningError,
    GivenListener,
    InvalidAddressError,
    UnsupportedOperationError,
)
from netcore.eventloop import enroller
from netcore.poll import open_poller
from netcore.testing import RecordingHandler


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    far.settimeout(30)
    near.settimeout(20)
    near.set_inheritable(True)
    with near, far:
        yield near, far


def is_as_it_was(near, far):
    assert near.fileno() >= 0
    assert near.gettimeout() == 20
    assert near.get_inheritable()
    near.sendall(b"still mine")
    assert far.recv(20) == b"still mine"
    far.sendall(b"and yours")
    assert near.recv(20) == b"and yours"


class Encrypts(socket.socket):
    def send(self, data, flags=0):
        return super().send(bytes(byte ^ 1 for byte in data), flags)


class OnlyReads(socket.socket):
    def recv_into(self, buffer, nbytes=0, flags=0):
        return super().recv_into(buffer, nbytes, flags)


class Named(socket.socket):
    """Has nothing to do with bytes."""

    name = "n"


def remade(near, kind):
    made = kind(near.family, near.type, near.proto, near.detach())
    made.settimeout(20)
    return made


@pytest.mark.parametrize("kind", [Encrypts, OnlyReads])
@pytest.mark.parametrize("whose", ["client", "engine", "loop"])
def test_a_layer_above_the_descriptor_is_refused(pair, kind, whose):
    near, _ = pair
    with Client(RecordingHandler()) as client, remade(near, kind) as layered:
        takers = {"client": client, "engine": client.engine, "loop": client.engine.loops[0]}
        with pytest.raises(UnsupportedOperationError, match=kind.__name__):
            takers[whose].enroll(layered)
        assert layered.gettimeout() == 20
        assert layered.get_inheritable()
        assert client.engine.metrics().enrolled == 0


def test_tls_is_refused(pair):
    near, _ = pair
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    tls = context.wrap_socket(near, do_handshake_on_connect=False)
    with tls, Client(RecordingHandler()) as client:
        with pytest.raises(UnsupportedOperationError, match=r"SSLSocket.* as TLS does"):
            client.enroll(tls)
        assert tls.fileno() >= 0
        assert tls.gettimeout() == 20
        with pytest.raises(InvalidAddressError):
            GivenListener(tls)


def test_a_subclass_that_leaves_the_bytes_alone_is_taken(pair):
    near, far = pair
    with Client(RecordingHandler()) as client:
        client.enroll(remade(near, Named)).async_write(b"taken")
        assert far.recv(9) == b"taken"


def test_a_patched_object_is_refused(pair):
    near, _ = pair
    with Client(RecordingHandler()) as client, remade(near, Named) as patched:
        patched.send = len
        with pytest.raises(UnsupportedOperationError):
            client.enroll(patched)


def test_a_socket_with_a_file_that_may_have_read_ahead_is_refused(pair):
    near, far = pair
    with Client(RecordingHandler()) as client:
        with near.makefile("rb"), pytest.raises(UnsupportedOperationError, match="makefile"):
            client.enroll(near)
        is_as_it_was(near, far)
        client.enroll(near).async_write(b"closed by now")
        assert far.recv(20) == b"closed by now"


@pytest.mark.parametrize(
    ("thing", "error"),
    [
        (5, TypeError),
        (None, TypeError),
        ("tcp://127.0.0.1:1", TypeError),
        (open(os.devnull, "rb"), UnsupportedOperationError),  # noqa: SIM115
    ],
)
def test_what_is_no_socket_is_refused(thing, error):
    with Client(RecordingHandler()) as client, pytest.raises(error, match=r"socket\.socket itself"):
        client.enroll(thing)


def test_sockets_of_other_kinds_stay_as_they_were():
    made = [socket.socket(), socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)]
    with Client(RecordingHandler()) as client:
        for sock in made:
            with sock:
                sock.settimeout(20)
                sock.set_inheritable(True)
                with pytest.raises(OSError):
                    client.enroll(sock)
                assert sock.fileno() >= 0
                assert sock.gettimeout() == 20
                assert sock.get_inheritable()


class Refuses:
    """A poller that takes nothing."""

    def __init__(self):
        self._poller = open_poller()
        self.name = "refuses"
        self.supports_edge = False

    def register(self, fd, interest):
        raise OSError(errno.ENOSPC, "no more watches")

    def __getattr__(self, name):
        return getattr(self._poller, name)


def test_a_poller_that_refuses_leaves_the_socket_as_it_was(pair, open_descriptors):
    near, far = pair
    with Client(RecordingHandler(), poller=Refuses, max_connections=1) as client:
        before = len(open_descriptors())
        for _ in range(3):
            with pytest.raises(OSError, match="no more watches"):
                client.enroll(near)
            is_as_it_was(near, far)
        assert len(open_descriptors()) == before
        assert client.engine.connection_count == 0
        assert client.engine.metrics().enrolled == 0


def test_a_datagram_socket_is_given_back_too():
    with socket.socket(type=socket.SOCK_DGRAM) as peer, socket.socket(type=socket.SOCK_DGRAM) as sock:
        peer.bind(("127.0.0.1", 0))
        sock.connect(peer.getsockname())
        sock.settimeout(20)
        with Client(RecordingHandler(), poller=Refuses) as client, pytest.raises(OSError, match="watches"):
            client.enroll(sock)
        assert sock.gettimeout() == 20
        sock.send(b"still mine")
        assert peer.recv(20) == b"still mine"


def test_who_enrolls_is_told_though_the_socket_cannot_be_given_back(pair, monkeypatch, open_descriptors):
    def fails(given, fd):
        socket.close(fd)
        raise MemoryError

    monkeypatch.setattr(enroller, "_give_back", fails)
    with Client(RecordingHandler(), poller=Refuses) as client:
        with pytest.raises(OSError, match="no more watches"):
            client.engine.enroll(pair[0]).result(30)
        assert client.engine.running


def test_a_loop_that_has_ended_leaves_the_socket_as_it_was(pair):
    near, far = pair
    with Engine(RecordingHandler(), "tcp://127.0.0.1:0") as engine:
        loop = engine.loops[0]
    with pytest.raises(EngineNotRunningError):
        engine.enroll(near)
    with pytest.raises(EngineNotRunningError):
        loop.enroll(near).result(30)
    is_as_it_was(near, far)


def test_a_loop_that_stops_meanwhile_gives_the_socket_back(pair, world):
    near, far = pair
    w = world()
    future = w.loop.enroll(near)
    assert near.fileno() < 0
    w.loop.stop(0)
    w.turns(2)
    assert isinstance(future.exception(0), EngineNotRunningError)
    is_as_it_was(near, far)
