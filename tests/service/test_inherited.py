"""The sockets that a service manager passes, by number and by name; see sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket

import pytest

from netcore import Address, Engine, EventHandler, InvalidAddressError, UnsupportedProtocolError
from netcore.service import passed as passing_on


@pytest.fixture
def passed(monkeypatch):
    """Passes listeners under names, as if they had come first: ``passed("web", "admin")`` returns them."""
    sockets = []

    def hand_over(*names, pid=None, count=None):
        sockets.extend(socket.create_server(("127.0.0.1", 0)) for _ in names)
        # The numbers follow one another nowhere but in a new process, so each has a name of its own between.
        first = min(sock.fileno() for sock in sockets)
        listed = [""] * (max(sock.fileno() for sock in sockets) - first + 1)
        for name, sock in zip(names, sockets, strict=True):
            listed[sock.fileno() - first] = name
        monkeypatch.setattr(passing_on, "_FIRST", first)
        monkeypatch.setattr(passing_on, "_claimed", set())
        monkeypatch.setenv("LISTEN_PID", str(pid or os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", str(len(listed)) if count is None else count)
        monkeypatch.setenv("LISTEN_FDNAMES", ":".join(listed))
        return sockets

    yield hand_over
    for sock in sockets:
        sock.close()


def test_a_name_stands_for_its_descriptor(serve, passed):
    web, admin = passed("web", "admin")
    names = [sock.getsockname() for sock in (admin, web)]
    engine = serve(EventHandler(), "fd://admin", "fd://web")
    assert engine.addresses == tuple(Address("tcp", *name) for name in names)
    with socket.socket(fileno=engine.dup_listener("fd://web")) as copy:
        assert copy.getsockname() == names[1]
    for sock in (web, admin):
        sock.detach()


def test_a_name_of_several_stands_for_all(serve, passed):
    sockets = passed("web", "admin", "web")
    ports = [sock.getsockname()[1] for sock in sockets]
    engine = serve(EventHandler(), "fd://web")
    assert [address.port for address in engine.addresses] == [ports[0], ports[2]]
    sockets[0].detach()
    sockets[2].detach()


def test_by_name_and_by_number_is_twice(passed):
    (web,) = passed("web")
    with pytest.raises(InvalidAddressError, match="given twice"):
        Engine(EventHandler(), "fd://web", f"fd://{web.fileno()}")
    with pytest.raises(InvalidAddressError, match="given twice"):
        Engine(EventHandler(), "fd://web", f"tls+fd://{web.fileno()}")


@pytest.mark.parametrize(
    ("address", "passing", "complaint"),
    [
        ("fd://web", {"pid": 1}, "no sockets were passed to this process"),
        ("fd://other", {}, "named 'web'"),
        ("fd://web", {"count": "0"}, "no sockets were passed"),
        ("fd://web", {"count": ""}, "no sockets were passed"),
        ("fd://web", {"count": "many"}, "no sockets were passed"),
        ("fd://web", {"count": "-1"}, "no sockets were passed"),
    ],
)
def test_a_name_that_nobody_has_is_refused(passed, address, passing, complaint):
    passed("web", **passing)
    with pytest.raises(UnsupportedProtocolError, match=f"'{address}' cannot be served: .*{complaint}"):
        Engine(EventHandler(), address)


def test_without_a_service_manager_there_are_no_names(monkeypatch):
    monkeypatch.delenv("LISTEN_PID", raising=False)
    with pytest.raises(UnsupportedProtocolError, match="no sockets were passed"):
        Engine(EventHandler(), "fd://web")


def test_an_address_is_served_on_the_socket_that_is_bound_there(serve, passed):
    """It could not be bound twice."""
    (web,) = passed("web")
    address = "tcp://{}:{}".format(*web.getsockname())
    inode = os.fstat(web.fileno()).st_ino
    engine = serve(EventHandler(), address)
    web.detach()
    assert engine.addresses == (Address.parse(address),)
    with socket.socket(fileno=engine.dup_listener(address)) as copy:
        assert os.fstat(copy.fileno()).st_ino == inode


def test_a_socket_is_passed_once(serve, passed):
    (web,) = passed("web")
    serve(EventHandler(), "fd://web").stop()
    web.detach()
    with pytest.raises(UnsupportedProtocolError, match="no sockets were passed"):
        Engine(EventHandler(), "fd://web")


def test_by_address_and_by_name_is_twice(passed):
    (web,) = passed("web")
    with pytest.raises(InvalidAddressError, match="given twice"):
        Engine(EventHandler(), "fd://web", "tcp://{}:{}".format(*web.getsockname()))
