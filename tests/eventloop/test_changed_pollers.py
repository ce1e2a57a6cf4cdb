"""Which half serves a loop whose poller is one of netcore's, changed in some way."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from netcore._native import COLD, MISSING
from netcore.eventloop.half import Half
from netcore.eventloop.halves import half_for
from netcore.poll import open_poller
from netcore.sockets import open_sockets

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(bool(MISSING) or bool(COLD), reason="there is no hot half"),
]


class Wrapper:
    """Passes everything on."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


@pytest.fixture
def kind() -> Any:
    with contextlib.closing(open_poller()) as poller:
        if not hasattr(poller, "hot_wait"):
            pytest.skip(f"the poller {poller.name} is not in C")
        return type(poller)


def is_hot(poller: Any) -> bool:
    with contextlib.closing(poller):
        return type(half_for(poller, open_sockets(65536, poller), debug=False)) is not Half


def test_who_leaves_waiting_alone_keeps_the_fast_way(kind: Any) -> None:
    assert is_hot(kind())
    assert is_hot(type("Counting", (kind,), {"register": kind.register})())


def test_who_waits_in_another_way_is_asked_to(kind: Any) -> None:
    assert not is_hot(type("Waiting", (kind,), {"wait": kind.wait})())
    assert not is_hot(Wrapper(kind()))


def test_what_is_overridden_is_called(kind: Any, serve: Any, dial: Any, receive: Any) -> None:
    import netcore

    seen = []

    class Counting(kind):  # type: ignore[misc]
        def register(self, fd: int, interest: int) -> None:
            super().register(fd, interest)
            seen.append(fd)

    class Echo(netcore.EventHandler):
        def on_traffic(self, conn: netcore.Conn) -> None:
            conn.write(conn.read())

    engine = serve(Echo(), poller=Counting)
    sock = dial(engine)
    sock.sendall(b"x")
    assert receive(sock, 1) == b"x"
    (conn,) = engine.connections()
    assert conn.fd in seen
