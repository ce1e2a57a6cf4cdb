"""Echo over a line that loses and delays what it carries."""

import functools
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from types import ModuleType

from bench import process, toolchain
from bench.figures import ASKED, P50, P99, P999, Sample
from bench.launchers import REPOSITORY
from bench.peer import Peer
from bench.workloads.base import Window
from bench.workloads.load import generate, sample_of

_LINES = REPOSITORY / "tests" / "network" / "lines.py"
_LONGER = 5  # times a window: of few messages much is lost


@dataclass(frozen=True)
class Transport:
    """How a peer is spoken to: the generator of an open loop, and what asks whether the peer is there."""

    generator: str
    serves: Callable[[int], bool]


KCP = Transport("load_open_kcp", process.answers_kcp)
TCP = Transport("load_open", process.accepts_stream)


@dataclass(frozen=True)
class BadLine:
    """An open loop between two network namespaces; the line is that of the tests of netcore's network.

    The peers named in `by_tcp` are spoken to by TCP, the others by KCP. `loss` is the share of packets that
    are lost, and `delay` seconds, either way.
    """

    name: str
    title: str
    peers: tuple[Peer, ...]
    by_tcp: tuple[str, ...]
    loss: float
    delay: float
    connections: int
    size: int
    rate: int
    compared: tuple[str, ...] = (P99, P50, P999)

    def settings(self) -> Mapping[str, float]:
        return {
            "loss": self.loss,
            "delay": self.delay,
            "connections": self.connections,
            "size": self.size,
            "messages per second": self.rate,
            "times the window": _LONGER,
        }

    def missing(self) -> str | None:
        return toolchain.missing_compiler() or _missing_line()

    def measure(self, peer: Peer, window: Window) -> Sample:
        transport = TCP if peer.name in self.by_tcp else KCP
        timing = window.timing.after(peer.settle)
        timing = replace(timing, seconds=_LONGER * timing.seconds)
        shape = (self.connections, self.size, self.rate)
        lines = _lines()
        with closing(lines.Line()) as line:
            line.shape(loss=self.loss, delay=self.delay)
            with (
                line.near.inside(),
                process.serving(
                    lambda port: peer.command(port=port), window.cpus.server, transport.serves
                ) as server,
                line.far.inside(),
            ):
                answer = generate(transport.generator, server, shape, window.cpus, timing, host=lines.NEAR)
        return {**sample_of(answer), ASKED: self.rate}


@functools.cache
def _lines() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lines", _LINES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _missing_line() -> str | None:
    """Says why there can be no such line here, or None."""
    if not _LINES.exists():
        return f"{_LINES.relative_to(REPOSITORY)} is not there"
    if reason := _lines().missing_tool():
        return str(reason)
    try:
        _lines().Line().close()
    except OSError as error:
        return f"this machine or user may not make network namespaces: {error}"
    return None
