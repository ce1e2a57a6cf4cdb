"""Connections made, ended and cut off in every order, on hosts that crash: nothing is left behind."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import suppress
from typing import Any

import pytest
from simulated import Yard

from netcore._platform import pack_linger

_EXPECTED = {
    errno.EAGAIN,
    errno.EINPROGRESS,
    errno.EALREADY,
    errno.EISCONN,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.ECONNABORTED,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.EINVAL,
    errno.EADDRINUSE,
}
_ACTS = [
    *("bind", "listen", "shutdown", "disconnect", "linger", "keep_alive"),
    *("connect", "accept", "send", "receive", "close") * 2,
]
HOSTS = ("client", "server", "third")


class Storm:
    """A yard in which anything is done to anything."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.yard = Yard(seed, latency=0.01)
        self.socks: dict[str, list[Any]] = {host: [] for host in HOSTS}
        for losing in self.yard.losing.values():
            losing.rate = self.source.choice((0.0, 0.05, 0.3))

    def act(self) -> None:
        """Does one thing."""
        source, yard = self.source, self.yard
        host = source.choice(HOSTS)
        socks = self.socks[host]
        act = source.random()
        if act < 0.005:
            yard.host(host).crash()
            for sock in socks:
                sock.close()
            socks.clear()
        elif act < 0.02:
            yard.cut(*source.sample(HOSTS, 2), one_way=source.random() < 0.5)
        elif act < 0.06:
            yard.heal(*source.sample(HOSTS, 2))
        elif act < 0.08:
            self._serve(host)
        elif act < 0.16 or not socks:
            socks.append(yard.socket(host))
        else:
            with yard.on(host):
                self._use(host, source.choice(socks))
        yard.run(source.choice((0, 0, 0.001, 0.02, 0.3, 5)))

    def _serve(self, host: str) -> None:
        """Listens, unless somebody does so."""
        sock = self.yard.socket(host)
        self.socks[host].append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            sock.bind(("", 7000))
            sock.listen(5)

    def _use(self, host: str, sock: Any) -> None:
        source = self.source
        act = source.choice(_ACTS)
        try:
            if act == "bind":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("", source.choice((7000, 7001))))
            elif act == "listen":
                sock.listen(source.choice((0, 3)))
            elif act == "connect":
                other = source.choice(HOSTS)
                target = self.yard.network.addresses(other)[0] if other != host else "127.0.0.1"
                sock.connect((target, source.choice((7000, 7000, 7000, 7001))))
            elif act == "accept":
                accepted, _ = sock.accept()
                accepted.setblocking(False)
                self.socks[host].append(accepted)
            elif act == "send":
                sock.send(bytes(source.choice((1, 1_000, 300_000))))
            elif act == "receive":
                sock.recv(source.choice((1, 1_000, 300_000)))
            elif act == "shutdown":
                sock.shutdown(source.choice((0, 1, 2)))
            elif act == "disconnect":
                sock.disconnect()
            elif act == "linger":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(source.choice((0, -1))))
            elif act == "keep_alive":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            else:
                self.socks[host].remove(sock)
                sock.close()
        except OSError as error:
            assert error.errno in _EXPECTED, f"{act} gives {error!r}"

    def end(self) -> None:
        """Closes everything, and lets what is under way come to its end."""
        for one, other in (HOSTS[:2], HOSTS[1:], HOSTS[::2]):
            self.yard.heal(one, other)
        for losing in self.yard.losing.values():
            losing.rate = 0.0
        for host, socks in self.socks.items():
            with self.yard.on(host):
                for sock in socks:
                    sock.close()
        self.yard.run(3_000)


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_left_behind(seed: int) -> None:
    storm = Storm(seed)
    for _ in range(400):
        storm.act()
    storm.end()
    assert storm.yard.scheduler.next_time() is None
    assert not len(storm.yard.network.descriptors)
    for host in HOSTS:
        ports = storm.yard.host(host).tcp_ports
        left = [port for port in (7000, 7001, *range(49152, 49300)) if ports.holders(port)]
        assert not left


def test_a_storm_is_the_same_each_time() -> None:
    digests = []
    for seed in (1, 1, 2):
        storm = Storm(seed)
        for _ in range(200):
            storm.act()
        storm.end()
        digests.append(storm.yard.trace.digest())
    assert digests[0] == digests[1] != digests[2]
