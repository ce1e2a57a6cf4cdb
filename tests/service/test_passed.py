"""Which descriptors are passed to this process, and which of them an address asks for."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys

import pytest

from netcore import Address
from netcore.service import VARIABLES, PassedSocket, claim, match, passed, passed_sockets, scrub

ME = str(os.getpid())


@pytest.fixture(autouse=True)
def _nothing_is_claimed(monkeypatch):
    """What other tests have taken over in this process is not to count here."""
    monkeypatch.setattr(passed, "_claimed", set())


@pytest.fixture
def opened():
    """Opens sockets as a service manager would: ``opened("tcp://127.0.0.1:0", ...)``."""
    with contextlib.ExitStack() as stack:

        def make(*addresses, listening=True):
            made = []
            for address in map(Address.parse, addresses):
                v6 = ":" in address.host
                family = (
                    socket.AF_UNIX if address.network == "unix" else (socket.AF_INET, socket.AF_INET6)[v6]
                )
                kind = socket.SOCK_DGRAM if address.is_datagram else socket.SOCK_STREAM
                sock = stack.enter_context(socket.socket(family, kind))
                if v6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.network.endswith("6"))
                path = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
                sock.bind(path or (address.host, address.port))
                if kind == socket.SOCK_STREAM and listening:
                    sock.listen()
                made.append(sock)
            return made

        yield make


def as_passed(sockets, *names):
    return [PassedSocket(sock.fileno(), name) for sock, name in zip(sockets, names or [""] * 9, strict=False)]


def found(address, sockets):
    """Returns which of the sockets an address asks for, by their place."""
    numbers = [sock.fileno() for sock in sockets]
    return [numbers.index(fd) for fd, _ in match(Address.parse(address), as_passed(sockets))]


def port_of(sock):
    return sock.getsockname()[1]


def test_number_and_names():
    environ = {"LISTEN_PID": ME, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "web::admin"}
    assert passed_sockets(environ) == [(3, "web"), (4, ""), (5, "admin")]
    environ["LISTEN_FDNAMES"] = "web"
    assert passed_sockets(environ) == [(3, "web"), (4, "unknown"), (5, "unknown")]
    del environ["LISTEN_FDNAMES"]
    assert [name for _, name in passed_sockets(environ)] == ["unknown"] * 3


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": ME},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        *({"LISTEN_PID": ME, "LISTEN_FDS": text} for text in ("", "0", "-1", "1.0", "one", "٣", " 1")),
    ],
)
def test_nothing_is_passed(environ):
    assert passed_sockets({"LISTEN_FDNAMES": "web", **environ}) == []


def test_a_number_without_end_is_bounded():
    assert len(passed_sockets({"LISTEN_PID": ME, "LISTEN_FDS": "9" * 100})) == 1 << 16


def test_what_is_claimed_is_passed_no_more():
    claim(4)
    environ = {"LISTEN_PID": ME, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c"}
    assert passed_sockets(environ) == [(3, "a"), (5, "c")]


def test_children_do_not_inherit_it(opened, monkeypatch):
    (sock,) = opened("tcp://127.0.0.1:0")
    sock.set_inheritable(True)
    monkeypatch.setattr(passed, "_FIRST", sock.fileno())
    passed_sockets({"LISTEN_PID": ME, "LISTEN_FDS": "1"})
    assert not sock.get_inheritable()


def test_scrub():
    environ = {"PATH": "/bin", **dict.fromkeys(VARIABLES, "1")}
    assert scrub(environ) == {"PATH": "/bin"}
    assert "NOTIFY_SOCKET" in environ
    said = subprocess.run(
        [sys.executable, "-c", "import os; print('NOTIFY_SOCKET' in os.environ)"],
        env=scrub({**os.environ, **environ, "PATH": os.environ.get("PATH", "")}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "False"


def test_by_number_and_by_name(opened):
    sockets = opened(*["tcp://127.0.0.1:0"] * 3)
    passed = as_passed(sockets, "web", "admin", "web")
    assert match(Address.parse("fd://web"), passed) == [passed[0], passed[2]]
    assert match(Address.parse("tls+fd://admin"), passed) == [passed[1]]
    assert match(Address.parse(f"fd://{passed[1].fd}"), passed) == [passed[1]]
    assert match(Address.parse("fd://other"), passed) == []


def test_by_the_address(opened):
    sockets = opened("tcp://127.0.0.1:0", "tcp://127.0.0.2:0", "udp://127.0.0.1:0")
    first, second, datagrams = map(port_of, sockets)
    assert found(f"tcp://127.0.0.1:{first}", sockets) == [0]
    assert found(f"tls://127.0.0.1:{first}", sockets) == [0]
    assert found(f"tcp4://127.0.0.1:{first}", sockets) == [0]
    assert found(f"tcp://[::ffff:127.0.0.1]:{first}", sockets) == [0]
    assert found(f"tcp://localhost:{first}", sockets) == [0]
    assert found(f"tcp://127.0.0.2:{second}", sockets) == [1]
    assert found(f"udp://127.0.0.1:{datagrams}", sockets) == [2]
    for other in (
        f"tcp://127.0.0.3:{first}",
        f"tcp://0.0.0.0:{first}",
        f"tcp://:{first}",
        f"tcp://no.such.host.invalid:{first}",
        f"udp://239.1.2.3:{datagrams}",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:1",
        "unix:///run/x.sock",
    ):
        assert found(other, sockets) == [], other
    assert port_of(sockets[0]) == first, "it is as open as it was"


def test_every_interface(opened):
    sockets = opened("tcp://0.0.0.0:0")
    port = port_of(sockets[0])
    assert found(f"tcp://0.0.0.0:{port}", sockets) == [0]
    assert found(f"tcp://:{port}", sockets) == [0]
    assert found(f"tcp4://:{port}", sockets) == [0]
    assert found(f"tcp6://:{port}", sockets) == []
    assert found(f"tcp://[::]:{port}", sockets) == []
    assert found(f"tcp://127.0.0.1:{port}", sockets) == []


def opened_alone(opened):
    """Opens a socket of each family at the same port, which the system picks for one of them alone."""
    while True:
        (six,) = opened("tcp6://[::]:0")
        try:
            return [six, *opened(f"tcp://0.0.0.0:{port_of(six)}")]
        except OSError as error:  # another program has it in the other one
            assert error.errno == errno.EADDRINUSE


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6")
def test_every_interface_of_both_families(opened):
    """``ListenStream=80`` makes a socket of both, two units may as well make one of each."""
    both = opened("tcp://[::]:0")
    port = port_of(both[0])
    for address in (f"tcp://:{port}", f"tcp://[::]:{port}", f"tcp6://:{port}", f"tls://:{port}"):
        assert found(address, both) == [0]
    for address in (f"tcp://0.0.0.0:{port}", f"tcp4://:{port}", f"tcp://[::1]:{port}"):
        assert found(address, both) == []
    alone = opened_alone(opened)
    assert found(f"tcp://:{port_of(alone[0])}", alone) == [0, 1]
    one = opened("tcp6://[::1]:0")
    assert found(f"tcp://[0::1]:{port_of(one[0])}", one) == [0]


@pytest.mark.unix_sockets
def test_unix_sockets(opened, tmp_path_factory):
    folder = tmp_path_factory.mktemp("u")
    (folder / "link").symlink_to(folder)
    sockets = opened(f"unix://{folder}/s", *([f"unix://@netcore-{ME}"] if sys.platform == "linux" else []))
    assert found(f"unix://{folder}/s", sockets) == [0]
    assert found(f"unix://{folder}/link/s", sockets) == [0]
    assert found(f"unix://{folder}/other", sockets) == []
    assert found("tcp://127.0.0.1:80", sockets) == []
    if sys.platform == "linux":
        assert found(f"unix://@netcore-{ME}", sockets) == [1]
        assert found(f"unix://@netcore-{ME}x", sockets) == []


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="there is no SO_REUSEPORT")
def test_several_at_one_place_are_all_meant():
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("127.0.0.1", port_of(one) if sock is other else 0))
            sock.listen()
        assert found(f"tcp://127.0.0.1:{port_of(one)}", [one, other]) == [0, 1]


def test_what_is_no_listener_is_none(opened):
    """With ``Accept=yes`` a connection is passed, whose address is its listener's."""
    (listener,) = opened("tcp://127.0.0.1:0")
    (bound,) = opened("tcp://127.0.0.1:0", listening=False)
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert found(f"tcp://127.0.0.1:{port_of(listener)}", [accepted, listener]) == [1]
    assert found(f"tcp://127.0.0.1:{port_of(bound)}", [bound]) == []


def test_what_is_no_socket_is_none(opened):
    (sock,) = opened("tcp://127.0.0.1:0")
    reading, writing = os.pipe()
    try:
        odd = [PassedSocket(fd, "pipe") for fd in (reading, writing, 1 << 20)]
        address = Address.parse(f"tcp://127.0.0.1:{port_of(sock)}")
        assert match(address, [*odd, *as_passed([sock])]) == as_passed([sock])
    finally:
        os.close(reading)
        os.close(writing)
