"""What the half in C does otherwise than its twin, and nobody sees: it makes no object that nobody keeps."""

from __future__ import annotations

import errno
import gc
import inspect
import socket
import sys
import weakref

import pytest

from netcore import Address, Conn, EventHandler
from netcore.connection import Limits
from netcore.poll import Readiness

READ = int(Readiness.READABLE)


class Server(EventHandler):
    """Calls a function for each datagram, and another for each error."""

    def __init__(self, on_traffic=None, on_error=None) -> None:
        self.traffic, self.error = on_traffic, on_error

    def on_traffic(self, conn):
        return self.traffic(conn) if self.traffic else conn.write(conn.read()) and None

    def on_error(self, conn, error):
        return self.error(conn, error) if self.error else None


@pytest.fixture
def server(twins):
    """Makes a server in C: ``server(on_traffic, on_error, limits)``."""
    made = []

    def make(on_traffic=None, on_error=None, limits=None):
        made.append(twins.Twin(Server(on_traffic, on_error), limits or Limits(), hot=True))
        made[-1].name_of = twins.name_of
        assert made[-1].is_hot
        return made[-1]

    yield make
    for twin in made:
        twin.close()


def feed(server, *datagrams, sender=1):
    server.sockets.arriving.extend((data, server.name_of(sender)) for data in datagrams)
    server.turn(READ)


def sent(server):
    return [data for batch in server.sockets.batches for data, _ in batch]


def test_datagrams_that_nobody_keeps_share_one_connection(server):
    seen = []
    made = server(lambda conn: seen.append(id(conn)) or (conn.write(conn.read()) and None))
    for _ in range(3):
        feed(made, *[b"x"] * 100)
    assert len(set(seen)) == 1
    assert len(sent(made)) == 300


@pytest.mark.parametrize("how", ["context", "id", "remote_address", "kept", "watched", "closed", "twice"])
def test_what_was_kept_or_has_told_of_itself_is_nobody_elses(server, how):
    kept, dead, seen = [], [], []

    def on_traffic(conn):
        seen.append(
            (conn.context, conn.remote_address.port if how == "remote_address" else None, conn.closed)
        )
        if how == "context":
            conn.context = "mine"
        elif how == "id":
            kept.append(conn.id)
        elif how == "kept":
            kept.append(conn)
        elif how == "watched":
            kept.append(weakref.ref(conn, dead.append))
        elif how == "closed":
            conn.close()
        else:
            conn.write(b"one")
            conn.write(b"two")

    made = server(on_traffic)
    for sender in range(1, 6):
        feed(made, b"x", sender=sender)
    ports = [40000 + number for number in range(1, 6)] if how == "remote_address" else [None] * 5
    assert seen == [(None, port, False) for port in ports]
    assert len(set(map(id, kept))) == len(kept)
    assert how != "id" or len(set(kept)) == 5
    assert how != "watched" or dead == kept
    assert how != "kept" or [conn.remote_address.host for conn in kept] == [
        f"192.0.2.{number}" for number in range(1, 6)
    ]


def test_a_kept_connection_reads_nothing_more_and_answers_later(server):
    kept = []
    made = server(kept.append)
    feed(made, b"first")
    feed(made, b"second", sender=2)
    assert [(conn.read(), conn.inbound_buffered, bytes(conn.peek())) for conn in kept] == [(b"", 0, b"")] * 2
    kept[0].write(b"late")
    made.turn()
    assert made.sockets.batches == [[(b"late", made.name_of(1))]]


def test_a_view_that_is_kept_shows_what_it_has_shown(server):
    views = []
    made = server(lambda conn: views.append(memoryview(conn.next(3))))
    feed(made, b"first")
    feed(made, b"other")
    assert [bytes(view) for view in views] == [b"fir", b"oth"]


