"""What OBJECT ENCODING and MEMORY USAGE tell about a value."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from itertools import islice

from .config import Config
from .errors import CommandError
from .numeric import parse_integer
from .sortedset import SortedSet
from .values import HashValue, ListValue, SetValue, Value

_MAX_EMBEDDED = 44


def encoding_of(value: Value, config: Config) -> str:
    """The representation that Redis 7.0 would choose for a value like this one."""
    if isinstance(value, bytearray):
        return "raw"
    if isinstance(value, int):
        return "int"
    if isinstance(value, bytes):
        return "int" if _is_integer(value) else "embstr" if len(value) <= _MAX_EMBEDDED else "raw"
    if isinstance(value, ListValue):
        return "quicklist"
    if isinstance(value, SetValue):
        few = len(value) <= config.integer("set-max-intset-entries")
        return "intset" if few and all(map(_is_integer, value)) else "hashtable"
    if isinstance(value, HashValue):
        parts = (part for pair in value.items() for part in pair)
        return "listpack" if _is_small(value, parts, "hash", config) else "hashtable"
    return "listpack" if _is_small(value.ranked, value.scores, "zset", config) else "skiplist"


def memory_usage(key: bytes, value: Value, samples: int) -> int:
    """About how many bytes the interpreter holds for a key.

    Args:
        key: the key.
        value: its value.
        samples: how many elements of a collection to measure; 0 for all of them.
    """
    own = sys.getsizeof(key) + sys.getsizeof(value)
    if isinstance(value, (bytes, bytearray, int)):
        return own
    if isinstance(value, SortedSet):
        own += sys.getsizeof(value.scores) + sys.getsizeof(value.ranked)
        pair = sys.getsizeof((0.0, b"")) + sys.getsizeof(0.0)
        return own + len(value) * pair + _elements(value.scores, samples)
    if isinstance(value, HashValue):
        return own + _elements(value, samples) + _elements(value.values(), samples)
    return own + _elements(value, samples)


def _elements(elements: Collection[bytes], samples: int) -> int:
    """The size of all elements, estimated from the first ones."""
    measured = [sys.getsizeof(element) for element in islice(elements, samples or len(elements))]
    return sum(measured) * len(elements) // max(len(measured), 1)


def _is_small(value: Collection[object], parts: Iterable[bytes], kind: str, config: Config) -> bool:
    if len(value) > config.integer(f"{kind}-max-listpack-entries"):
        return False
    longest = config.integer(f"{kind}-max-listpack-value")
    return all(len(part) <= longest for part in parts)


def _is_integer(text: bytes) -> bool:
    try:
        parse_integer(text)
    except CommandError:
        return False
    return True
