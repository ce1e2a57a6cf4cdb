"""What goes wrong, and when: by script, or at random with a seed."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

__all__ = ["BROKEN_FAULTS", "GENTLE_FAULTS", "HARSH_FAULTS", "Fault", "FaultPlan", "Raised", "Short"]


class Short(NamedTuple):
    """The operation does less than it could.

    Attributes:
        size: Bytes that are received or sent, connections accepted, or events reported, at most.
    """

    size: int


class Raised(NamedTuple):
    """The method raises instead of doing anything.

    Attributes:
        error: What, made without arguments.
    """

    error: type[Exception]


Fault = int | Short | Raised
"""An errno with which an operation fails, how little it does, or what is raised instead of it."""

GENTLE_FAULTS: Final[Mapping[str, Sequence[Fault]]] = {
    "receive": (errno.EAGAIN, errno.EINTR, Short(1), Short(7)),
    "send": (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, Short(1), Short(7)),
    "accept": (errno.EAGAIN, errno.EINTR, Short(1)),
    "connect": (errno.EINPROGRESS,),
    "wait": (errno.EAGAIN, errno.EINTR, Short(1)),
}
"""What a correct program survives without a connection noticing: nothing is lost, it only takes longer."""

HARSH_FAULTS: Final[Mapping[str, Sequence[Fault]]] = {
    "receive": (*GENTLE_FAULTS["receive"], errno.ECONNRESET, errno.ETIMEDOUT),
    "send": (*GENTLE_FAULTS["send"], errno.ECONNRESET, errno.EPIPE),
    "accept": (*GENTLE_FAULTS["accept"], errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED),
    "connect": (*GENTLE_FAULTS["connect"], errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH),
    "register": (errno.ENOSPC, errno.ENOMEM),
    "wait": GENTLE_FAULTS["wait"],
}
"""These, and such as cost a connection."""


_RAISED: Final = (Raised(OSError), Raised(ValueError), Raised(MemoryError))

BROKEN_FAULTS: Final[Mapping[str, Sequence[Fault]]] = {
    **HARSH_FAULTS,
    "register": (*HARSH_FAULTS["register"], *_RAISED),
    "wait": (*HARSH_FAULTS["wait"], Raised(OSError), Raised(MemoryError)),
    **dict.fromkeys(
        ("modify", "unregister", "attach", "accepting", "receiving", "sending", "shutdown_write"), _RAISED
    ),
}
"""These, and pollers and sockets that raise what they should return, or should never come to."""


class FaultPlan:
    """Decides for each operation of ``FaultySockets`` and ``FaultyPoller`` whether it goes wrong.

    Operations are "receive", "send", "accept" (once for each socket or chunk of a batch), "connect" (at the
    call, and whenever ``connected`` asks), "register", "modify", "unregister", "wait", "attach" and
    "shutdown_write"; "accepting", "receiving" and "sending" are whole calls, which raise. What is scripted
    comes first; after that faults come at random. On one thread only.

    Args:
        rate: How often an operation goes wrong at random, from 0 to 1.
        seed: Of the random faults; the same seed and the same operations give the same faults.
        faults: What may go wrong at random, by operation.

    Attributes:
        injected: How often which fault was injected, such as ``("receive", "EINTR")``.
    """

    def __init__(
        self, rate: float = 0.0, seed: int = 0, faults: Mapping[str, Sequence[Fault]] = GENTLE_FAULTS
    ) -> None:
        self.rate = rate
        self.injected: Counter[tuple[str, str]] = Counter()
        self._random = random.Random(seed)
        self._faults = faults
        self._scripts: defaultdict[str, deque[Fault | None]] = defaultdict(deque)

    @property
    def rate(self) -> float:
        """How often an operation goes wrong at random, from 0 to 1; may be changed at any time.

        Raises:
            TypeError: What it is set to is no number.
            ValueError: It is below 0 or above 1.
        """
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise TypeError(f"rate is {rate!r}: it must be a number")
        if not 0 <= rate <= 1:
            raise ValueError(f"rate is {rate!r}: it must be 0 to 1")
        self._rate = float(rate)

    @property
    def idle(self) -> bool:
        """Whether nothing is going to go wrong: no faults come at random, and none is scripted."""
        return not self._rate and not any(self._scripts.values())

    def script(self, operation: str, *faults: Fault | None) -> None:
        """Says what happens to the next operations of a kind; None lets one pass.

        Raises:
            ValueError: There is no such operation.
        """
        if operation not in BROKEN_FAULTS:  # which has them all
            raise ValueError(f"{operation!r} is no operation: there are {', '.join(sorted(BROKEN_FAULTS))}")
        self._scripts[operation].extend(faults)

    def calm(self) -> None:
        """Nothing goes wrong from now on."""
        self.rate = 0.0
        self._scripts.clear()

    def draw(self, operation: str) -> int | Short | None:
        """Returns what is to go wrong with the next operation of this kind; None for nothing.

        Raises:
            Exception: What is planned to be raised.
        """
        script = self._scripts.get(operation)
        if script:
            fault = script.popleft()
        else:
            menu = self._faults.get(operation)
            fault = self._random.choice(menu) if menu and self._random.random() < self._rate else None
        if fault is not None:
            self.injected[operation, _name(fault)] += 1
        if isinstance(fault, Raised):
            raise fault.error
        return fault

    def strike(self, operation: str) -> None:
        """Raises what the next operation of this kind fails with, an errno as an ``OSError``."""
        fault = self.draw(operation)
        if isinstance(fault, int):
            raise OSError(fault, os.strerror(fault))

    def choose(self, candidates: Sequence[int]) -> int:
        """Picks one at random, from at least one."""
        return self._random.choice(candidates)


def _name(fault: Fault) -> str:
    if isinstance(fault, Short):
        return f"Short({fault.size})"
    if isinstance(fault, Raised):
        return fault.error.__name__
    return errno.errorcode.get(fault) or os.strerror(fault)
