"""Addresses as the kernel sees them: both families on one port, and socket files that others may own."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

import pytest

from netcore import Engine, EventHandler
from netcore._platform import FACTS
from netcore.address import Address
from netcore.engine.binding import closed_on_error
from netcore.testing import RecordingHandler

UNIX = pytest.mark.skipif(not FACTS.unix_sockets, reason="this platform has no Unix sockets")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def port_of_both_families():
    """A port that nobody has, neither of IPv4 nor of IPv6: the system picks it for one of them alone."""
    while True:
        with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("", 0))
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with suppress(OSError):
                six.bind(("::", four.getsockname()[1]))
                return four.getsockname()[1]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_both_families_listed_share_a_port(serve, receive):
    """Each is told apart by its own listener, since that of IPv6 leaves IPv4 alone (IPV6_V6ONLY)."""
    port = port_of_both_families()
    handler = RecordingHandler(on_open=lambda conn: conn.write(str(conn.local_address).encode()) and None)
    engine = serve(handler, f"tcp4://127.0.0.1:{port}", f"tcp6://[::1]:{port}")
    assert [str(address) for address in engine.addresses] == [
        f"tcp4://127.0.0.1:{port}",
        f"tcp6://[::1]:{port}",
    ]
    for host, shown in (("127.0.0.1", f"tcp://127.0.0.1:{port}"), ("::1", f"tcp://[::1]:{port}")):
        with socket.create_connection((host, port), timeout=30) as sock:
            assert receive(sock, len(shown)) == shown.encode()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_every_interface_of_both_families_may_be_listed_too(serve):
    port = port_of_both_families()
    serve(EventHandler(), f"tcp4://:{port}")
    serve(EventHandler(), f"tcp6://:{port}")
    with pytest.raises(OSError, match=str(port)):
        Engine(EventHandler(), f"tcp://:{port}", reuse_addr=False).start()


@UNIX
def test_a_live_listeners_file_is_left_alone(serve, dial, receive, tmp_path):
    path = tmp_path / "x.sock"
    first = serve(RecordingHandler(on_open=lambda conn: conn.write(b"first") and None), f"unix://{path}")
    with pytest.raises(OSError, match="in use"):
        Engine(EventHandler(), f"unix://{path}").start()
    assert receive(dial(first), 5) == b"first"


@UNIX
def test_a_live_listener_with_a_full_backlog_is_alive_too(tmp_path):
    path = str(tmp_path / "x.sock")
    waiting = []
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            waiting.append(sock)
            if sock.connect_ex(path):
                break
        with pytest.raises(OSError, match="in use"):
            Engine(EventHandler(), f"unix://{path}").start()
        assert os.path.exists(path)
    for sock in waiting:
        sock.close()


@UNIX
@pytest.mark.parametrize("what", ["file", "directory", "link", "fifo", "datagram"])
def test_what_stands_in_the_way_is_left_alone(tmp_path, what):
    path = tmp_path / "x"
    keep = None
    if what == "file":
        path.write_text("precious")
    elif what == "directory":
        path.mkdir()
    elif what == "link":
        path.symlink_to(tmp_path / "nowhere")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        keep = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        keep.bind(str(path))
    before = os.lstat(path)
    with pytest.raises(OSError):
        Engine(EventHandler(), f"unix://{path}").start()
    assert os.lstat(path).st_ino == before.st_ino
    if keep is not None:
        keep.close()


@UNIX
def test_a_file_that_replaces_ours_stays(serve, tmp_path):
    path = tmp_path / "x.sock"
    engine = serve(EventHandler(), f"unix://{path}")
    os.unlink(path)
    path.write_text("somebody else's")
    engine.stop()
    assert path.read_text() == "somebody else's"


@UNIX
def test_a_file_that_replaces_a_dead_one_in_the_very_moment_stays(tmp_path, monkeypatch):
    """Between the look whether anybody listens and the unlink another server may have come."""
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    successor = socket.socket(socket.AF_UNIX)
    connect_ex = socket.socket.connect_ex

    def slow_look(self, address):
        code = connect_ex(self, address)
        os.rename(path, f"{path}.old")
        successor.bind(path)
        successor.listen()
        return code

    monkeypatch.setattr(socket.socket, "connect_ex", slow_look)
    with successor:
        with pytest.raises(OSError, match="in use"):
            Engine(EventHandler(), f"unix://{path}").start()
        monkeypatch.undo()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


@pytest.mark.skipif(not FACTS.abstract_names, reason="only Linux has abstract names")
def test_an_abstract_name_leaves_no_file_and_is_free_again(serve, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = f"unix://@netcore-listening-{os.getpid()}"
    for _ in range(2):
        engine = serve(EventHandler(), address)
        assert str(engine.addresses[0]) == address
        with pytest.raises(OSError, match="in use"):
            Engine(EventHandler(), address).start()
        engine.stop()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://127.0.0.1:80", r"\(tcp://127.0.0.1:80\): ports below 1024 take a privilege"),
        ("tcp://127.0.0.1:8080", r"\(tcp://127.0.0.1:8080\)$"),
    ],
)
def test_a_port_that_takes_a_privilege(address, said):
    # Tests often run as root, who is refused nothing.
    denied = PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(PermissionError, match=said), closed_on_error(socket.socket(), Address.parse(address)):
        raise denied
