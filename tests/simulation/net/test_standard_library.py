"""What of the standard library stands on ``socket.socket``, over simulated sockets that take its place."""

from __future__ import annotations

import errno
import gc
import pickle
import socket
import warnings

import pytest
from simulated import Yard

from netcore.sockets.objects import socket_of
from netcore.testing.simulation.net.kernel import Kernel
from netcore.testing.simulation.net.sockets import SimulatedSocket

pytestmark = pytest.mark.usefixtures("in_place")


def test_servers_and_connections_by_the_standard_functions(yard: Yard, host: Kernel) -> None:
    assert socket.has_dualstack_ipv6()
    for family, where in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((where, 0), family=family) as listener:
            with socket.create_connection(listener.getsockname()[:2], timeout=3) as client:
                accepted, _ = listener.accept()
                assert client.getpeername() == accepted.getsockname()
                accepted.close()
            with pytest.raises(OSError, match=str(errno.EADDRINUSE)):
                socket.create_server(listener.getsockname()[:2], family=family)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 1))


@pytest.mark.unix_sockets
def test_pairs_and_duplicates(yard: Yard, host: Kernel) -> None:
    near, far = socket.socketpair()
    near.sendall(b"ping")
    assert far.recv(10) == b"ping"
    copy = socket.fromfd(far.fileno(), far.family, far.type)
    over = socket.socket(fileno=socket.dup(far.fileno()))
    far.close()
    copy.sendall(b"pong")
    over.sendall(b"!")
    assert near.recv(10) == b"pong!"
    copy.close()
    over.close()
    assert near.recv(10) == b""
    near.close()


@pytest.mark.unix_sockets
def test_files_made_of_sockets(yard: Yard, host: Kernel) -> None:
    near, far = socket.socketpair()
    with far.makefile("rw", newline="\n") as file:
        far.close()
        near.sendall(b"one\ntwo\n")
        assert file.readline() == "one\n"
        assert file.readline() == "two\n"
        file.write("three\n")
        file.flush()
        assert near.recv(100) == b"three\n"
    assert near.recv(100) == b""
    near.close()


def test_a_descriptor_tells_what_it_is(yard: Yard, host: Kernel) -> None:
    sock = socket.socket(socket.AF_INET6)
    sock.setblocking(False)
    fd = sock.detach()
    again = socket_of(fd)
    assert (again.family, again.type, again.fileno()) == (socket.AF_INET6, socket.SOCK_STREAM, fd)
    assert not host.file(fd).blocks
    again.close()
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        socket_of(fd)


def test_a_descriptor_closed_behind_an_object_is_bad(yard: Yard, host: Kernel) -> None:
    sock = socket.socket()
    host.close(sock.fileno())
    other = socket.socket()
    assert other.fileno() == sock.fileno()
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        sock.listen()
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        sock.close()
    other.listen()
    other.close()


def test_a_socket_of_another_host_is_not_ones_own(yard: Yard, host: Kernel) -> None:
    sock = socket.socket()
    with yard.on("two"), pytest.raises(OSError, match=r"\[Errno 9\]"):
        socket.socket(fileno=sock.fileno())
    sock.close()


def test_what_is_left_open_is_complained_of_and_stays_open(yard: Yard, host: Kernel) -> None:
    sock = socket.socket()
    fd = sock.fileno()
    with pytest.warns(ResourceWarning, match=rf"unclosed <SimulatedSocket fd={fd}"):
        del sock
        gc.collect()
    host.endpoint(fd)
    host.close(fd)


def test_after_a_crash_nothing_is_complained_of(yard: Yard, host: Kernel) -> None:
    sock = socket.socket()
    host.crash()
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        sock.getsockname()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sock.close()
        assert sock.fileno() == -1


def test_no_host_has_no_sockets(yard: Yard) -> None:
    with pytest.raises(RuntimeError, match="no host's code"):
        socket.socket()


def test_an_object_says_what_it_is(yard: Yard, host: Kernel) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        shown = f"<SimulatedSocket fd={sock.fileno()}, family=2, type=1, proto=0, laddr=('127.0.0.1', 49152)>"
        assert repr(sock) == shown
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(sock)
    assert repr(sock) == "<SimulatedSocket [closed] fd=-1, family=2, type=1, proto=0>"


