"""A poller that somebody has made from netcore's own: what it brings of its own is called."""

from __future__ import annotations

import pytest

from netcore import EventHandler
from netcore.poll import EpollPoller, why_unavailable

pytestmark = pytest.mark.skipif(bool(why_unavailable("epoll")), reason="what is inherited is epoll's")


class Echo(EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())


@pytest.mark.parametrize("methods", [("register",), ("unregister",), ("register", "unregister")])
def test_its_methods_are_called_for_each_connection(serve, dial, methods):
    calls = []

    def own(name):
        def method(self, fd, *rest):
            calls.append((name, fd))
            return getattr(EpollPoller, name)(self, fd, *rest)

        return method

    poller = type("Own", (EpollPoller,), {name: own(name) for name in methods})
    engine = serve(Echo(), poller=poller, num_event_loops=1)
    sock = dial(engine)
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    (conn,) = engine.loops[0].connections()
    fd = conn.fd
    sock.close()
    assert engine.stop(30)
    for name in methods:
        assert (name, fd) in calls
