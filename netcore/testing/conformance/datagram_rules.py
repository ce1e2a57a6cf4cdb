"""What batched datagrams must do. A backend that has none is not put to these rules."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Final

from netcore._machine import current
from netcore.sockets import CONNECTED, destination_of, pack_name, tell_destinations
from netcore.testing.conformance.rules import require
from netcore.testing.conformance.sockets_bench import SocketsBench
from netcore.testing.conformance.wires import PATIENCE, has_ipv6, set_buffers

__all__ = ["DATAGRAM_RULES"]

_MANY: Final = 100
_LARGE: Final = 9000
"""Bytes of a datagram that every system passes on; macOS and BSD take 9216 unless told otherwise."""

_LONGEST: Final = 65507
"""Bytes that a UDP datagram over IPv4 holds at most."""

_HOSTS: Final[dict[int, str]] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class _Port:
    """A datagram socket under check, and a plain one to talk to it."""

    def __init__(self, bench: SocketsBench, family: int = socket.AF_INET, connected: bool = False) -> None:
        near, far = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (near, far):
            sock.bind((_HOSTS[family], 0))
            set_buffers(sock, 1 << 20, socket.SO_RCVBUF)
        self.name = near.getsockname()
        self.peer = bench.keep(far)
        self.peer_name = pack_name(family, far.getsockname())
        if connected:
            near.connect(far.getsockname())
        self.fd = bench.adopt(near)
        self._bench = bench

    def feed(self, *datagrams: bytes) -> None:
        """Sends datagrams to the socket under check and waits for them."""
        for data in datagrams:
            self.peer.sendto(data, self.name)
        self._bench.arrival(self.fd)

    def receive(self, limit: int = 64) -> list[tuple[bytes | None, bytes]]:
        """Receives, and requires that nothing went wrong."""
        received, code = self._bench.sockets.receive_datagrams(self.fd, limit)
        require(code == 0, f"receive_datagrams() reports {code} where nothing went wrong.")
        return received

    def take(self, size: int, sentence: str) -> list[bytes]:
        """Reads so many datagrams at the peer, or fails with the sentence."""
        data: list[bytes] = []
        try:
            while len(data) < size:
                data.append(self.peer.recv(1 << 17))
        except TimeoutError as error:
            raise AssertionError(f"{sentence} {len(data)} of {size} arrive in {PATIENCE:g} s.") from error
        return data


def _receives_each_datagram_whole(bench: SocketsBench) -> None:
    port = _Port(bench)
    payloads = [b"first", b"", b"x" * 1472, b"last"]
    port.feed(*payloads)
    received = port.receive()
    require(
        [data for data, _ in received] == payloads,
        "receive_datagrams() does not give each datagram whole, empty ones included, and in order.",
    )
    require(
        all(type(data) is bytes and type(name) is bytes for data, name in received),
        "receive_datagrams() gives something other than bytes.",
    )
    require(
        all(name == port.peer_name for _, name in received),
        "receive_datagrams() does not give the packed name of the sender.",
    )


def _keeps_to_the_limit(bench: SocketsBench) -> None:
    port = _Port(bench)
    payloads = [b"%d" % number for number in range(_MANY)]
    port.feed(*payloads)
    first = port.receive(3)
    require(len(first) == 3, f"receive_datagrams() with a limit of 3 gives {len(first)}.")
    rest = port.receive(1000)
    require(
        [data for data, _ in first + rest] == payloads,
        "receive_datagrams() does not go on where the limit has stopped it.",
    )
    require(port.receive() == [], "receive_datagrams() gives datagrams where there are none.")


def _keeps_what_it_gave(bench: SocketsBench) -> None:
    port = _Port(bench)
    port.feed(b"first" * 100)
    ((first, _),) = port.receive()
    port.feed(b"other" * 100)
    port.receive()
    require(first == b"first" * 100, "receive_datagrams() overwrites what it gave before.")


def _tells_what_is_too_long(bench: SocketsBench) -> None:
    port = _Port(bench)
    port.feed(b"before", b"x" * _LARGE, b"behind")
    received = port.receive()
    require(len(received) == 3, f"receive_datagrams() gives {len(received)} of 3 datagrams.")
    data, _ = received[1]
    require(
        data is None or data == b"x" * _LARGE,
        "receive_datagrams() cuts a long datagram short and does not say so.",
    )
    require(
        (received[0][0], received[2][0]) == (b"before", b"behind"),
        "a long datagram spoils its neighbours in receive_datagrams().",
    )


def _sends_each_chunk_as_a_datagram(bench: SocketsBench) -> None:
    for connected in (False, True):
        port = _Port(bench, connected=connected)
        name = CONNECTED if connected else port.peer_name
        chunks: list[bytes | memoryview] = [b"one", b"", memoryview(b"three"), b"z" * _LARGE, b"last"]
        failures = bench.sockets.send_datagrams(port.fd, chunks, [name] * len(chunks))
        require(not failures, f"send_datagrams() reports {list(failures)} where nothing is wrong.")
        require(
            port.take(len(chunks), "send_datagrams() loses datagrams:") == [bytes(chunk) for chunk in chunks],
            "send_datagrams() does not send each chunk as one datagram, empty ones included, in order.",
        )


def _sends_to_each_name(bench: SocketsBench) -> None:
    ports = [_Port(bench) for _ in range(3)]
    names = [port.peer_name for port in ports]
    chunks: list[bytes | memoryview] = [b"%d" % number for number in range(_MANY)]
    bench.sockets.send_datagrams(ports[0].fd, chunks, [names[i % 3] for i in range(_MANY)])
    for i, port in enumerate(ports):
        require(
            port.take(len(chunks[i::3]), "send_datagrams() loses datagrams:") == chunks[i::3],
            "send_datagrams() does not send each chunk to its own name.",
        )


def _reports_the_datagram_that_failed(bench: SocketsBench) -> None:
    port = _Port(bench)
    chunks: list[bytes | memoryview] = [b"before", b"x" * (_LONGEST + 1), b"behind"]
    failures = list(bench.sockets.send_datagrams(port.fd, chunks, [port.peer_name] * 3))
    require(
        failures == [(1, -errno.EMSGSIZE)],
        f"send_datagrams() of one datagram that is too long reports {failures}, not EMSGSIZE for it alone.",
    )
    require(
        port.take(2, "a failure stops send_datagrams():") == [b"before", b"behind"],
        "send_datagrams() mixes up datagrams around one that failed.",
    )


def _sends_nothing_of_no_chunks(bench: SocketsBench) -> None:
    port = _Port(bench)
    require(
        not bench.sockets.send_datagrams(port.fd, [], []), "send_datagrams() of nothing reports failures."
    )


def _speaks_ipv6(bench: SocketsBench) -> None:
    if not has_ipv6():
        return
    port = _Port(bench, socket.AF_INET6)
    port.feed(b"six")
    require(port.receive() == [(b"six", port.peer_name)], "receive_datagrams() gives a wrong IPv6 name.")
    bench.sockets.send_datagrams(port.fd, [b"back"], [port.peer_name])
    require(port.take(1, "send_datagrams() over IPv6:") == [b"back"], "send_datagrams() fails over IPv6.")


def _asks_at(bench: SocketsBench, host: str, dual: bool) -> tuple[int, socket.socket]:
    """Makes a socket under check that is bound to every interface, and a peer that asks it at one address."""
    family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
    near = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        near.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
    tell_destinations(near)
    near.bind(("", 0))
    port = near.getsockname()[1]
    fd = bench.adopt(near)
    peer = bench.keep(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM))
    peer.connect((host, port))  # so that it takes answers from there only
    return fd, peer


def _answers_from_where_it_was_asked(bench: SocketsBench) -> None:
    facts = current().facts
    if facts.ip_pktinfo is None and facts.ip_recvdstaddr is None:
        return
    asked = [("127.0.0.1", False), ("127.0.0.2", False)]
    if has_ipv6():
        asked += [("::1", False), ("127.0.0.2", True), ("::1", True)]
    for host, dual in asked:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.bind((host, 0))
        except OSError:
            continue  # only Linux has all of 127/8
        fd, peer = _asks_at(bench, host, dual)
        for size in (1, 20):
            for number in range(size):
                peer.send(b"%d" % number)
            bench.arrival(fd)
            received, _ = bench.sockets.receive_datagrams(fd, 64)
            require(len(received) == size, f"receive_datagrams() gives {len(received)} of {size} datagrams.")
            told = {str(destination_of(name, 1)) for _, name in received}
            where = f"[{host}]" if ":" in host else host
            require(
                told == {f"udp://{where}:1"},
                f"receive_datagrams() of what was sent to {host} tells the destinations {sorted(told)}.",
            )
            names = [name for _, name in received]
            failures = bench.sockets.send_datagrams(fd, [data or b"" for data, _ in received], names)
            require(not failures, f"send_datagrams() reports {list(failures)} for answers.")
            try:
                answers = [peer.recv(9) for _ in range(size)]
            except TimeoutError as error:
                raise AssertionError(
                    f"send_datagrams() answers what was sent to {host} from another address."
                ) from error
            require(
                answers == [b"%d" % number for number in range(size)], "answers change or their order does."
            )


def _reports_a_refusal(bench: SocketsBench) -> None:
    port = _Port(bench, connected=True)
    port.peer.close()
    bench.sockets.send_datagrams(port.fd, [b"anybody?"], [CONNECTED])
    bench.arrival(port.fd)
    received, code = bench.sockets.receive_datagrams(port.fd, 8)
    require(
        (received, code) in (([], -errno.ECONNREFUSED), ([], -errno.ECONNRESET)),
        f"receive_datagrams() gives {received} and {code} instead of ECONNREFUSED after an ICMP error.",
    )
    received, code = bench.sockets.receive_datagrams(port.fd, 8)
    require((received, code) == ([], 0), "receive_datagrams() reports an ICMP error twice.")


DATAGRAM_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _receives_each_datagram_whole,
    _keeps_to_the_limit,
    _keeps_what_it_gave,
    _tells_what_is_too_long,
    _sends_each_chunk_as_a_datagram,
    _sends_to_each_name,
    _reports_the_datagram_that_failed,
    _sends_nothing_of_no_chunks,
    _speaks_ipv6,
    _answers_from_where_it_was_asked,
    _reports_a_refusal,
)