def test_default_timeouts(yard: Yard, host: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getdefaulttimeout", lambda: 2.0)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        began = yard.scheduler.now
        with pytest.raises(TimeoutError):
            listener.accept()
        assert yard.scheduler.now == began + 2
        client.connect(listener.getsockname())
        with listener.accept()[0] as accepted:
            assert accepted.gettimeout() == 2


def test_strange_arguments(yard: Yard, host: Kernel) -> None:
    with socket.socket() as sock, socket.create_server(("127.0.0.1", 0)) as listener:
        for wrong, kind in (
            (("127.0.0.1", 70000), OverflowError),
            ("127.0.0.1", TypeError),
            (("::1", 1), socket.gaierror),
        ):
            with pytest.raises(kind):
                sock.connect(wrong)
        with pytest.raises(ValueError, match="Timeout value out of range"):
            sock.settimeout(-1)
        sock.connect(listener.getsockname())
        for call in (sock.recv, sock.recvfrom):
            with pytest.raises(ValueError, match="negative buffersize"):
                call(-1)
        with pytest.raises(ValueError, match="nbytes is greater"):
            sock.recv_into(bytearray(3), 4)
        with pytest.raises(TypeError, match="sendto"):
            sock.sendto(b"")
        with pytest.raises(OSError, match=str(errno.EINVAL)):
            sock.shutdown(7)
    with pytest.raises(OSError, match=str(errno.EAFNOSUPPORT)):
        socket.socket(99)
    with pytest.raises(OSError, match=str(errno.EPROTONOSUPPORT)):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 99)


@pytest.mark.unix_sockets
def test_many_ways_to_send_and_receive(yard: Yard, host: Kernel) -> None:
    near, far = socket.socketpair()
    assert near.sendmsg([b"one ", bytearray(b"two "), memoryview(b"three")]) == 13
    one, other = bytearray(5), bytearray(3)
    assert far.recvmsg_into([one, other])[0] == 8
    assert bytes(one + other) == b"one two "
    assert far.recvmsg(100)[0] == b"three"
    near.sendall(b"whole")
    yard.scheduler.call_later(3, near.sendall, b" and rest")
    assert far.recv(14, socket.MSG_WAITALL) == b"whole and rest"
    near.sendall(memoryview(b"abcdef").cast("H"))
    room = bytearray(10)
    assert far.recvfrom_into(room, 4) == (4, None)
    assert far.recv_into(memoryview(room)[4:]) == 2
    assert room[:6] == b"abcdef"
    near.close()
    far.close()


def test_who_shares_a_port_gets_what_its_flow_falls_to(yard: Yard) -> None:
    def share() -> list[int]:
        yard = Yard()
        with yard.on("server") as kernel:
            listeners = [SimulatedSocket() for _ in range(4)]
            for each in listeners:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                each.bind(("", 7000))
                each.listen(100)
        clients = [yard.socket("client") for _ in range(80)]
        for client in clients:
            client.connect_ex((kernel.addresses[0], 7000))
        yard.run(1)
        with yard.on("server"):
            counts = []
            for each in listeners:
                each.setblocking(False)
                accepted = 0
                while kernel.endpoint(each.fileno()).readiness():
                    each.accept()[0].close()
                    accepted += 1
                counts.append(accepted)
        for each in (*listeners, *clients):
            each.close()
        return counts

    counts = share()
    assert sum(counts) == 80
    assert min(counts) > 5
    assert counts == share()


@pytest.mark.unix_sockets
def test_a_blocking_connect_waits_for_room_in_a_unix_backlog(yard: Yard, host: Kernel) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/run/s")
    listener.listen(0)
    first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    first.connect("/run/s")
    second.settimeout(1)
    with pytest.raises(BlockingIOError):
        second.connect("/run/s")
    second.settimeout(None)
    accepted: list[socket.socket] = []
    yard.scheduler.call_later(3, lambda: accepted.append(listener.accept()[0]))
    second.connect("/run/s")
    assert yard.scheduler.now == 3
    for each in (*accepted, first, second, listener):
        each.close()


@pytest.mark.unix_sockets
def test_the_file_of_a_unix_socket_stays_until_it_is_removed(yard: Yard, host: Kernel) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("/run/s")
        first = host.files.get("/run/../run/s")
        assert first is not None
    host.crash()
    with yard.on("one") as kernel, socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(ConnectionRefusedError):
            sock.connect("/run/s")
        with pytest.raises(OSError, match=rf"\[Errno {errno.EADDRINUSE}\]"):
            sock.bind("/run/s")
        kernel.files.remove("/run/s")
        sock.bind("/run/s")
        second = kernel.files.get("/run/s")
        assert second is not None
        assert second.number != first.number
        with pytest.raises(FileNotFoundError):
            kernel.files.remove("/run/t")
        with socket.socket(socket.AF_UNIX) as other, pytest.raises(OSError, match="too long"):
            other.bind("/run/" + "x" * 104)


def test_a_connect_has_its_time(yard: Yard, host: Kernel) -> None:
    address = yard.network.addresses("two")[0], 7000
    began = yard.scheduler.now
    with pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=1.5)
    assert yard.scheduler.now == began + 1.5
    with socket.socket() as sock:
        began = yard.scheduler.now
        with pytest.raises(TimeoutError) as told:
            sock.connect(address)
        assert told.value.errno == errno.ETIMEDOUT
        assert yard.scheduler.now == began + 127
