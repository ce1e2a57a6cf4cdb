"""A line as bad as it is told to be: carries packets between two TUN devices, late, twice, changed or never.

    python carrier.py FD FD

The descriptors are those of the devices. Each line of standard input is an order, a JSON object with some of
the fields of `Faults`, the others being none; it is answered by a line once it holds. The end of the input is
the carrier's end, so that it does not outlive who has started it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import random
import select
import sys
import time
from dataclasses import dataclass

DETOUR = 0.01
"""Seconds that a packet takes longer which others are to overtake."""


@dataclass(frozen=True)
class Faults:
    """What happens to packets, both ways; all but the first two are probabilities."""

    delay: float = 0.0
    down: bool = False
    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0


class Carrier:
    def __init__(self, ends: tuple[int, int]) -> None:
        self.ends = ends
        self.faults = Faults()
        self._chance = random.Random(7)
        self._number = itertools.count()
        self._under_way: list[tuple[float, int, int, bytes]] = []

    def run(self) -> None:
        orders = b""
        while True:
            timeout = max(self._under_way[0][0] - time.monotonic(), 0) if self._under_way else None
            ready, _, _ = select.select([*self.ends, 0], [], [], timeout)
            if 0 in ready:
                piece = os.read(0, 4096)
                if not piece:
                    return
                *lines, orders = (orders + piece).split(b"\n")
                for line in lines:
                    self.faults = Faults(**json.loads(line))
                    os.write(1, b"it holds\n")
            for number, end in enumerate(self.ends):
                if end in ready:
                    self._take(os.read(end, 65536), self.ends[1 - number])
            self._deliver()

    def _take(self, packet: bytes, to: int) -> None:
        chance, faults = self._chance.random, self.faults
        if faults.down or chance() < faults.loss:
            return
        for _ in range(2 if chance() < faults.duplicate else 1):
            at = time.monotonic() + faults.delay + (DETOUR if chance() < faults.reorder else 0)
            carried = self._garbled(packet) if chance() < faults.corrupt else packet
            heapq.heappush(self._under_way, (at, next(self._number), to, carried))

    def _garbled(self, packet: bytes) -> bytes:
        """One bit is another: what a checksum of 16 bits always notices (RFC 1071)."""
        changed = bytearray(packet)
        changed[self._chance.randrange(len(packet))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(self._under_way)
            # What is no packet any more is refused (EINVAL), and so is any while the device is down (EIO).
            with contextlib.suppress(OSError):
                os.write(to, packet)


if __name__ == "__main__":
    Carrier((int(sys.argv[1]), int(sys.argv[2]))).run()
