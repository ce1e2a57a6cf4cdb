"""Listeners that come and go while an engine runs."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from netcore import (
    Action,
    Address,
    Engine,
    EngineNotRunningError,
    EventHandler,
    GivenListener,
    InvalidAddressError,
    OptionsError,
    UnsupportedProtocolError,
)
from netcore._platform import FACTS
from netcore.poll.select import SelectPoller
from netcore.testing import RecordingHandler

TCP, UDP = "tcp://127.0.0.1:0", "udp://127.0.0.1:0"

reuse_port = pytest.mark.skipif(FACTS.reuse_port is None, reason="needs listeners that share a port")


def echo(conn):
    conn.write(conn.read())


def connected(address):
    sock = socket.socket(socket.AF_UNIX if address.network == "unix" else socket.AF_INET)
    sock.settimeout(30)
    sock.connect(address.path if address.network == "unix" else (address.host, address.port))
    return sock


def answers(address, receive):
    with connected(address) as sock:
        sock.sendall(b"hello")
        return receive(sock, 5) == b"hello"


def refused(address):
    with socket.socket() as sock:
        return sock.connect_ex((address.host, address.port)) != 0


def listening(port=0, share=False):
    sock = socket.socket()
    if share:
        sock.setsockopt(socket.SOL_SOCKET, FACTS.reuse_port, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen()
    return sock


@pytest.mark.parametrize("options", [{}, {"num_event_loops": 3}, {"num_event_loops": 3, "reuse_port": True}])
def test_streams(serve, receive, options):
    engine = serve(RecordingHandler(on_traffic=echo), TCP, **options)
    first = engine.addresses[0]
    added = engine.listen(TCP)
    assert added.port not in (0, first.port)
    assert engine.addresses == (first, added)
    assert all(answers(added, receive) for _ in range(6))
    with socket.socket(fileno=engine.dup_listener(added)) as copy:
        assert copy.getsockname()[1] == added.port
    kept = connected(added)
    kept.sendall(b"before")
    assert receive(kept, 6) == b"before"
    engine.stop_listening(added)
    assert engine.addresses == (first,)
    assert refused(added)
    kept.sendall(b"after")
    assert receive(kept, 5) == b"after"
    kept.close()
    assert answers(first, receive)
    with socket.socket() as sock:  # whose port is free by now
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", added.port))


@pytest.mark.parametrize("loops", [1, 3])
def test_datagrams(serve, loops):
    engine = serve(RecordingHandler(on_traffic=echo), TCP, num_event_loops=loops)
    added = engine.listen(UDP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect((added.host, added.port))
        sock.send(b"datagram")
        assert sock.recv(100) == b"datagram"
        engine.stop_listening(added)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:  # the port is free
        sock.bind((added.host, added.port))


@pytest.mark.posix
def test_no_datagram_is_lost_between_two_that_share_a_socket(serve):
    """What one of them has received it delivers; what it has not stays in the queue for the other."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    name, copy = sock.getsockname(), sock.dup()
    seen = []
    engines = [
        serve(RecordingHandler(on_traffic=lambda conn: seen.append(conn.read())), GivenListener(fd))
        for fd in (sock.detach(), copy.detach())
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(150):
            sender.sendto(b"%d" % number, name)
            if number == 75:
                engines[0].stop_listening(engines[0].addresses[0])
    deadline = time.monotonic() + 30
    while len(seen) < 150 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sorted(map(int, seen)) == list(range(150))


@pytest.mark.unix_sockets
def test_a_file_of_a_unix_socket_goes_with_its_listener(serve, receive, tmp_path):
    engine = serve(RecordingHandler(on_traffic=echo), TCP)
    path = tmp_path / "later.sock"
    added = engine.listen(f"unix://{path}")
    assert answers(added, receive)
    engine.stop_listening(f"unix://{path}")
    assert not path.exists()
    assert answers(engine.listen(added), receive)


def test_an_engine_without_listeners_goes_on(serve, receive):
    engine = serve(RecordingHandler(on_traffic=echo), TCP)
    engine.stop_listening(engine.addresses[0])
    assert engine.addresses == ()
    assert engine.running
    with pytest.raises(ValueError, match="does not listen on 'any address'"):
        engine.dup_listener()
    assert answers(engine.listen(TCP), receive)


def test_what_was_asked_for_is_an_address_too(serve):
    engine = serve(EventHandler(), TCP)
    engine.stop_listening(TCP)
    assert engine.addresses == ()
    assert engine.listen(TCP) == engine.addresses[0]
    engine.stop_listening(Address.parse(TCP))
    assert engine.addresses == ()


@reuse_port
@pytest.mark.parametrize("loops", [1, 2])
def test_two_listeners_of_one_address_are_told_apart(serve, receive, loops):
    one = listening(share=True)
    two = listening(one.getsockname()[1], share=True)
    keepers = [one.dup(), two.dup()]  # a supervisor's
    givens = [GivenListener(sock.detach()) for sock in (one, two)]
    engine = serve(RecordingHandler(on_traffic=echo), givens[0], num_event_loops=loops)
    address = engine.addresses[0]
    assert engine.listen(givens[1]) == address
    assert engine.addresses == (address, address)
    assert all(answers(address, receive) for _ in range(20))  # whichever the kernel takes
    engine.stop_listening(givens[0])
    assert engine.addresses == (address,)
    keepers[0].close()  # and with it the last descriptor of that socket
    assert all(answers(address, receive) for _ in range(20))
    with pytest.raises(ValueError, match=f"does not listen on 'fd://{givens[0].fd}'"):
        engine.stop_listening(givens[0])
    engine.stop_listening(givens[1])
    keepers[1].close()
    assert refused(address)


@pytest.mark.posix
def test_the_same_number_again_is_another_listener(serve):
    engine = serve(EventHandler(), TCP)
    made = []
    for _ in range(2):
        sock = listening()
        fd = sock.detach()
        os.dup2(fd, 200)
        os.close(fd)
        made.append(GivenListener(200))
        made.append(engine.listen(made[-1]))
    first, where, second, there = made
    assert first == second
    engine.stop_listening(first)
    assert there in engine.addresses
    assert where not in engine.addresses
    engine.stop_listening(GivenListener(200))  # an equal one
    assert there not in engine.addresses


def test_the_last_one_of_an_address_goes_first(serve):
    engine = serve(EventHandler(), TCP)
    first, second = engine.listen(TCP), engine.listen(TCP)
    engine.stop_listening(TCP)
    assert second not in engine.addresses
    engine.stop_listening(TCP)
    assert first not in engine.addresses


@pytest.mark.posix
def test_what_is_given_is_taken_over(serve):
    engine = serve(EventHandler(), TCP)
    fd = listening().detach()
    inode = os.fstat(fd).st_ino
    address = engine.listen(f"fd://{fd}")
    with suppress(OSError):  # else the number is another descriptor's by now
        assert os.fstat(fd).st_ino != inode
    assert not refused(address)


@pytest.mark.posix
def test_what_cannot_be_served_stays_the_callers(serve):
    engine = serve(EventHandler(), TCP)
    before = engine.addresses
    with socket.socket() as sock:  # which does not listen
        sock.setblocking(True)
        with pytest.raises(OSError, match="does not listen"):
            engine.listen(GivenListener(sock.fileno()))
        assert os.get_blocking(sock.fileno())
    with listening() as sock, pytest.raises(OptionsError, match="option tls is None"):
        engine.listen(GivenListener(sock.fileno(), tls=True))
    with pytest.raises(OSError, match=r"127\.0\.0\.1") as caught:
        engine.listen(before[0])
    assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(InvalidAddressError):
        engine.listen("tcp://127.0.0.1")
    with pytest.raises(UnsupportedProtocolError):
        engine.listen("gopher://127.0.0.1:70")
    assert engine.addresses == before


@reuse_port
def test_nothing_stays_open_of_several_sockets(serve, monkeypatch):
    """The second of three sockets cannot be bound."""
    from netcore.engine import listening as module

    engine = serve(EventHandler(), TCP, num_event_loops=3, reuse_port=True)
    bind, bound = module.bind, []

    def failing(address, options, reuse_port):
        if bound:
            raise OSError(errno.ENOBUFS, "no room")
        bound.append(bind(address, options, reuse_port=reuse_port))
        return bound[0]

    monkeypatch.setattr(module, "bind", failing)
    with pytest.raises(OSError, match="no room"):
        engine.listen(TCP)
    assert bound[0].sock.fileno() == -1
    assert len(engine.addresses) == 1


def test_calls_that_need_a_running_engine():
    engine = Engine(EventHandler(), TCP)
    for _ in range(2):
        for call in (engine.listen, engine.stop_listening):
            with pytest.raises(EngineNotRunningError):
                call(TCP)
        engine.stop()


def test_no_listener_comes_after_stop_accepting(serve):
    engine = serve(EventHandler(), TCP)
    engine.stop_accepting()
    with pytest.raises(EngineNotRunningError, match="has stopped accepting"):
        engine.listen(TCP)
    engine.stop_listening(TCP)
    assert engine.drain(30)


def test_who_listens_in_on_boot_accepts_after_it(serve, receive):
    def boot(engine):
        added.append(engine.listen(TCP))
        early.append(connected(added[0]))
        early[0].sendall(b"early")
        gone.append(engine.listen(TCP))
        engine.stop_listening(gone[0])

    added, early, gone = [], [], []
    handler = RecordingHandler(on_boot=boot, on_traffic=echo)
    serve(handler, TCP)
    assert receive(early[0], 5) == b"early"
    assert handler.names()[:2] == ["on_boot", "on_open"]
    assert refused(gone[0])
    early[0].close()


def test_nothing_stays_open_if_the_boot_fails_after_it():
    def boot(engine):
        added.append(engine.listen(TCP))
        raise ArithmeticError

    added = []
    with pytest.raises(ArithmeticError):
        Engine(RecordingHandler(on_boot=boot), TCP).start()
    assert refused(added[0])


@pytest.mark.parametrize("loops", [1, 2])
def test_in_callbacks(serve, receive, loops):
    """Where nothing may wait for the loop."""

    def traffic(conn):
        if conn.read() == b"open\n":
            conn.write(b"%d\n" % engine.listen(TCP).port)
        else:
            engine.stop_listening(engine.addresses[-1])
            conn.write(b"closed\n")

    engine = serve(RecordingHandler(on_traffic=traffic), TCP, num_event_loops=loops)
    with connected(engine.addresses[0]) as sock, sock.makefile("rw", newline="\n") as lines:
        lines.write("open\n")
        lines.flush()
        added = Address("tcp", "127.0.0.1", int(lines.readline()))
        with connected(added):
            pass
        lines.write("close\n")
        lines.flush()
        assert lines.readline() == "closed\n"
        assert engine.addresses == (engine.addresses[0],)
        engine.stop_accepting()  # so that drain waits for listeners that are being closed
    assert engine.drain(30)
    assert refused(added)


def test_a_hosted_loop_does_not_wait_for_itself():
    engine = Engine(EventHandler(), TCP)
    engine.start(hosted=True)
    try:
        added = engine.listen(TCP)
        engine.stop_listening(added)
        assert engine.addresses == (engine.addresses[0],)
        assert not engine.drain(0), "it may accept until its loop has had a turn"
        engine.loops[0].turn(0)
        assert engine.drain(0)
        assert refused(added)
    finally:
        engine.stop()
        while not engine.loops[0].finished:
            engine.loops[0].turn(0.1)
        engine.end_hosted()


class BreakablePoller(SelectPoller):
    broken = False

    def wait(self, timeout):
        if self.broken:
            raise OSError(errno.EIO, "the poller broke")
        return super().wait(timeout)


@pytest.mark.parametrize("other", ["stop", "stop_accepting", "fail"])
def test_races(open_descriptors, other):
    """Whatever ends the engine in the midst of it: no listener stays, and nobody waits for ever."""
    before = open_descriptors()
    poller = BreakablePoller if other == "fail" else None
    engine = Engine(RecordingHandler(on_traffic=echo), TCP, num_event_loops=2, poller=poller)
    engine.start()
    added = []
    busy = threading.Event()

    def come_and_go():
        with suppress(EngineNotRunningError):
            while True:
                added.append(engine.listen(TCP))
                if len(added) % 2:
                    with suppress(ValueError):
                        engine.stop_listening(added[-1])
                if len(added) > 20:
                    busy.set()

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert busy.wait(30)
    if other == "fail":
        engine.loops[0].poller.broken = True
        engine.loops[0].post(int)
    else:
        getattr(engine, other)()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if other == "stop_accepting":
        assert engine.drain(30)
    engine.stop()
    assert open_descriptors() <= before


def test_shutdown_in_on_boot_closes_what_was_added():
    def boot(engine):
        added.append(engine.listen(TCP))
        return Action.SHUTDOWN

    added = []
    engine = Engine(RecordingHandler(on_boot=boot), TCP)
    engine.start()
    assert engine.join(30)
    assert refused(added[0])
