"""Names as the kernel has them: mapped addresses, zones, and Unix sockets of every kind, from end to end."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from netcore import Address, Client, Engine, InvalidAddressError
from netcore._platform import FACTS
from netcore.testing import RecordingHandler

needs_abstract_names = pytest.mark.skipif(not FACTS.abstract_names, reason="needs abstract names")


def echo():
    return RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)


@pytest.mark.parametrize("network", ["tcp", "tcp6", "udp", "udp6"])
def test_an_ipv4_mapped_address_is_served_and_dialled(serve, network):
    engine = serve(echo(), f"{network}://[::ffff:127.0.0.1]:0")
    port = engine.addresses[0].port
    answers = RecordingHandler()
    with Client(answers) as client:
        for target in (engine.addresses[0], f"{network[:3]}://127.0.0.1:{port}"):
            before = answers.names().count("on_traffic")
            conn = client.dial(target, timeout=30)
            assert (conn.remote_address.host, conn.local_address.host) == ("127.0.0.1", "127.0.0.1")
            conn.async_write(b"hello")
            answers.wait_for("on_traffic", before + 1)
    assert answers.received() == b"hello" * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]"])
def test_send_to_an_ipv4_mapped_address(serve, host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        target = Address.parse(f"udp://[::ffff:127.0.0.1]:{receiver.getsockname()[1]}")
        engine = serve(
            RecordingHandler(on_traffic=lambda conn: conn.send_to(conn.read(), target) and None),
            f"udp://{host}:0",
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"pass it on", ("127.0.0.1", engine.addresses[0].port))
            assert receiver.recv(100) == b"pass it on"


@pytest.mark.parametrize("network", ["tcp", "udp"])
def test_a_zone_that_there_is_not_is_an_oserror_that_says_so(network):
    address = f"{network}://[fe80::1%no-such-if0]:9"
    with Client(RecordingHandler()) as client, pytest.raises(OSError, match="no interface 'no-such-if0'"):
        client.dial(address, timeout=30)
    engine = Engine(RecordingHandler(), address)
    with pytest.raises(OSError, match="no interface 'no-such-if0'"):
        engine.start()


@pytest.mark.unix_sockets
@pytest.mark.parametrize("kind", ["missing", "there", "abstract"])
def test_a_path_that_is_too_long_says_so(tmp_path, kind):
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    path = directory / "s"
    if kind == "there":
        path.touch()
    address = f"unix://{path}" if kind != "abstract" else f"unix://@{'a' * 200}"
    if kind == "abstract" and not FACTS.abstract_names:
        pytest.skip("needs abstract names")
    engine = Engine(RecordingHandler(), address)
    with pytest.raises(OSError) as caught:
        engine.start()
    assert (caught.value.errno, address in str(caught.value)) == (errno.ENAMETOOLONG, True)
    with Client(RecordingHandler()) as client, pytest.raises(OSError) as caught:
        client.dial(address, timeout=30)
    assert (caught.value.errno, address in str(caught.value)) == (errno.ENAMETOOLONG, True)


@pytest.mark.unix_sockets
def test_nobody_listens_on_a_socket_without_a_name_or_dials_it():
    for unnamed in ("unix://%00", Address("unix")):
        with Client(RecordingHandler()) as client, pytest.raises(InvalidAddressError):
            client.dial(unnamed, timeout=30)
        with pytest.raises(InvalidAddressError):
            Engine(RecordingHandler(), unnamed).start()


@needs_abstract_names
@pytest.mark.parametrize("name", [b"\0", b"a\0b\0", b"%00\0", b"\xff\xfe", b"two\nlines", b"n" * 80])
def test_peers_with_names_of_every_kind(serve, name):
    own = os.fsdecode(b"@netcore." + str(os.getpid()).encode() + name)
    engine = serve(echo(), Address("unix", path=own))
    assert engine.addresses == (Address("unix", path=own),)
    with Client(RecordingHandler()) as client:
        conn = client.dial(str(engine.addresses[0]), timeout=30)
        assert conn.remote_address == engine.addresses[0]
        assert Address.parse(str(conn.local_address)) == conn.local_address
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.bind(b"\0netcore.peer." + str(os.getpid()).encode() + name)
        sock.connect(b"\0" + os.fsencode(own)[1:])
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        (peer,) = [c for c in engine.connections() if c.remote_address.path]
        assert os.fsencode(peer.remote_address.path)[1:] == sock.getsockname()[1:]
        assert Address.parse(str(peer.remote_address)) == peer.remote_address


@pytest.mark.unix_sockets
def test_a_peer_that_is_bound_to_a_file(serve, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = serve(echo(), "unix://server.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.bind("@file")
        sock.connect("server.sock")
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        (peer,) = engine.connections()
        assert peer.remote_address == Address("unix", path="./@file")
