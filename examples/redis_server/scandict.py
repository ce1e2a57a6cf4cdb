"""A dictionary that can be walked by a client, piece by piece, and picked from at random."""

from __future__ import annotations

import random
from typing import TypeVar

V = TypeVar("V")


class ScanDict(dict[bytes, V]):
    """A dict whose keys can be scanned with a cursor, and sampled, in constant time each.

    For that the keys need an order with positions: a list, in which a removed key's place is taken by the
    last one. It is made when it is first needed, so a dict that is only read and written pays nothing.

    A scan visits the list from its end to its beginning, and the cursor is the number of positions left.
    Whatever happens between two calls, no key can get from the part still to be visited into the part
    already visited: new ones come in at the end, and only the last key ever moves, downwards. So a key that
    is there during the whole scan is returned, maybe twice.

    Keys come and go only through `insert`, `remove` and `clear`; ``d[key] = value`` is for keys that exist.
    """

    __slots__ = ("_order", "_positions")

    def __init__(self) -> None:
        super().__init__()
        self._order: list[bytes] | None = None
        self._positions: dict[bytes, int] = {}

    def insert(self, key: bytes, value: V) -> bool:
        """Set the key's value; tell whether the key is new."""
        if key in self:
            self[key] = value
            return False
        self[key] = value
        if self._order is not None:
            self._positions[key] = len(self._order)
            self._order.append(key)
        return True

    def remove(self, key: bytes) -> V | None:
        """Remove the key; return its value, None if there was no such key."""
        if key not in self:
            return None
        if self._order is not None:
            position = self._positions.pop(key)
            last = self._order.pop()
            if last is not key and last != key:
                self._order[position] = last
                self._positions[last] = position
        return self.pop(key)

    def clear(self) -> None:
        """Remove everything."""
        super().clear()
        self._order = None
        self._positions = {}

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next keys of a scan.

        Args:
            cursor: 0 to begin, then what the previous call returned. Any number is safe.
            count: how many keys, at most.

        Returns:
            The next cursor, 0 at the end, and the keys.
        """
        if cursor == 0 and len(self) <= count:
            return 0, list(self)
        order = self._ordered()
        end = min(cursor, len(order)) or len(order)
        start = max(end - count, 0)
        return start, order[start:end]

    def random_key(self) -> bytes:
        """Any key, each with the same probability; IndexError if there is none."""
        order = self._ordered()
        return order[int(random.random() * len(order))]

    def pick(self, count: int) -> list[bytes]:
        """Random keys: so many different ones, or all; if negative, so many picks that may repeat."""
        if count < 0:
            return [self.random_key() for _ in range(-count)]
        if count >= len(self):
            return list(self)
        return random.sample(self._ordered(), count)

    def _ordered(self) -> list[bytes]:
        if self._order is None:
            self._order = list(self)
            self._positions = {key: position for position, key in enumerate(self._order)}
        return self._order
