"""SCAN, SSCAN, HSCAN and ZSCAN: walking a large collection in small steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from re import Pattern
from typing import TYPE_CHECKING, TypeVar

from ..errors import SYNTAX, CommandError
from ..glob import compile_glob
from ..numeric import format_float, parse_integer
from ..scandict import ScanDict
from ..sortedset import SortedSet
from ..table import ONE_KEY, Group
from ..values import HashValue, SetValue, type_name
from ..wire import array, bulk, bulks

if TYPE_CHECKING:
    from ..session import Session

V = TypeVar("V")

KEY_GROUP = Group("generic", "keyspace")
SET_GROUP = Group("set")
HASH_GROUP = Group("hash")
SORTED_SET_GROUP = Group("sorted-set", "sortedset")

_SYNTAX = "cursor [MATCH pattern] [COUNT count]"
_CURSOR = re.compile(rb"[+-]?[0-9]{1,20}\Z")
_CURSORS = 1 << 64
_DEFAULT_COUNT = 10
# Redis returns a small collection in one go, whatever the count.
_SMALL = 128


@dataclass(slots=True)
class _Options:
    """What follows the cursor."""

    count: int = _DEFAULT_COUNT
    pattern: Pattern[bytes] | None = None
    type_name: str | None = None


@KEY_GROUP.add("scan", -2, "readonly", since="2.8.0", syntax=f"{_SYNTAX} [TYPE type]")
def scan(session: Session, request: list[bytes]) -> bytes:
    """Walks through the keys."""
    keyspace = session.keyspace
    cursor = _cursor(request[1])
    options = _parse(request[2:], with_type=True)
    cursor, keys = _step(keyspace.values, cursor, options)
    wanted = options.type_name
    found = [
        key
        for key in keys
        if (value := keyspace.peek(key)) is not None and (wanted is None or type_name(value) == wanted)
    ]
    return _reply(cursor, found)


@SET_GROUP.add("sscan", -3, "readonly", keys=ONE_KEY, since="2.8.0", syntax=f"key {_SYNTAX}")
def sscan(session: Session, request: list[bytes]) -> bytes:
    """Walks through the members of a set."""
    cursor = _cursor(request[2])
    members = session.keyspace.read(request[1], SetValue)
    if members is None:
        return _reply(0, [])
    return _reply(*_step(members, cursor, _parse(request[3:])))


@HASH_GROUP.add("hscan", -3, "readonly", keys=ONE_KEY, since="2.8.0", syntax=f"key {_SYNTAX}")
def hscan(session: Session, request: list[bytes]) -> bytes:
    """Walks through the fields of a hash and their values."""
    cursor = _cursor(request[2])
    fields = session.keyspace.read(request[1], HashValue)
    if fields is None:
        return _reply(0, [])
    cursor, names = _step(fields, cursor, _parse(request[3:]))
    return _reply(cursor, [part for name in names for part in (name, fields[name])])


@SORTED_SET_GROUP.add("zscan", -3, "readonly", keys=ONE_KEY, since="2.8.0", syntax=f"key {_SYNTAX}")
def zscan(session: Session, request: list[bytes]) -> bytes:
    """Walks through the members of a sorted set and their scores."""
    cursor = _cursor(request[2])
    members = session.keyspace.read(request[1], SortedSet)
    if members is None:
        return _reply(0, [])
    scores = members.scores
    cursor, names = _step(scores, cursor, _parse(request[3:]))
    return _reply(cursor, [part for name in names for part in (name, format_float(scores[name]))])


def _step(collection: ScanDict[V], cursor: int, options: _Options) -> tuple[int, list[bytes]]:
    """The next cursor, and those of the next keys that match the pattern."""
    count = options.count if len(collection) > _SMALL else _SMALL
    cursor, keys = collection.scan(cursor, count)
    if options.pattern is not None:
        match = options.pattern.match
        keys = [key for key in keys if match(key)]
    return cursor, keys


def _reply(cursor: int, items: list[bytes]) -> bytes:
    return array([bulk(b"%d" % cursor), bulks(items)])


def _cursor(text: bytes) -> int:
    if not _CURSOR.match(text) or abs(int(text)) >= _CURSORS:
        raise CommandError(b"ERR invalid cursor")
    return int(text) % _CURSORS


def _parse(words: list[bytes], with_type: bool = False) -> _Options:
    if len(words) % 2:
        raise CommandError(SYNTAX)
    options = _Options()
    for name, value in zip(words[::2], words[1::2], strict=True):
        option = name.upper()
        if option == b"COUNT":
            options.count = parse_integer(value)
            if options.count < 1:
                raise CommandError(SYNTAX)
        elif option == b"MATCH":
            options.pattern = compile_glob(value)
        elif option == b"TYPE" and with_type:
            options.type_name = value.lower().decode("latin-1")
        else:
            raise CommandError(SYNTAX)
    return options