def test_an_answer_that_fails_is_told_of_with_a_connection_to_the_same_peer(server):
    errors = []
    made = server(None, lambda conn, error: errors.append((conn, error.errno)) and None)
    made.sockets.outcomes.extend([0, errno.EPERM, 0])
    feed(made, b"a", b"b", b"c", sender=3)
    assert sent(made) == [b"a", b"c"]
    ((conn, code),) = errors
    assert (conn.remote_address.host, code, conn.closed, conn.context) == (
        "192.0.2.3",
        errno.EPERM,
        False,
        None,
    )
    conn.write(b"again")
    made.turn()
    assert made.sockets.batches[-1] == [(b"again", made.name_of(3))]


def test_who_was_asked_for_its_number_is_told_of_its_failure_itself(server):
    numbers, errors = [], []
    made = server(
        lambda conn: numbers.append(conn.id) or (conn.write(b"x") and None),
        lambda conn, error: errors.append(conn.id) and None,
    )
    made.sockets.outcomes.extend([errno.EPERM] * 3)
    feed(made, b"a", b"b", b"c")
    assert errors == numbers


def test_what_waits_for_the_kernel_leaves_in_order(server):
    made = server()
    made.sockets.outcomes.extend([0, errno.ENOBUFS])
    feed(made, b"a", b"b" * 3000, b"c")
    assert (sent(made), made.listener.outbound_buffered) == ([b"a"], 3001)
    feed(made, b"d")
    made.turn(int(Readiness.WRITABLE))
    assert sent(made) == [b"a", b"b" * 3000, b"c", b"d"]
    assert made.look()["marks"] == (True, False, True, False, True)


def test_references_are_given_back(server):
    """Whatever a datagram's way is, what it was given has as many references afterwards as before."""
    errors = []

    def on_traffic(conn):
        data = conn.read(2)
        conn.write(data)
        conn.write(answer)
        conn.writev([answer, answer])
        conn.send_to(answer, Address("udp", "192.0.2.77", 1))
        bytes(conn.peek())
        if data == b"ra":
            raise LookupError

    made = server(on_traffic, lambda conn, error: errors.append(error.args) and None)
    answer = b"z" * 5000
    port = made.listener._port

    def history():
        made.sockets.outcomes.extend([0, 0, errno.EPERM, 0, errno.EAGAIN])
        feed(made, b"some", b"raise", None, b"more")
        for _ in range(3):
            made.turn(int(Readiness.WRITABLE))
        made.sockets.batches.clear()
        gc.collect()

    counted = (
        answer,
        port,
        port.outbox,
        made.loop,
        made.loop.counters,
        made.loop.inbox,
        type(port.conn_to(b"\0")),
    )
    for _ in range(3):
        history()
    before = [sys.getrefcount(each) for each in counted]
    for _ in range(5):
        history()
    assert [sys.getrefcount(each) for each in counted] == before
    assert len(errors) == 8 * 3


def test_no_memory_is_left_behind(server, tracemalloc):
    made = server()
    made.sockets.batches = Forgetting()

    def history(count):
        for _ in range(count):
            feed(made, *[b"x" * 64] * 50, *[b"y" * 4000] * 5)

    history(20)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        history(200)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000  # 11 000 datagrams have passed


class Forgetting(list):
    """A list that keeps nothing."""

    def append(self, item):
        """See the name."""


def test_the_parts_are_collected_with_their_loop(twins):
    twin = twins.Twin(Server(), Limits(), hot=True)
    twin.name_of = twins.name_of
    feed(twin, b"x")
    port, outbox = weakref.ref(twin.listener._port), type(twin.listener._port.outbox)
    twin.close()
    del twin
    gc.collect()
    assert port() is None
    assert not [each for each in gc.get_objects() if type(each) is outbox]


def test_a_batch_within_a_batch_is_refused(server):
    refused = []

    def on_traffic(conn):
        try:
            made.listener._port.take_batch(1)
        except RuntimeError as error:
            refused.append(str(error))

    made = server(on_traffic)
    feed(made, b"x", b"y")
    assert refused == ["a batch within a batch"] * 2


