"""What lies between simulated hosts: latency, bandwidth, loss, and lines that are cut.

Between any two hosts there are two paths, one for each direction, and one from each host to itself. A path
says when what leaves now arrives, if it does; what is sent, and what happens at the arrival, is the sockets'
business.

What is constant and harmless costs no random number: with a fixed latency and no loss a packet takes one
addition. So a world's randomness is spent only where somebody has asked for some.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from netcore.testing.simulation.arguments import check_host

if TYPE_CHECKING:
    from netcore.testing.simulation.scheduler import Scheduler
    from netcore.testing.simulation.trace import Trace

__all__ = [
    "LATENCY",
    "LOOPBACK_LATENCY",
    "Links",
    "Number",
    "Path",
    "drawn",
    "number_of",
    "shape_of",
    "text_of",
]

Number = float | Callable[[random.Random], float]
"""A number, or what draws one from the source of randomness each time that it is needed."""

LATENCY = 0.001
"""Seconds from one host to another, unless a link says otherwise."""

LOOPBACK_LATENCY = 0.000_020
"""Seconds from a host to itself."""

_OVERTAKEN = 4.0
"""How many latencies a packet is held back at most so that others overtake it."""


class Sleeper(Protocol):
    """Who asks nothing as long as the answer is certain."""

    def wake(self) -> None:
        """Tells that it is not any more."""


class Path:
    """One direction between two hosts, or from a host to itself.

    Attributes:
        source: The host that sends.
        target: The host that receives.
        cut: Whether nothing passes. What is under way is not lost by it alone: ask again at the arrival.
        busy_until: When the last byte of what was sent so far has left, in virtual seconds; in the past
            unless there is a bandwidth.
        relying: Who is to be woken once it is not certain any more that what is sent arrives, and when.
    """

    __slots__ = (
        "_bandwidth",
        "_duplicate",
        "_latency",
        "_loss",
        "_plain",
        "_reorder",
        "_scheduler",
        "busy_until",
        "cut",
        "relying",
        "source",
        "target",
    )

    def __init__(self, scheduler: Scheduler, source: str, target: str) -> None:
        self.source: str = source
        self.target: str = target
        self.cut: bool = False
        self.busy_until: float = 0.0
        self.relying: dict[Sleeper, None] = {}
        self._scheduler = scheduler
        self.shape()

    def shape(
        self,
        latency: Number | None = None,
        bandwidth: Number | None = None,
        loss: Number = 0.0,
        reorder: Number = 0.0,
        duplicate: Number = 0.0,
    ) -> None:
        """Changes what it is like for what is sent from now on; see ``Links.link``."""
        if latency is None:
            latency = LOOPBACK_LATENCY if self.source == self.target else LATENCY
        self._latency = latency
        self._bandwidth = bandwidth
        self._loss = loss
        self._reorder = reorder
        self._duplicate = duplicate
        plain = bandwidth is None and loss == 0.0 and reorder == 0.0
        self._plain = latency if plain and not callable(latency) else None
        self._wake()

    def sever(self) -> None:
        """Has nothing pass."""
        self.cut = True
        self._wake()

    def _wake(self) -> None:
        for each in list(self.relying):
            each.wake()

    @property
    def certain_latency(self) -> float | None:
        """Seconds that whatever is sent takes for certain; None if that is not so."""
        return None if self.cut else self._plain

    def shaped(self) -> dict[str, Number | None]:
        """Returns what it is like, as the keywords with which ``shape`` makes it so."""
        return {
            "latency": self._latency,
            "bandwidth": self._bandwidth,
            "loss": self._loss,
            "reorder": self._reorder,
            "duplicate": self._duplicate,
        }

    def transmit(self, size: int) -> float | None:
        """Sends a packet that others may overtake, and that may overtake others.

        Args:
            size: Its bytes, headers included.

        Returns:
            When it arrives, in virtual seconds; None if it is lost on the way, or the path is cut.
        """
        return self._arrival(size, self._reorder)

    def in_order(self, size: int) -> float | None:
        """Sends a segment of a stream, which keeps its bytes in order itself: ``reorder`` does not apply.

        Args:
            size: Its bytes, headers included.

        Returns:
            When it arrives, in virtual seconds; None if it is lost on the way, or the path is cut.
        """
        return self._arrival(size, 0.0)

    def _arrival(self, size: int, reorder: Number) -> float | None:
        if self.cut:
            return None
        if self._plain is not None:
            return self._scheduler.now + self._plain
        leaves = self._leave(size)
        if self._loss and self._chance(self._loss, "loss"):
            return None
        latency = self._drawn(self._latency, "latency")
        if reorder and self._chance(reorder, "reorder"):
            latency += self._scheduler.random.random() * _OVERTAKEN * (latency or LATENCY)
        return leaves + latency

    def duplicated(self) -> bool:
        """Whether a packet that is sent now arrives twice; each time is asked of ``transmit``."""
        return bool(self._duplicate) and not self.cut and self._chance(self._duplicate, "duplicate")

    def _leave(self, size: int) -> float:
        """Puts a packet behind those that wait for the line; returns when its last byte leaves."""
        now = self._scheduler.now
        if self._bandwidth is None:
            return now
        rate = self._drawn(self._bandwidth, "bandwidth")
        if not rate:
            raise ValueError(f"bandwidth from {self.source} to {self.target} has come out as 0")
        self.busy_until = max(now, self.busy_until) + size / rate
        return self.busy_until

    def _chance(self, probability: Number, what: str) -> bool:
        chance = self._drawn(probability, what, 1.0)
        return chance > 0.0 and self._scheduler.random.random() < chance

    def _drawn(self, value: Number, what: str, most: float = math.inf) -> float:
        """Returns a number, drawn if it is to be."""
        if not callable(value):
            return value
        return drawn(value, self._scheduler.random, what, most, ("from", self.source, "to", self.target))


class Links:
    """All paths of a world.

    Hosts are known by their names alone, so that a link can be described before there is a host.

    Args:
        scheduler: Has the time and the randomness.
        trace: Is told of every change.
    """

    def __init__(self, scheduler: Scheduler, trace: Trace) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self._paths: dict[tuple[str, str], Path] = {}

    def path(self, source: str, target: str) -> Path:
        """Returns one direction between two hosts; it is there from the first question on."""
        path = self._paths.get((source, target))
        if path is None:
            path = self._paths[source, target] = Path(self._scheduler, source, target)
        return path

    def link(
        self,
        a: str,
        b: str,
        *,
        latency: Number | None = None,
        bandwidth: Number | None = None,
        loss: Number = 0.0,
        reorder: Number = 0.0,
        duplicate: Number = 0.0,
    ) -> None:
        """Says what lies between two hosts, from now on and in both directions.

        Each value is a number or a function of the source of randomness, which is asked for each packet. What
        is not given is as at the beginning; a partition stays as it is.

        Args:
            a: A host's name.
            b: The other's; the same for what a host sends to itself, which is never lost.
            latency: Seconds on the way: ``LATENCY`` if None, ``LOOPBACK_LATENCY`` on a host itself.
            bandwidth: Bytes per second, for which packets wait in line; None for as many as you like.
            loss: How likely a packet is to be lost, 0 to 1. Of a stream it is sent again, which takes time.
            reorder: How likely a datagram is to be held back for up to four latencies, while others pass.
            duplicate: How likely a datagram is to arrive twice.

        Raises:
            TypeError: A value is neither a number nor a function, or a name is no text.
            ValueError: A value is out of its range.
        """
        shape = shape_of(a, b, latency, bandwidth, loss=loss, reorder=reorder, duplicate=duplicate)
        for source, target in dict.fromkeys([(a, b), (b, a)]):
            self.path(source, target).shape(**shape)
        detail = " ".join(f"{what}={text_of(value)}" for what, value in shape.items() if value)
        self._trace.add("link", a, b, "", detail)

    def partition(self, a: str, b: str, one_way: bool = False) -> None:
        """Cuts what lies between two hosts; what is under way does not arrive, unless it is healed before.

        Args:
            a: A host's name.
            b: The other's.
            one_way: Whether only what ``a`` sends is cut off.

        Raises:
            TypeError: A name is no text, or ``one_way`` no bool.
            ValueError: They are the same.
        """
        self._check_two(a, b)
        if not isinstance(one_way, bool):  # a third host, say
            raise TypeError(f"one_way is {one_way!r}: it must be a bool")
        self.path(a, b).sever()
        if not one_way:
            self.path(b, a).sever()
        self._trace.add("partition", a, b, "", "one way" if one_way else "")

    def heal(self, a: str, b: str) -> None:
        """Ends every partition of two hosts. Idempotent.

        Raises:
            TypeError: A name is no text.
            ValueError: They are the same.
        """
        self._check_two(a, b)
        self.path(a, b).cut = self.path(b, a).cut = False
        self._trace.add("heal", a, b)

    def cuts(self) -> list[tuple[str, str]]:
        """Returns the directions that are cut, each as who sends and who would receive."""
        return [key for key, path in self._paths.items() if path.cut]

    def _check_two(self, a: str, b: str) -> None:
        check_host(a)
        check_host(b)
        if a == b:
            raise ValueError(f"b is {b!r}, as a is: a host is never cut off from itself")


def shape_of(
    a: str, b: str, latency: Number | None = None, bandwidth: Number | None = None, **chances: Number
) -> dict[str, Any]:
    """Returns what is to lie between two hosts, as the keywords of ``Path.shape``.

    Args:
        a: See ``Links.link``, as for the rest.
        b: See there.
        latency: See there.
        bandwidth: See there.
        chances: Loss, reorder and duplicate, see there.

    Raises:
        TypeError: See there.
        ValueError: See there.
    """
    check_host(a)
    check_host(b)
    latency = None if latency is None else number_of(latency, "latency")
    bandwidth = None if bandwidth is None else number_of(bandwidth, "bandwidth")
    if bandwidth == 0:
        raise ValueError("bandwidth is 0: it must be bytes per second, above zero; see partition()")
    chances = {what: number_of(value, what, 1.0) for what, value in chances.items()}
    if a == b and any(chances.values()):
        what = next(what for what, value in chances.items() if value)
        raise ValueError(f"{what} is between hosts: what {a!r} sends to itself arrives")
    return {"latency": latency, "bandwidth": bandwidth, **chances}


def number_of(value: Number, what: str, most: float = math.inf) -> Number:
    """Returns what a ``Number`` of somebody's is to be: a finite float, or the function.

    Args:
        value: What was given.
        what: The argument's name, for the message.
        most: What a number must not be above.

    Raises:
        TypeError: It is neither a number nor a function.
        ValueError: It is negative, not finite, or too much.
    """
    return value if callable(value) else _checked(value, what, most)


def drawn(
    value: Number, source: random.Random, what: str, most: float = math.inf, where: tuple[str, ...] = ()
) -> float:
    """Returns a ``Number`` as a number; what a function gives is judged like what ``number_of`` is given.

    Args:
        value: The number or the function.
        source: The world's source of randomness.
        what: What it is, for the message.
        most: What it must not be above.
        where: The words that follow, for the message.
    """
    if not callable(value):
        return value
    number = value(source)
    if type(number) is float and 0.0 <= number <= most and number != math.inf:
        return number
    return _checked(number, " ".join((what, *where)), most)


def text_of(value: Number | None) -> str:
    """Returns a number for a trace; a function by its name, which is the same in every run."""
    if not callable(value):
        return f"{value:g}" if value is not None else ""
    return f"{getattr(value, '__name__', type(value).__name__)}()"


def _checked(value: object, what: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is {value!r}: it must be a number, or a function of a random source")
    if not 0 <= value <= min(most, sys.float_info.max):
        span = "zero or more, and finite" if most == math.inf else f"0 to {most:g}"
        raise ValueError(f"{what} is {value!r}: it must be {span}")
    return float(value)
