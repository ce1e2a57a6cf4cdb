"""Sockets that an engine is given: what it makes of each kind."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import pytest

from netcore import (
    Action,
    Address,
    Engine,
    EventHandler,
    GivenListener,
)
from netcore._platform import FACTS
from netcore.poll import Interest
from netcore.poll.select import SelectPoller
from netcore.testing import RecordingHandler


def echo(conn):
    conn.write(conn.read())


def listening(family, name):
    sock = socket.socket(family)
    sock.bind(name)
    sock.listen(16)
    return sock


def dual_stack():
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    sock.listen(16)
    return sock


def bound(family, name):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(name)
    return sock


KINDS = {
    "tcp": lambda path: listening(socket.AF_INET, ("127.0.0.1", 0)),
    "every interface": lambda path: listening(socket.AF_INET, ("0.0.0.0", 0)),
    "tcp6": lambda path: listening(socket.AF_INET6, ("::1", 0)),
    "dual": lambda path: dual_stack(),
    "unix": lambda path: listening(socket.AF_UNIX, path),
    "abstract": lambda path: listening(socket.AF_UNIX, f"\0netcore-given-{os.getpid()}"),
}
SHOWN = {
    "tcp": "tcp://127.0.0.1:{port}",
    "every interface": "tcp://0.0.0.0:{port}",
    "tcp6": "tcp://[::1]:{port}",
    "dual": "tcp://:{port}",
    "unix": "unix://{path}",
    "abstract": f"unix://@netcore-given-{os.getpid()}",
}


@pytest.fixture
def make(tmp_path):
    """Makes a listening socket of a kind, which the test is to give away or close."""
    made = []

    def open_one(kind):
        if kind in ("unix", "abstract") and not hasattr(socket, "AF_UNIX"):
            pytest.skip("this platform has no Unix sockets")
        if kind == "abstract" and not FACTS.abstract_names:
            pytest.skip("only Linux has abstract names")
        try:
            made.append(KINDS[kind](str(tmp_path / "x.sock")))
        except OSError:
            if kind in ("tcp6", "dual"):
                pytest.skip("this machine has no IPv6")
            raise
        return made[-1]

    yield open_one
    for sock in made:
        sock.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loops", [1, 3])
def test_each_kind_is_served(serve, make, receive, tmp_path, kind, loops):
    handler = RecordingHandler(on_traffic=echo)
    sock = make(kind)
    name, family = sock.getsockname(), sock.family
    fd = sock.detach()
    engine = serve(handler, f"fd://{fd}", num_event_loops=loops)
    shown = SHOWN[kind].format(port=name[1], path=tmp_path / "x.sock")
    assert [str(address) for address in engine.addresses] == [shown]
    reachable = {"dual": "::1", "every interface": "127.0.0.1"}
    for _ in range(2 * loops):
        with socket.socket(family) as client:
            client.settimeout(30)
            client.connect((reachable[kind], name[1]) if kind in reachable else name)
            client.sendall(b"given")
            assert receive(client, 5) == b"given"
    opened = [event.conn for event in handler.events if event.name == "on_open"]
    assert {conn.loop.index for conn in opened} == set(range(loops))
    local = {"dual": f"tcp://[::1]:{name[1]}", "every interface": f"tcp://127.0.0.1:{name[1]}"}
    assert {str(conn.local_address) for conn in opened} == {local.get(kind, shown)}
    for address in (None, f"fd://{fd}", shown, engine.addresses[0]):
        with socket.socket(fileno=engine.dup_listener(address)) as copy:
            assert copy.getsockname() == name
            assert not copy.get_inheritable()
    engine.stop()
    with socket.socket(family) as client:
        assert client.connect_ex((reachable[kind], name[1]) if kind in reachable else name)


def test_a_socket_of_ipv6_alone_is_no_address_of_both(serve, make):
    with suppress(OSError), socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert serve(EventHandler(), GivenListener(sock.detach())).addresses == (Address("tcp", "::", port),)


@pytest.mark.parametrize("loops", [1, 2])
def test_datagrams(serve, caplog, loops):
    sock = bound(socket.AF_INET, ("127.0.0.1", 0))
    name, fd = sock.getsockname(), sock.detach()
    engine = serve(RecordingHandler(on_traffic=echo), f"fd://{fd}", num_event_loops=loops)
    assert engine.addresses == (Address("udp", *name),)
    assert ("one loop serves all datagrams of udp://127.0.0.1" in caplog.text) == (loops > 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(30)
        peer.sendto(b"given", name)
        assert peer.recvfrom(100) == (b"given", name)
    for address in (f"fd://{fd}", engine.addresses[0]):
        with socket.socket(fileno=engine.dup_listener(address)) as copy:
            assert copy.getsockname() == name


def test_before_the_start_it_is_called_what_it_was_given_as(make):
    sock = make("tcp")
    engine = Engine(EventHandler(), GivenListener(sock.fileno()), "tcp://127.0.0.1:0")
    assert engine.addresses == (Address("fd", path=str(sock.fileno())), Address("tcp", "127.0.0.1", 0))


@pytest.mark.wine("keep-alive cannot be set")
def test_what_accepted_sockets_inherit_is_set_and_the_rest_left_alone(serve, make):
    sock = make("tcp")
    assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    reuse = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    options = {"tcp_keep_alive": 60.0, "bind_to_device": "no-such-device", "reuse_port": True}
    engine = serve(EventHandler(), GivenListener(sock.detach()), **options)
    with socket.socket(fileno=engine.dup_listener()) as copy:
        assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == reuse


def test_several_loops_that_each_want_a_listener_hear_that_there_is_one(serve, make, caplog):
    serve(EventHandler(), f"fd://{make('tcp').detach()}", num_event_loops=2, reuse_port=True)
    assert "one loop accepts for all on tcp://127.0.0.1" in caplog.text


def test_several_descriptors_of_one_socket_are_several_listeners(serve, make, dial):
    sock = make("tcp")
    copy = sock.dup()
    handler = RecordingHandler(on_traffic=echo)
    engine = serve(handler, f"fd://{sock.detach()}", f"fd://{copy.detach()}", "tcp://127.0.0.1:0")
    assert engine.addresses[0] == engine.addresses[1] != engine.addresses[2]
    for _ in range(10):
        dial(engine)
    handler.wait_for("on_open", 10)


def test_the_descriptors_are_closed_with_the_engine(serve, make, open_descriptors):
    before = open_descriptors(serve(EventHandler()))  # by now everything is loaded that stays open
    engine = Engine(EventHandler(), f"fd://{make('tcp').detach()}")
    engine.start()
    engine.stop()
    assert open_descriptors() == before


@pytest.mark.parametrize("end", ["shutdown", "stop"])
def test_an_end_in_on_boot_takes_it_over_all_the_same(make, end):
    handler = RecordingHandler(
        on_boot=lambda engine: Action.SHUTDOWN if end == "shutdown" else engine.stop(30) and None
    )
    sock = make("tcp")
    name, fd = sock.getsockname(), sock.detach()
    engine = Engine(handler, GivenListener(fd))
    engine.start()
    assert engine.join(30)
    with socket.socket() as client:
        assert client.connect_ex(name)


class Noting(SelectPoller):
    """Notes what it is asked to watch for."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def register(self, fd, interest):
        super().register(fd, interest)
        self.noted.append(interest)


@pytest.mark.parametrize(
    ("given", "options", "exclusive"),
    [
        (True, {}, True),
        (True, {"max_connections": 5, "max_connections_policy": "refuse"}, True),
        # Who has no place left must not have used up what would wake another process.
        (True, {"max_connections": 5}, False),
        (False, {}, False),
    ],
)
def test_only_what_may_be_shared_is_watched_exclusively(serve, dial, given, options, exclusive):
    source = f"fd://{listening(socket.AF_INET, ('127.0.0.1', 0)).detach()}" if given else "tcp://127.0.0.1:0"
    handler = RecordingHandler()
    engine = serve(handler, source, poller=Noting, **options)
    dial(engine)
    handler.wait_for("on_open")
    poller = engine.loops[0].poller
    assert poller.noted[0] == (Interest.READ | Interest.EXCLUSIVE if exclusive else Interest.READ)
    assert poller.noted[1:] == [Interest.READ]