def test_the_c_takes_nothing_of_another_kind(server):
    from netcore._native import _hot
    from netcore.connection.datagram.hot import HotDatagramConn

    made = server()
    port = made.listener._port
    conn = port.conn_to(made.name_of(1))
    for arguments in ((object(), b"", b""), (port, "text", b""), (port, b"", "text"), (port, b"")):
        with pytest.raises(TypeError):
            HotDatagramConn(*arguments)
    with pytest.raises(ValueError, match="name"):
        HotDatagramConn(port, b"", bytes(49))
    with pytest.raises(TypeError):
        conn._outbox = object()
    with pytest.raises(TypeError):
        conn.data = 7
    with pytest.raises(AttributeError):
        del conn.data
    with pytest.raises(TypeError):
        port.take_batch("many")
    with pytest.raises(TypeError):
        port.outbox.add("text", b"", None)
    with pytest.raises(TypeError):
        _hot.DatagramOutbox(made.loop, object(), [], 3, 1)
    with pytest.raises(TypeError):
        _hot.Port(made.loop, None, None, None, object(), HotDatagramConn, 1, 1)
    with pytest.raises(TypeError):
        _hot.Port(made.loop, None, None, None, port.outbox, int, 1, 1)
    with pytest.raises(ValueError, match="0"):
        _hot.DatagramOutbox(made.loop, made.loop.counters, [], 3, 0)
    with pytest.raises(ValueError, match="0"):
        _hot.Port(made.loop, None, None, None, port.outbox, HotDatagramConn, 0, 1)
    with pytest.raises(TypeError):
        _hot.give_methods(int)


def test_what_was_never_set_up_fails_and_does_no_harm(server):
    from netcore._native import _hot
    from netcore.connection.datagram.hot import HotDatagramConn

    bare = HotDatagramConn.__new__(HotDatagramConn)
    assert (bare.read(), bare.discard(), bare.inbound_buffered, bare.data, bare._name) == (
        b"",
        0,
        0,
        b"",
        b"",
    )
    with pytest.raises(AttributeError):
        bare.peek()
    assert bare.closed
    port = _hot.Port.__new__(_hot.Port)
    with pytest.raises(RuntimeError, match="initialized"):
        port.take_batch(1)
    outbox = _hot.DatagramOutbox.__new__(_hot.DatagramOutbox)
    with pytest.raises(SystemError):
        outbox.add(b"", b"", None)
    outbox.flush()
    outbox.clear()
    assert len(outbox) == 0


def test_each_method_of_a_connection_is_there(twins):
    from netcore.connection.datagram.hot import HotDatagramConn

    assert not inspect.isabstract(HotDatagramConn)
    for name, member in vars(Conn).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getattr_static(HotDatagramConn, name) is not member


def test_sockets_whose_datagrams_are_their_own_are_asked_for_them(twins):
    """A class that replaces a method of the Python kind is not passed by."""

    class Own(twins.ScriptedSockets):
        def send_datagrams(self, fd, chunks, names):
            return super().send_datagrams(fd, [bytes(chunk).upper() for chunk in chunks], names)

    twin = twins.Twin(Server(), Limits(), True, Own)
    twin.name_of = twins.name_of
    feed(twin, b"quiet")
    assert sent(twin) == [b"QUIET"]
    assert not twin.is_hot
    twin.close()


def test_a_real_kernel_and_a_name_of_ipv6(ipv6, twins):
    from netcore.eventloop import Loop, Shared
    from netcore.poll import open_poller
    from netcore.sockets import NativeSockets

    seen = []
    handler = Server(
        lambda conn: (
            seen.append((type(conn).__name__, conn.remote_address)) or (conn.write(conn.read()) and None)
        )
    )
    loop = Loop(0, Shared(handler, Limits()), open_poller(), NativeSockets())
    loop.claim()
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("::1", 0))
    host, number = sock.getsockname()[:2]
    loop.listen_for_datagrams(sock.detach(), socket.AF_INET6, Address("udp", host, number))
    loop.start_accepting()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.bind(("::1", 0))
        for data in (b"", b"small", b"x" * 2113, b"y" * 60_000):
            client.sendto(data, ("::1", number))
            loop.turn(30)
            assert client.recv(1 << 17) == data
        assert seen == [("HotDatagramConn", Address("udp", *client.getsockname()[:2]))] * 4
    loop.close()
