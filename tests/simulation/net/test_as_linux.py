"""The same calls on sockets of this machine and on simulated ones see the same: Linux is the reference."""

from __future__ import annotations

import errno
import select
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from simulated import Yard

from netcore._platform import pack_linger
from netcore.poll import Readiness
from netcore.testing.simulation.net.sockets import SimulatedSocket, socketpair

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="about what Linux does")

READ, WRITE, BOTH = socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR


class Here:
    """Sockets of this machine."""

    make: Callable[..., Any] = socket.socket
    make_pair: Callable[..., Any] = staticmethod(socket.socketpair)

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._kept: list[Any] = []
        self.directory = tempfile.TemporaryDirectory(prefix="nc")

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> Any:
        """Makes a socket that does not block."""
        return self.keep(self.make(family, kind))

    def keep(self, sock: Any) -> Any:
        """Closes a socket in the end."""
        sock.setblocking(False)
        self._kept.append(sock)
        return sock

    def listener(self, backlog: int = 8) -> Any:
        """Listens on the loopback interface."""
        sock = self.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen(backlog)
        return sock

    def pair(self) -> tuple[Any, Any]:
        """Connects two sockets by TCP; returns the one that has connected and the accepted one."""
        listener, client = self.listener(), self.socket()
        client.connect_ex(listener.getsockname())
        self.settle()
        accepted = self.keep(listener.accept()[0])
        listener.close()
        client.connect_ex(accepted.getsockname())
        return client, accepted

    def unix_pair(self) -> tuple[Any, Any]:
        """Returns two Unix sockets that are connected."""
        one, other = self.make_pair()
        return self.keep(one), self.keep(other)

    def path(self, name: str) -> str:
        """Returns a path that is nobody's."""
        return str(Path(self.directory.name, name))

    def settle(self) -> None:
        """Lets arrive what is under way; on Linux's loopback interface nothing is."""

    def ready(self, sock: Any) -> Readiness:
        """Returns what a socket is ready for."""
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT)
        found = dict(poll.poll(0)).get(sock.fileno(), 0)
        bits = {
            select.POLLIN: Readiness.READABLE,
            select.POLLOUT: Readiness.WRITABLE,
            select.POLLHUP: Readiness.HANGUP,
            select.POLLERR: Readiness.ERROR,
        }
        return Readiness(sum(flag for bit, flag in bits.items() if found & bit))

    def see(self, what: str, *socks: Any) -> None:
        """Notes what sockets are ready for."""
        self.settle()
        for sock in socks:
            self.seen.append(f"{what}: {self.ready(sock)!r}")

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Notes what a call returns, or its errno."""
        self.settle()
        said = f"{function.__name__}{args if all(isinstance(each, (int, bytes)) for each in args) else ''}"
        try:
            result = function(*args)
        except OSError as error:
            self.seen.append(f"{said}: {errno.errorcode.get(error.errno or 0, str(error))}")
            return None
        self.seen.append(f"{said}: {result if not isinstance(result, tuple) else '...'!r}")
        return result

    def close(self) -> None:
        """Closes everything."""
        for sock in self._kept:
            sock.close()
        self.directory.cleanup()


class There(Here):
    """Sockets of a simulated host."""

    make = SimulatedSocket
    make_pair = staticmethod(socketpair)

    def __init__(self) -> None:
        super().__init__()
        self.yard = Yard()

    def settle(self) -> None:
        """See ``Here``."""
        self.yard.run(0.01)

    def ready(self, sock: Any) -> Readiness:
        """See ``Here``."""
        return Readiness(self.yard.host("one").endpoint(sock.fileno()).readiness())


def _scenario(body: Callable[[Here], None]) -> Callable[[Here], None]:
    SCENARIOS[body.__name__.strip("_")] = body
    return body


SCENARIOS: dict[str, Callable[[Here], None]] = {}


@_scenario
def _new_sockets(w: Here) -> None:
    sock = w.socket()
    w.see("new", sock)
    for call, args in (
        (sock.getpeername, ()),
        (sock.getsockname, ()),
        (sock.recv, (1,)),
        (sock.send, (b"x",)),
        (sock.accept, ()),
        (sock.shutdown, (WRITE,)),
    ):
        w.call(call, *args)
    w.see("after a shutdown", sock)
    w.call(sock.listen, 1)
    w.see("listening after a shutdown", sock)


@_scenario
def _listeners(w: Here) -> None:
    sock = w.listener()
    w.see("listening", sock)
    for call, args in (
        (sock.accept, ()),
        (sock.recv, (1,)),
        (sock.send, (b"x",)),
        (sock.getpeername, ()),
        (sock.connect_ex, (sock.getsockname(),)),
        (sock.listen, (3,)),
        (sock.shutdown, (WRITE,)),
        (sock.accept, ()),
        (sock.shutdown, (READ,)),
        (sock.accept, ()),
    ):
        w.call(call, *args)
    w.see("shut down", sock)


@_scenario
def _binding(w: Here) -> None:
    one = w.listener()
    name = one.getsockname()
    for options in ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,)):
        other = w.socket()
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            other.bind(name)
        except OSError as error:
            w.seen.append(errno.errorcode[error.errno or 0])
        else:
            w.seen.append("bound")
    free = w.socket()
    free.bind(("127.0.0.1", 0))
    w.call(free.bind, ("127.0.0.1", 0))
    w.call(w.socket().bind, ("192.0.2.1", 0))
    first, second = w.socket(), w.socket()
    for each in (first, second):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first.bind(("127.0.0.1", 0))
    second.bind(first.getsockname())
    w.call(first.listen, 1)
    w.call(second.listen, 1)


@_scenario
def _sharing_a_port(w: Here) -> None:
    socks = [w.socket() for _ in range(2)]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    socks[0].bind(("127.0.0.1", 0))
    w.call(socks[0].listen, 5)
    socks[1].bind(socks[0].getsockname())
    w.call(socks[1].listen, 5)


@_scenario
def _wildcards(w: Here) -> None:
    four, six = w.socket(), w.socket(socket.AF_INET6)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    four.bind(("0.0.0.0", 0))
    port = four.getsockname()[1]
    four.listen()
    try:
        six.bind(("::", port))
        w.seen.append("bound")
    except OSError as error:
        w.seen.append(errno.errorcode[error.errno or 0])
    only = w.socket(socket.AF_INET6)
    only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    only.bind(("::", port))
    w.call(only.listen)
    w.call(only.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


@_scenario
def _dual_stack(w: Here) -> None:
    six = w.socket(socket.AF_INET6)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    six.bind(("::", 0))
    six.listen()
    port = six.getsockname()[1]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")):
        client = w.socket(family)
        client.connect_ex((host, port))
        w.settle()
        accepted, name = six.accept()
        w.keep(accepted)
        w.seen += [str(name[0]), str(accepted.getsockname()[0]), str(client.getpeername()[0])]


@_scenario
def _connecting(w: Here) -> None:
    listener, client = w.listener(), w.socket()
    client.connect_ex(listener.getsockname())
    w.see("connected", client, listener)
    w.call(client.connect_ex, ("127.0.0.1", 1))
    w.call(client.connect_ex, ("127.0.0.1", 1))
    w.call(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    w.call(client.recv, 1)
    w.call(client.listen)
    accepted = w.keep(listener.accept()[0])
    w.see("accepted", accepted, listener)
    w.call(client.send, b"x")
    w.see("bytes", accepted)


@_scenario
def _refused(w: Here) -> None:
    listener = w.listener()
    name = listener.getsockname()
    listener.close()
    client = w.socket()
    w.seen.append(errno.errorcode[client.connect_ex(name)])
    w.see("refused", client)
    w.call(client.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
    w.see("told", client)
    w.seen.append(errno.errorcode[client.connect_ex(name)])
    w.call(client.send, b"x")
    w.call(client.send, b"x")
    w.call(client.recv, 1)
    other = w.socket()
    other.connect_ex(name)
    w.settle()
    w.seen.append(errno.errorcode[other.connect_ex(name)])
    w.seen.append(errno.errorcode[other.connect_ex(name)])
    w.call(other.recv, 1)
    w.call(other.getpeername)
    for timeout in (None, 5):
        waiting = w.socket()
        waiting.settimeout(timeout)
        for _ in range(3):
            w.seen.append(f"{timeout}: {errno.errorcode[waiting.connect_ex(name)]}")


@_scenario
def _nothing_asked_for(w: Here) -> None:
    client, accepted = w.pair()
    w.call(client.recv, 0)
    w.call(client.recv_into, bytearray())
    w.call(accepted.send, b"x")
    w.call(client.recv, 0)
    w.call(client.recv, 9)
    datagrams = w.socket(kind=socket.SOCK_DGRAM)
    w.call(datagrams.recv, 0)
    w.call(datagrams.recv, 1)


@_scenario
def _half_close(w: Here) -> None:
    client, server = w.pair()
    w.see("connected", client, server)
    client.send(b"abc")
    w.call(client.shutdown, WRITE)
    w.see("half-closed", client, server)
    w.call(client.send, b"x")
    w.call(server.recv, 2)
    w.see("bytes left", server)
    w.call(server.recv, 2)
    w.call(server.recv, 2)
    w.call(server.send, b"answer")
    w.see("answered", client)
    w.call(client.recv, 10)
    w.call(client.recv, 10)
    w.call(server.shutdown, WRITE)
    w.see("both ended", client, server)
    w.call(client.recv, 10)
    for sock in (client, server):
        w.call(sock.getpeername)
        w.call(sock.send, b"x")
        w.call(sock.shutdown, WRITE)
        w.call(sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)


@_scenario
def _shut_for_reading(w: Here) -> None:
    client, server = w.pair()
    w.call(server.shutdown, READ)
    w.see("shut", client, server)
    w.call(server.recv, 1)
    w.call(client.send, b"abc")
    w.see("sent", client, server)
    w.call(server.recv, 10)
    w.call(server.recv, 10)
    w.call(server.shutdown, WRITE)
    w.see("shut both", client, server)
    w.call(client.send, b"x")
    w.see("sent again", client, server)
    w.call(client.recv, 1)
    w.call(client.recv, 1)
    w.call(server.recv, 1)


@_scenario
def _closed_by_the_peer(w: Here) -> None:
    client, server = w.pair()
    client.close()
    w.see("closed", server)
    w.call(server.send, b"first")
    w.see("reset", server)
    w.call(server.recv, 1)
    w.call(server.send, b"second")
    w.call(server.send, b"third")
    w.call(server.recv, 1)
    w.call(server.getpeername)


@_scenario
def _closed_with_unread_bytes(w: Here) -> None:
    client, server = w.pair()
    server.send(b"unread")
    client.send(b"last words")
    w.settle()
    client.close()
    w.see("closed", server)
    w.call(server.recv, 4)
    w.call(server.recv, 20)
    w.call(server.recv, 20)
    w.call(server.recv, 20)
    w.call(server.send, b"x")


@_scenario
def _reset(w: Here) -> None:
    for told in (True, False):
        client, server = w.pair()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
        client.close()
        w.see("reset", server)
        if told:
            w.call(server.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
        w.call(server.send, b"x")
        w.call(server.send, b"x")
        w.call(server.recv, 1)
        w.see("after that", server)
        w.call(server.shutdown, WRITE)


@_scenario
def _reset_after_an_end(w: Here) -> None:
    client, server = w.pair()
    client.shutdown(WRITE)
    w.settle()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
    client.close()
    w.see("reset", server)
    w.call(server.recv, 1)
    w.call(server.send, b"x")


@_scenario
def _listener_closed_before_accept(w: Here) -> None:
    listener, client = w.listener(), w.socket()
    client.connect_ex(listener.getsockname())
    w.settle()
    client.connect_ex(listener.getsockname())
    listener.close()
    w.see("reset", client)
    w.call(client.recv, 1)
    w.call(client.recv, 1)


@_scenario
def _closed_while_waiting(w: Here) -> None:
    listener, client = w.listener(), w.socket()
    client.connect_ex(listener.getsockname())
    w.settle()
    client.send(b"hello")
    client.close()
    w.see("waiting", listener)
    accepted = w.keep(listener.accept()[0])
    w.see("accepted", accepted)
    w.call(accepted.recv, 10)
    w.call(accepted.recv, 10)


@_scenario
def _peeking(w: Here) -> None:
    for client, server in (w.pair(), w.unix_pair()):
        client.send(b"abcdef")
        w.call(server.recv, 3, socket.MSG_PEEK)
        w.call(server.recv, 0)
        w.call(server.recv, 4)
        w.call(server.recv, 10, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        w.call(server.recvfrom, 10)
        w.call(server.recv, 10, socket.MSG_PEEK)
        w.call(client.send, b"")
        w.see("nothing", server)


@_scenario
def _options(w: Here) -> None:
    sock = w.socket()
    sol, tcp = socket.SOL_SOCKET, socket.IPPROTO_TCP
    for level, option in (
        (sol, socket.SO_TYPE),
        (sol, socket.SO_DOMAIN),
        (sol, socket.SO_PROTOCOL),
        (sol, socket.SO_ACCEPTCONN),
        (sol, socket.SO_REUSEADDR),
        (sol, socket.SO_KEEPALIVE),
        (tcp, socket.TCP_NODELAY),
        (tcp, socket.TCP_KEEPIDLE),
        (tcp, socket.TCP_KEEPINTVL),
        (tcp, socket.TCP_KEEPCNT),
        (tcp, socket.TCP_USER_TIMEOUT),
        (sol, 9999),
        (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
    ):
        w.call(sock.getsockopt, level, option)
    for level, option, value in (
        (sol, socket.SO_REUSEADDR, 7),
        (sol, socket.SO_KEEPALIVE, 1),
        (tcp, socket.TCP_NODELAY, 3),
        (tcp, socket.TCP_KEEPIDLE, 0),
        (tcp, socket.TCP_KEEPIDLE, 32768),
        (tcp, socket.TCP_KEEPIDLE, 20),
        (tcp, socket.TCP_USER_TIMEOUT, 3000),
        (tcp, socket.TCP_USER_TIMEOUT, -1),
        (sol, socket.SO_LINGER, pack_linger(7)),
        (sol, socket.SO_LINGER, 1),
        (sol, 9999, 1),
        (sol, socket.SO_RCVBUF, 10000),
        (sol, socket.SO_SNDBUF, 10000),
        (sol, socket.SO_RCVBUF, 0),
        (sol, socket.SO_SNDBUF, 0),
    ):
        w.call(sock.setsockopt, level, option, value)
        if level != sol or option != 9999:
            w.call(sock.getsockopt, level, option)
    w.call(sock.getsockopt, sol, socket.SO_LINGER, 8)
    listener = w.listener()
    w.call(listener.getsockopt, sol, socket.SO_ACCEPTCONN)
    one, _ = w.unix_pair()
    w.call(one.setsockopt, tcp, socket.TCP_NODELAY, 1)
    w.call(one.getsockopt, sol, socket.SO_DOMAIN)


@_scenario
def _inherited_options(w: Here) -> None:
    listener, client = w.listener(), w.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.connect_ex(listener.getsockname())
    w.settle()
    accepted = w.keep(listener.accept()[0])
    w.call(accepted.getsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    w.call(accepted.getsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    w.seen.append(str(accepted.gettimeout()))


@_scenario
def _unix_sockets(w: Here) -> None:
    path = w.path("s")
    client = w.socket(socket.AF_UNIX)
    w.see("new", client)
    w.seen.append(errno.errorcode[client.connect_ex(path)])
    for call, args in ((client.recv, (1,)), (client.send, (b"x",)), (client.getpeername, ())):
        w.call(call, *args)
    listener = w.socket(socket.AF_UNIX)
    w.call(listener.listen, 1)
    listener.bind(path)
    w.seen.append(errno.errorcode[client.connect_ex(path)])
    w.call(listener.listen, 0)
    w.see("listening", listener)
    w.seen.append(str(client.connect_ex(path)))
    w.seen.append(errno.errorcode[client.connect_ex(path)])
    w.see("connected", client, listener)
    w.call(client.send, b"early")
    third = w.socket(socket.AF_UNIX)
    w.seen.append(errno.errorcode[third.connect_ex(path)])
    accepted, name = listener.accept()
    w.keep(accepted)
    w.seen += [repr(name), accepted.getsockname()[-2:], client.getpeername()[-2:]]
    w.call(accepted.recv, 10)
    w.seen.append(str(third.connect_ex(path)))
    listener.close()
    w.see("never accepted", third)
    w.call(third.recv, 1)
    w.call(third.recv, 1)
    w.call(third.send, b"x")
    fourth = w.socket(socket.AF_UNIX)
    w.seen.append(errno.errorcode[fourth.connect_ex(path)])
    probe = w.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    w.seen.append(errno.errorcode[probe.connect_ex(path)])
    again = w.socket(socket.AF_UNIX)
    try:
        again.bind(path)
    except OSError as error:
        w.seen.append(errno.errorcode[error.errno or 0])


@_scenario
def _probing_a_unix_listener(w: Here) -> None:
    path = w.path("s")
    listener = w.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    probe = w.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    w.seen.append(errno.errorcode[probe.connect_ex(path)])
    w.see("probed", listener)


@_scenario
def _abstract_names(w: Here) -> None:
    name = f"\0netcore.{id(w)}"
    listener = w.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    client = w.socket(socket.AF_UNIX)
    w.seen.append(str(client.connect_ex(name)))
    w.seen.append(str(type(client.getpeername())))
    listener.close()
    other = w.socket(socket.AF_UNIX)
    w.seen.append(errno.errorcode[other.connect_ex(name)])


@_scenario
def _unix_ends(w: Here) -> None:
    one, other = w.unix_pair()
    w.see("pair", one, other)
    one.send(b"bye")
    one.shutdown(WRITE)
    w.see("half-closed", one, other)
    w.call(other.recv, 10)
    w.call(other.recv, 10)
    w.call(other.send, b"answer")
    w.call(one.recv, 10)
    other.close()
    w.see("closed", one)
    w.call(one.send, b"x")
    w.call(one.recv, 1)
    w.call(one.getpeername)
    one, other = w.unix_pair()
    one.send(b"unread")
    other.close()
    w.see("closed with unread bytes", one)
    w.call(one.recv, 1)
    w.call(one.recv, 1)
    w.call(one.send, b"x")
    one, other = w.unix_pair()
    w.call(one.shutdown, READ)
    w.see("shut for reading", one, other)
    w.call(other.send, b"x")
    w.call(w.socket(socket.AF_UNIX).shutdown, WRITE)


@_scenario
def _duplicates(w: Here) -> None:
    client, server = w.pair()
    copy = w.keep(client.dup())
    client.send(b"one ")
    client.close()
    w.see("a duplicate is open", server)
    copy.send(b"two")
    w.call(server.recv, 10)
    copy.setblocking(True)
    third = w.keep(copy.dup())
    w.call(third.shutdown, WRITE)
    w.call(copy.send, b"x")
    w.call(server.recv, 10)


@_scenario
def _after_a_close(w: Here) -> None:
    sock = w.socket()
    sock.close()
    sock.close()
    w.seen.append(str(sock.fileno()))
    for call, args in (
        (sock.recv, (1,)),
        (sock.send, (b"x",)),
        (sock.getsockname, ()),
        (sock.listen, ()),
        (sock.setblocking, (False,)),
        (sock.shutdown, (WRITE,)),
        (sock.connect_ex, (("127.0.0.1", 9),)),
    ):
        w.call(call, *args)


@_scenario
def _objects(w: Here) -> None:
    sock = w.socket()
    fd = sock.detach()
    w.seen.append(str(sock.fileno()))
    over = w.keep(w.make(fileno=fd))
    w.seen += [str(over.family), str(over.type), str(over.proto), str(over.gettimeout())]
    over.settimeout(2)
    w.seen += [str(over.gettimeout()), str(over.getblocking())]
    over.setblocking(False)
    w.seen += [str(over.gettimeout()), str(over.getblocking())]
    w.call(over.getpeername)
    with w.socket() as managed:
        pass
    w.seen.append(str(managed.fileno()))


def _run(w: Here, body: Callable[[Here], None]) -> list[str]:
    with ExitStack() as stack:
        stack.callback(w.close)
        if isinstance(w, There):
            stack.enter_context(w.yard.on("one"))
        body(w)
    return w.seen


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> Iterator[Callable[[Here], None]]:
    yield SCENARIOS[request.param]


def test_simulated_sockets_do_as_those_of_this_machine(scenario: Callable[[Here], None]) -> None:
    real, simulated = _run(Here(), scenario), _run(There(), scenario)
    assert simulated == real
