"""What a key can hold, one class for each type; the class is how a command tells the type.

A string is bytes, as it was received. Changed in place (APPEND, SETRANGE) it becomes a bytearray, so that
building a long one out of small pieces does not copy it for each of them. Counted with, it becomes an int.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from .errors import WRONG_TYPE, CommandError
from .scandict import ScanDict
from .sortedset import SortedSet


class ListValue(deque[bytes]):
    """A list. Its elements are kept as the bulk strings they are sent as: nobody computes with them."""

    __slots__ = ()


class SetValue(ScanDict[None]):
    """A set: the keys of a dict."""

    __slots__ = ()


class HashValue(ScanDict[bytes]):
    """A hash."""

    __slots__ = ()


String: TypeAlias = bytes | bytearray
Value: TypeAlias = String | int | ListValue | SetValue | HashValue | SortedSet
_TYPE_NAMES: dict[type, str] = {
    bytes: "string",
    bytearray: "string",
    int: "string",
    ListValue: "list",
    SetValue: "set",
    HashValue: "hash",
    SortedSet: "zset",
}


def type_name(value: Value | None) -> str:
    """The type as TYPE tells it."""
    return "none" if value is None else _TYPE_NAMES[type(value)]


def string_of(value: Value | None) -> String | None:
    """A string's bytes; None if there is no value.

    Raises:
        CommandError: the value is no string.
    """
    if value is None or isinstance(value, (bytes, bytearray)):
        return value
    if isinstance(value, int):
        return b"%d" % value
    raise CommandError(WRONG_TYPE)


def copy_of(value: Value) -> Value:
    """A value that changes independently of the original."""
    if isinstance(value, SortedSet):
        twin = SortedSet()
        twin.ranked = value.ranked.copy()
        for member, score in value.scores.items():
            twin.scores.insert(member, score)
        return twin
    if isinstance(value, ListValue):
        return ListValue(value)
    if isinstance(value, HashValue):
        fields = HashValue()
        for field, content in value.items():
            fields.insert(field, content)
        return fields
    if isinstance(value, SetValue):
        return set_of(value)
    return bytearray(value) if isinstance(value, bytearray) else value


def set_of(members: Iterable[bytes]) -> SetValue:
    """A set of these members."""
    value = SetValue()
    for member in members:
        value.insert(member, None)
    return value
