"""Whatever a program does with UDP sockets, simulated ones answer as those of Linux on its loopback."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from simulated_udp import Net, RealNet, SimulatedNet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is simulated")

_COUNT = 3
_V4, _V6 = socket.AF_INET, socket.AF_INET6

_sockets = st.integers(0, _COUNT - 1)
_hosts = st.sampled_from(["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"])
_ports = st.one_of(st.none(), _sockets)  # a socket's, or any that is free

_steps = st.one_of(
    st.tuples(st.just("open"), _sockets, st.sampled_from([_V4, _V6])),
    st.tuples(st.just("bind"), _sockets, _hosts, _ports),
    st.tuples(st.just("connect"), _sockets, _hosts, _sockets),
    st.tuples(st.just("disconnect"), _sockets),
    st.tuples(st.just("send"), _sockets, st.integers(0, 50)),
    st.tuples(st.just("sendto"), _sockets, _hosts, _sockets, st.integers(0, 50)),
    st.tuples(st.just("receive"), _sockets, st.integers(0, 60), st.sampled_from([0, socket.MSG_PEEK])),
    st.tuples(st.just("option"), _sockets, st.sampled_from(["SO_REUSEADDR", "IPV6_V6ONLY"])),
    st.tuples(st.just("names"), _sockets),
    st.tuples(st.just("readiness"), _sockets),
    st.tuples(st.just("error"), _sockets),
    st.tuples(st.just("end"), _sockets),
    st.tuples(st.just("close"), _sockets),
)


class _Play:
    """A few sockets, and what has come of each step, with ports by whose they were."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._sockets: list[Any] = [net.open() for _ in range(_COUNT)]
        self._families = [_V4] * _COUNT
        self._has = [0] * _COUNT
        self._ports: dict[int, int] = {}  # of a socket, the one it has or had
        self._mapped: dict[int, bool] = {}  # whether a socket was connected over IPv4
        self._whose: dict[int, str] = {0: "none"}

    def perform(self, step: tuple[Any, ...]) -> Any:
        """Does a step; returns what has come of it."""
        what, index, *details = step
        endpoint = self._sockets[index]
        if endpoint is None and what not in ("open", "close"):
            return None
        try:
            outcome = getattr(self, f"_{what}")(index, endpoint, *details)
        except OSError as error:
            outcome = errno.errorcode.get(error.errno or 0, error.errno)
        self._net.settle()
        if self._sockets[index] is not None:
            self._learn(index)
        return outcome

    def _learn(self, index: int, given: int = 0) -> None:
        """Remembers a port that a socket has got, perhaps one that it was given by number."""
        port = self._sockets[index].getsockname()[1]
        if port not in (0, given, self._has[index]) and port in self._whose:
            reject()  # the system gives a port once more that somebody has had
        self._has[index] = port
        if port:
            self._ports[index] = port
            self._whose.setdefault(port, f"port {len(self._whose)}")

    def _name(self, index: int, host: str, whose: int) -> Any:
        if self._families[index] == _V4 and ":" in host:
            host = "127.0.0.1"
        elif self._families[index] == _V6 and ":" not in host:
            host = f"::ffff:{host}"
        return host, self._ports.get(whose, 9)

    def _told(self, name: Any) -> Any:
        return (name[0], self._whose.get(name[1], "unknown")) if isinstance(name, tuple) else name

    def _open(self, index: int, endpoint: Any, family: int) -> None:
        self._close(index, endpoint)
        self._sockets[index] = self._net.open(family)
        self._mapped.pop(index, None)
        self._families[index] = family

    def _close(self, index: int, endpoint: Any) -> None:
        if endpoint is not None:
            endpoint.close()
        self._sockets[index] = None
        self._has[index] = 0

    def _bind(self, index: int, endpoint: Any, host: str, whose: int | None) -> Any:
        host, port = self._name(index, host, index if whose is None else whose)
        given = 0 if whose is None or port == 9 else port
        endpoint.bind((host, given))
        self._learn(index, given)
        return self._told(endpoint.getsockname())

    def _connect(self, index: int, endpoint: Any, host: str, whose: int) -> None:
        name = self._name(index, host, whose)
        mapped = name[0].startswith("::ffff:")
        if self._mapped.setdefault(index, mapped) == mapped:  # else Linux mixes both versions up
            endpoint.connect(name)

    def _disconnect(self, index: int, endpoint: Any) -> None:
        endpoint.connect(None)

    def _send(self, index: int, endpoint: Any, size: int) -> int:
        sent: int = endpoint.send(b"s" * size)
        return sent

    def _sendto(self, index: int, endpoint: Any, host: str, whose: int, size: int) -> int:
        sent: int = endpoint.send(b"t" * size, 0, self._name(index, host, whose))
        return sent

    def _receive(self, index: int, endpoint: Any, size: int, flags: int) -> Any:
        data, name, _, told, length = endpoint.receive(size, flags)
        return data, self._told(name), told & socket.MSG_TRUNC, length

    def _option(self, index: int, endpoint: Any, option: str) -> int:
        level = socket.IPPROTO_IPV6 if option.startswith("IPV6") else socket.SOL_SOCKET
        endpoint.setsockopt(level, getattr(socket, option), 1)
        value: int = endpoint.getsockopt(level, getattr(socket, option))
        return value

    def _names(self, index: int, endpoint: Any) -> Any:
        return self._told(endpoint.getsockname()), self._told(endpoint.getpeername())

    def _readiness(self, index: int, endpoint: Any) -> int:
        flags: int = endpoint.readiness()
        return flags

    def _error(self, index: int, endpoint: Any) -> int:
        code: int = endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return code

    def _end(self, index: int, endpoint: Any) -> None:
        endpoint.shutdown(socket.SHUT_WR)


@given(st.lists(_steps, max_size=30))
def test_a_history_is_as_on_linux(steps: list[tuple[Any, ...]]) -> None:
    real_net = RealNet()
    try:
        real, simulated = _Play(real_net), _Play(SimulatedNet())
        for step in steps:
            wanted = real.perform(step)
            assert (step, simulated.perform(step)) == (step, wanted)
    finally:
        real_net.close()
