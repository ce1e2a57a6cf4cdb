"""Files to and from connections, over the kernel."""

from __future__ import annotations

import hashlib
import os
import sys

import pytest

from netcore.sockets import files
from netcore.testing import RecordingHandler


@pytest.mark.parametrize("options", [{}, {"edge_triggered": True}], ids=["level", "edge"])
@pytest.mark.parametrize("system_call", [True, False], ids=["sendfile", "reading"])
@pytest.mark.parametrize("scheme", ["tcp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
def test_a_file_of_any_size_takes_no_memory(
    serve, dial, tmp_path, monkeypatch, scheme, system_call, options, tracemalloc
):
    if not system_call:
        monkeypatch.setattr(files, "SENDFILE", None)
    size = 40 << 20
    path = tmp_path / "large"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for i in range(40):
            file.write(bytes([i]) + block[1:])

    def on_traffic(conn):
        conn.read()
        conn.write(b"head")
        with path.open("rb") as file:
            conn.sendfile(file, 1)
        conn.write(b"tail")
        conn.close()

    handler = RecordingHandler(on_traffic=on_traffic)
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/x.sock"
    engine = serve(handler, address, max_outbound=1 << 20, high_water=1 << 18, low_water=0, **options)
    sock = dial(engine)
    tracemalloc.start()
    try:
        sock.sendall(b"go")
        digest, received = hashlib.blake2b(), 0
        while piece := sock.recv(1 << 18):
            digest.update(piece)
            received += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    expected = hashlib.blake2b(b"head")
    with path.open("rb") as file:
        file.read(1)
        while piece := file.read(1 << 20):
            expected.update(piece)
    expected.update(b"tail")
    assert received == size + 7
    assert digest.digest() == expected.digest()
    assert peak < 4 << 20
    assert handler.wait_for("on_close").detail is None


def test_a_peer_that_goes_while_a_file_is_sent(serve, dial, tmp_path, receive):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 1 << 30)

    def on_traffic(conn):
        with path.open("rb") as file:
            conn.sendfile(file)

    handler = RecordingHandler(on_traffic=on_traffic)
    sock = dial(serve(handler))
    handler.wait_for("on_open")  # the server's end counts too
    descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None
    sock.sendall(b"go")
    assert len(receive(sock, 100_000)) == 100_000
    sock.close()
    assert isinstance(handler.wait_for("on_close").detail, OSError)
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) <= descriptors - 2


def test_an_engine_that_stops_closes_the_files(serve, dial, tmp_path):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 1 << 30)

    def on_open(conn):
        with path.open("rb") as file:
            conn.sendfile(file)

    handler = RecordingHandler(on_open=on_open)
    engine = serve(handler, shutdown_timeout=0.05)
    dial(engine)
    handler.wait_for("on_open")
    assert engine.stop(30)
    assert isinstance(handler.wait_for("on_close").detail, TimeoutError)


def test_read_from_and_write_to_files(serve, dial, receive, tmp_path):
    content = os.urandom(700_000)
    (tmp_path / "in").write_bytes(content)

    def on_open(conn):
        conn.write(b"<")
        with (tmp_path / "in").open("rb") as file:
            file.seek(100_000)
            assert conn.read_from(file) == 600_000
        conn.write(b">")

    def on_traffic(conn):
        with (tmp_path / "out").open("ab") as file:
            here = conn.inbound_buffered
            assert conn.write_to(file) == here
            assert conn.inbound_buffered == 0

    handler = RecordingHandler(on_open=on_open, on_traffic=on_traffic)
    sock = dial(serve(handler))
    assert receive(sock, 600_002) == b"<" + content[100_000:] + b">"
    sock.sendall(content)
    sock.close()
    handler.wait_for("on_close")
    assert (tmp_path / "out").read_bytes() == content
