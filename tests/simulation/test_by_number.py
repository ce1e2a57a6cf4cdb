"""What the standard library does with descriptors, by their numbers, and waits for with selectors."""

from __future__ import annotations

import array
import errno
import os
import selectors
import signal
import socket
import stat
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from netcore import Action, Conn, EventHandler, UnsupportedOperationError
from netcore.testing import Host, Simulation, SimulationError


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(0)


@pytest.fixture
def host(simulation: Simulation) -> Iterator[Host]:
    with simulation.host("a") as host:
        yield host


@pytest.mark.posix
def test_whether_a_descriptor_blocks(host: Host) -> None:
    with socket.socket() as sock:
        fd = sock.fileno()
        assert os.get_blocking(fd)
        sock.setblocking(False)
        assert not os.get_blocking(fd)
        os.set_blocking(fd, True)
        assert os.get_blocking(fd)


def test_whether_a_child_would_have_it(host: Host) -> None:
    with socket.socket() as sock:
        fd = sock.fileno()
        assert not os.get_inheritable(fd)
        os.set_inheritable(fd, True)
        assert os.get_inheritable(fd)
        assert sock.get_inheritable()
        sock.set_inheritable(False)
        assert not os.get_inheritable(fd)
        sock.set_inheritable(True)
    with socket.socket() as heir:
        assert heir.fileno() == fd
        assert not heir.get_inheritable()


@pytest.mark.parametrize("module", [os, socket])
def test_closing_by_number(host: Host, module: Any) -> None:
    near, far = socket.socketpair()
    module.close(near.detach())
    assert far.recv(1) == b""
    far.close()


def test_it_is_a_socket(host: Host) -> None:
    with socket.socket() as sock:
        assert stat.S_ISSOCK(os.fstat(sock.fileno()).st_mode)
        before = signal.set_wakeup_fd(sock.fileno())
        assert signal.set_wakeup_fd(before) == -1


@pytest.mark.posix
def test_how_many_bytes_wait(host: Host) -> None:
    fcntl, termios = import_module("fcntl"), import_module("termios")
    near, far = socket.socketpair()
    count = array.array("i", [7])
    for sent, expected in ((b"", 0), (b"hello", 5), (b", you", 10)):
        far.send(sent)
        for descriptor in (near, near.fileno()):
            assert fcntl.ioctl(descriptor, termios.FIONREAD, count) == 0
            assert count[0] == expected
    with pytest.raises(OSError, match=os.strerror(errno.ENOTTY)):
        fcntl.ioctl(near, termios.TIOCGWINSZ, count)
    near.close()
    far.close()


@pytest.mark.unix_sockets
def test_a_pair_is_enrolled(simulation: Simulation) -> None:
    host = simulation.host("a")
    client = host.client(Echo())
    with host:
        near, far = socket.socketpair()
        far.send(b"hello")
        client.enroll(near)
        far.settimeout(5)
        assert far.recv(100) == b"hello"
        far.close()


def test_a_socket_that_is_not_the_hosts_is_not_enrolled(simulation: Simulation) -> None:
    host = simulation.host("a")
    client = host.client(Echo())
    theirs: list[socket.socket] = []
    ours: list[socket.socket] = []
    for where, pair in ((simulation.host("b"), theirs), (host, ours)):
        with where:
            pair += socket.socketpair()
    real = socket.socketpair()
    with pytest.raises(UnsupportedOperationError, match="a `with` block of host 'a'"):
        client.enroll(ours[0])
    with simulation.host("b"):
        for each in (ours[0], theirs[0]):
            with pytest.raises(UnsupportedOperationError, match="host 'a'"):
                client.enroll(each)
    with host:
        for each in (theirs[0], real[0]):
            with pytest.raises(UnsupportedOperationError, match="not of host 'a'"):
                client.enroll(each)
        ours[1].send(b"hello")
        client.enroll(ours[0])
        ours[1].settimeout(5)
        assert ours[1].recv(100) == b"hello"
    for each in real:  # nobody has touched these
        each.close()


def test_what_is_closed_or_another_hosts_is_refused(simulation: Simulation, host: Host) -> None:
    with simulation.host("b"):
        strange = socket.socket()
    closed = socket.socket().detach()
    os.close(closed)
    for fd in (strange.fileno(), closed):
        for call in (os.close, os.fstat, os.get_inheritable, socket.close):
            with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
                call(fd)
            assert caught.value.errno == errno.EBADF
    with simulation.host("b"):
        strange.close()


def test_files_are_the_processs_own(host: Host) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    assert stat.S_ISCHR(os.fstat(fd).st_mode)
    assert not os.get_inheritable(fd)
    os.close(fd)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(fd)


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


def test_a_selector_waits_in_virtual_time(simulation: Simulation, host: Host) -> None:
    simulation.host("server").engine(Echo(), "tcp://:7000")
    simulation.link("a", "server", latency=0.5)
    with selectors.DefaultSelector() as selector, socket.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(("server", 7000)) == errno.EINPROGRESS
        selector.register(sock, selectors.EVENT_WRITE, "the data")
        assert selector.select(0.9) == []
        ((key, events),) = selector.select()
        assert (key.fileobj, key.data, events) == (sock, "the data", selectors.EVENT_WRITE)
        assert simulation.now == pytest.approx(1.0, abs=0.01)
        sock.send(b"hello")
        selector.modify(sock, selectors.EVENT_READ)
        assert selector.select(0.9) == []
        assert [events for _, events in selector.select(0.2)] == [selectors.EVENT_READ]
        assert sock.recv(100) == b"hello"
        assert simulation.now == pytest.approx(2.0, abs=0.01)


def test_every_selector_of_the_standard_library_is_the_hosts(host: Host) -> None:
    for name in ("DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector"):
        make = getattr(selectors, name, None)
        if make is None:
            continue
        with make() as selector, socket.socket() as sock:
            selector.register(sock, selectors.EVENT_READ)
            assert selector.get_key(sock).fd == sock.fileno()


class Selecting(EventHandler):
    """Does in a callback what only a test's own code may."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self.selector = selector

    def on_open(self, conn: Conn) -> Action | None:
        if self.selector is None:
            selectors.DefaultSelector()
        else:
            self.selector.select(1.0)
        return None


def test_a_callback_makes_no_selector(simulation: Simulation) -> None:
    simulation.host("server").engine(Selecting(), "tcp://:7000")
    simulation.host("a").dial("tcp://server:7000")
    with pytest.raises(SimulationError, match=r"a selector .* on host 'server': .*test_by_number.*on_open"):
        simulation.run(until=1.0)


def test_a_callback_does_not_wait_with_one(simulation: Simulation) -> None:
    server = simulation.host("server")
    with server:
        selector = selectors.DefaultSelector()
    server.engine(Selecting(selector), "tcp://:7000")
    simulation.host("a").dial("tcp://server:7000")
    with pytest.raises(SimulationError, match="blocks, which in a callback, job or task stops the world"):
        simulation.run(until=1.0)
