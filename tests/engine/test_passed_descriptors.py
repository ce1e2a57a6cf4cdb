"""A Unix peer that passes descriptors along with its bytes, which nobody here asks for."""

from __future__ import annotations

import os
import socket

import pytest

from netcore import Client, Engine, GivenListener
from netcore._platform import SO_PASSRIGHTS, pack_linger
from netcore.testing import RecordingHandler

pytestmark = [pytest.mark.posix, pytest.mark.unix_sockets]


def _forbids() -> bool:
    if SO_PASSRIGHTS is None:
        return False
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
        except OSError:
            return False
    return True


forbids = pytest.mark.skipif(not _forbids(), reason="this kernel lets every peer pass descriptors")


def pass_one(sock):
    with open(os.devnull, "rb") as file:
        socket.send_fds(sock, [b"x"], [file.fileno()])


def echo():
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)


def refuses(sock, before, open_descriptors):
    with pytest.raises(PermissionError):
        pass_one(sock)
    sock.sendall(b"bytes")
    assert sock.recv(9) == b"bytes"
    assert open_descriptors() == before


@forbids
@pytest.mark.parametrize("name", ["path", "abstract", "given", "given with a backlog"])
def test_a_server_refuses_them(tmp_path, dial, open_descriptors, name):
    source = "unix://@netcore-passed" if name == "abstract" else f"unix://{tmp_path}/s"
    early = None
    if name.startswith("given"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        if "backlog" in name:
            early = socket.socket(socket.AF_UNIX)
            early.settimeout(30)
            early.connect(f"{tmp_path}/s")
        source = GivenListener(listener.detach())
    with Engine(echo(), source) as engine:
        sock = early or dial(engine)
        sock.sendall(b"hello")
        assert sock.recv(9) == b"hello"
        refuses(sock, open_descriptors(), open_descriptors)
        sock.close()


@forbids
def test_a_client_refuses_them(tmp_path, open_descriptors):
    with socket.socket(socket.AF_UNIX) as listener, Client(echo()) as client:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        client.dial(f"unix://{tmp_path}/s")
        with listener.accept()[0] as sock:
            sock.settimeout(30)
            refuses(sock, open_descriptors(), open_descriptors)


@forbids
def test_an_enrolled_socket_refuses_them(open_descriptors):
    near, far = socket.socketpair()
    with far, Client(echo()) as client:
        client.enroll(near)
        far.settimeout(30)
        refuses(far, open_descriptors(), open_descriptors)


@forbids
@pytest.mark.parametrize("edge", [False, True], ids=["level", "edge"])
def test_what_was_passed_before_is_closed_without_waiting(open_descriptors, receive, edge):
    """The passed socket would linger for a minute when it is closed, on the loop's thread."""
    if edge and os.environ.get("NETCORE_POLLER") == "select":
        pytest.skip("the poller select has no edges")
    server = socket.create_server(("127.0.0.1", 0))
    lingering = socket.create_connection(server.getsockname())
    reader, _ = server.accept()
    lingering.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            lingering.send(bytes(1 << 16))
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(60))
    near, far = socket.socketpair()
    far.settimeout(30)
    handler = echo()
    with server, reader, far, Client(handler, edge_triggered=edge) as client:
        far.sendall(b"one ")
        socket.send_fds(far, [b"two "], [lingering.fileno()])
        lingering.close()
        far.sendall(b"three")
        client.enroll(near).async_write(b"!")
        assert sorted(receive(far, 14)) == sorted(b"one two three!")
        far.sendall(b" four")
        assert receive(far, 5) == b" four"
        assert client.engine.metrics().bytes_received == 18
