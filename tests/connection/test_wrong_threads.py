"""A write on a thread that must not write: it may come at any moment, and never brings bytes to a stranger.

Debug mode refuses it (``WrongThreadError``). Without the check it must at least not mix up whose bytes are
whose. What makes that so is that a connection and its chunk are one entry, added by one append or one call of
C, and that an entry asks its connection for the descriptor when it is sent.
"""

from __future__ import annotations

import threading

import pytest

from netcore import Action, WrongThreadError
from netcore.sockets import CONNECTED
from netcore.testing import RecordingHandler


class Yielding(list):
    """A list in the midst of whose next append another thread has its turn."""

    def __init__(self, *items):
        super().__init__(*items)
        self.before = self.after = None

    def _let(self, name):
        function = getattr(self, name)
        setattr(self, name, None)
        if function is not None:
            other = threading.Thread(target=function)
            other.start()
            other.join()

    def append(self, item):
        self._let("before")
        super().append(item)
        self._let("after")


@pytest.mark.python_half
@pytest.mark.parametrize("moment", ["before", "after"])
def test_each_gets_its_own_bytes(world, moment):
    w = world()
    one, other = w.connect(), w.connect()
    entries = w.loop.outbox.entries = Yielding()
    setattr(entries, moment, lambda: other.write(b"for the other"))
    one.write(b"for the one")
    w.turns()
    assert w.sent(one) == b"for the one"
    assert w.sent(other) == b"for the other"


@pytest.mark.python_half
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_is_left_goes_back_to_its_own(world, moment):
    w = world()
    one, other = w.connect(), w.connect()
    w.sockets.block(one.fd, after=4)
    entries = w.loop.outbox.entries = Yielding()
    setattr(entries, moment, lambda: other.write(b"for the other"))
    one.write(b"for the one")
    w.turns()
    assert w.sent(one) == b"for "
    w.sockets.unblock(one.fd)
    w.turns(2)
    assert (w.sent(one), w.sent(other)) == (b"for the one", b"for the other")


def test_a_write_that_comes_too_late_reaches_nobody_else(world):
    """The thread has found the connection open, and adds its entry when the number is another's."""
    w = world()
    old = w.connect()
    number = old.fd
    late = w.loop.outbox.add
    old.abort()
    w.turns()
    w.sockets._next_fd = iter([number])
    new = w.connect()
    assert (new.fd, new.id != old.id) == (number, True)
    w.sockets.sent[number].clear()
    late(old, b"not for you")
    new.write(b"for you")
    w.turns()
    assert w.sent(new) == b"for you"
    late(old, b"not for you")
    w.turns()
    assert w.sent(new) == b"for you"
    assert not new.closed


@pytest.mark.python_half
@pytest.mark.parametrize("moment", ["before", "after"])
def test_each_receiver_gets_its_own_datagram(world, moment):
    w = world()
    port = w.loop.listen_for_datagrams(60, 2, w.acceptor.listener.address)._port
    port.outbox.entries = Yielding()
    one, other = port.conn_class(port, b"", b"\4one"), port.conn_class(port, b"", b"\4other")
    setattr(port.outbox.entries, moment, lambda: other.write(b"for the other"))
    one.write(b"for the one")
    w.turns()
    assert sorted(w.sockets.datagrams[60]) == [(b"for the one", b"\4one"), (b"for the other", b"\4other")]


def test_a_datagram_that_comes_too_late_reaches_nobody_else(world):
    w = world(on_open=lambda conn: Action.NONE)
    conn = w.loop._hosted.establish_datagrams(61, 2, w.acceptor.listener.address, None, None)
    late = conn.outbox
    conn.abort()
    w.turns()
    assert w.sockets.closed == [61] or w.sockets.resets == [61]
    late.add(b"not for you", CONNECTED, conn)
    w.turns()
    assert not w.sockets.datagrams[61]


@pytest.mark.parametrize("call", ["flush", "mutable", "behind a backlog", "sendfile", "filtered"])
def test_what_takes_more_than_one_step_is_refused(world, toys, tmp_path, call):
    (tmp_path / "file").write_bytes(bytes(100))
    w = world()
    conn = w.connect()
    if call == "behind a backlog":
        w.sockets.block(conn.fd)
        conn.write(b"stuck")
        w.turns()
    elif call == "filtered":
        conn.put_on(toys.ToyFilter())
    refused = []

    def elsewhere():
        with pytest.raises(WrongThreadError, match="async_write"), (tmp_path / "file").open("rb") as file:
            {
                "flush": conn.flush,
                "mutable": lambda: conn.write(bytearray(b"x")),
                "sendfile": lambda: conn.sendfile(file),
            }.get(call, lambda: conn.write(b"x"))()
        refused.append(call)

    before = conn.outbound_buffered
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert refused == [call]
    assert conn.outbound_buffered == before


def test_under_load_each_gets_its_own_bytes(serve, dial, receive):
    """Real sockets and threads: a loop writes to eight connections, and so do two other threads."""
    conns = []
    engine = serve(RecordingHandler(on_open=conns.append), num_event_loops=1)
    peers = [dial(engine) for _ in range(8)]
    engine._handler.wait_for("on_open", len(peers))
    rounds, letters = 400, {conn.id: bytes([65 + i]) for i, conn in enumerate(conns)}

    def write_all():
        for conn in conns:
            conn.write(letters[conn.id] * 16)

    def wrongly():
        for _ in range(rounds):
            write_all()

    def rightly(left):
        write_all()
        if left:
            engine.loops[0].execute(rightly, left - 1)

    wrong = [threading.Thread(target=wrongly) for _ in range(2)]
    for thread in wrong:
        thread.start()
    engine.loops[0].execute(rightly, rounds - 1)
    for thread in wrong:
        thread.join()
    engine.loops[0].execute(int)  # nobody wakes the loop for what a wrong thread has written
    by_port = {conn.remote_address.port: letters[conn.id] for conn in conns}
    for peer in peers:
        assert set(receive(peer, 3 * rounds * 16)) == set(by_port[peer.getsockname()[1]])
