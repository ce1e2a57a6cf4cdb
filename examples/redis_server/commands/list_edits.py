"""Lists: changing, moving and finding elements.

The elements of a `ListValue` are encoded bulk strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import NO_SUCH_KEY, SYNTAX, CommandError
from ..numeric import INT64_MAX, parse_integer, parse_positive, parse_within
from ..ranges import absolute_range
from ..table import ONE_KEY, TWO_KEYS, Group
from ..values import ListValue
from ..wire import EMPTY_ARRAY, OK, ZERO, array, bulk, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("list")

_LEFT, _RIGHT = b"LEFT", b"RIGHT"
_ENDS = (_LEFT, _RIGHT)
_ZERO_RANK = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    b"or use negative to start from the end of the list"
)


@GROUP.add("lset", 4, "write denyoom", keys=ONE_KEY, since="1.0.0", syntax="key index element")
def lset(session: Session, request: list[bytes]) -> bytes:
    """Replaces the element at a position of a list."""
    items = session.keyspace.find(request[1], ListValue)
    if items is None:
        raise CommandError(NO_SUCH_KEY)
    try:
        items[parse_integer(request[2])] = bulk(request[3])
    except IndexError:
        raise CommandError(b"ERR index out of range") from None
    return OK


@GROUP.add("ltrim", 4, "write", keys=ONE_KEY, since="1.0.0", syntax="key start stop")
def ltrim(session: Session, request: list[bytes]) -> bytes:
    """Removes all elements of a list outside of a range of positions."""
    start, stop = parse_integer(request[2]), parse_integer(request[3])
    items = session.keyspace.find(request[1], ListValue)
    if items is None:
        return OK
    start, stop = absolute_range(start, stop, len(items))
    if start >= stop:
        session.keyspace.remove(request[1])
        return OK
    for _ in range(len(items) - stop):
        items.pop()
    for _ in range(start):
        items.popleft()
    return OK


@GROUP.add("lrem", 4, "write", keys=ONE_KEY, since="1.0.0", syntax="key count element")
def lrem(session: Session, request: list[bytes]) -> bytes:
    """Removes elements of a list that equal a value, from either end or all of them."""
    _, key, count_text, element = request
    count = parse_integer(count_text)
    items = session.keyspace.find(key, ListValue)
    if items is None:
        return ZERO
    unwanted = bulk(element)
    limit = abs(count) or len(items)
    removed = 0
    kept: list[bytes] = []
    for item in reversed(items) if count < 0 else items:
        if item == unwanted and removed < limit:
            removed += 1
        else:
            kept.append(item)
    if not kept:
        session.keyspace.remove(key)
    elif removed:
        session.keyspace.values[key] = ListValue(reversed(kept) if count < 0 else kept)
    return integer(removed)


@GROUP.add(
    "linsert",
    5,
    "write denyoom",
    keys=ONE_KEY,
    since="2.2.0",
    syntax="key <BEFORE | AFTER> pivot element",
)
def linsert(session: Session, request: list[bytes]) -> bytes:
    """Inserts an element before or after another one."""
    _, key, where, pivot, element = request
    if where.upper() not in (b"BEFORE", b"AFTER"):
        raise CommandError(SYNTAX)
    items = session.keyspace.find(key, ListValue)
    if items is None:
        return ZERO
    try:
        position = items.index(bulk(pivot))
    except ValueError:
        return integer(-1)
    items.insert(position + (where.upper() == b"AFTER"), bulk(element))
    return integer(len(items))


@GROUP.add(
    "lmove",
    5,
    "write denyoom",
    keys=TWO_KEYS,
    since="6.2.0",
    syntax="source destination <LEFT | RIGHT> <LEFT | RIGHT>",
)
def lmove(session: Session, request: list[bytes]) -> bytes:
    """Takes an element from an end of a list and adds it to an end of another, or of the same."""
    origin, target = request[3].upper(), request[4].upper()
    if origin not in _ENDS or target not in _ENDS:
        raise CommandError(SYNTAX)
    return _move(session, request[1], request[2], origin, target)


@GROUP.add("rpoplpush", 3, "write denyoom", keys=TWO_KEYS, since="1.2.0", syntax="source destination")
def rpoplpush(session: Session, request: list[bytes]) -> bytes:
    """Takes the last element of a list and adds it to the head of another, or of the same."""
    return _move(session, request[1], request[2], _RIGHT, _LEFT)


@GROUP.add(
    "lpos",
    -3,
    "readonly",
    keys=ONE_KEY,
    since="6.0.6",
    syntax="key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
)
def lpos(session: Session, request: list[bytes]) -> bytes:
    """Returns the positions of an element in a list."""
    rank, count, limit = _lpos_options(request[3:])
    items = session.keyspace.read(request[1], ListValue)
    if items is None:
        return session.wire.null if count is None else EMPTY_ARRAY
    positions = _positions(items, bulk(request[2]), rank < 0, limit)
    wanted = 1 if count is None else count or len(items)
    skipped = abs(rank) - 1
    found = list(islice(positions, skipped, skipped + wanted)) if skipped < len(items) else []
    if count is not None:
        return array([integer(position) for position in found])
    return integer(found[0]) if found else session.wire.null


def _positions(items: ListValue, element: bytes, backwards: bool, limit: int) -> Iterator[int]:
    """Where the element is, looking at no more than so many items."""
    numbered: Iterable[tuple[int, bytes]] = enumerate(items)
    if backwards:
        numbered = zip(range(len(items) - 1, -1, -1), reversed(items), strict=True)
    return (position for position, item in islice(numbered, limit or None) if item == element)


def _lpos_options(words: list[bytes]) -> tuple[int, int | None, int]:
    rank, count, limit = 1, None, 0
    rest = iter(words)
    for word in rest:
        option, value = word.upper(), next(rest, None)
        if value is None or option not in (b"RANK", b"COUNT", b"MAXLEN"):
            raise CommandError(SYNTAX)
        if option == b"RANK":
            rank = parse_within(value, -INT64_MAX, INT64_MAX)
            if not rank:
                raise CommandError(_ZERO_RANK)
        elif option == b"COUNT":
            count = parse_positive(value, b"ERR COUNT can't be negative")
        else:
            limit = parse_positive(value, b"ERR MAXLEN can't be negative")
    return rank, count, limit


def _move(session: Session, source: bytes, destination: bytes, origin: bytes, target: bytes) -> bytes:
    keyspace = session.keyspace
    items = keyspace.find(source, ListValue)
    if items is None:
        return session.wire.null
    others = keyspace.find_or_create(destination, ListValue)
    element = items.popleft() if origin == _LEFT else items.pop()
    if target == _LEFT:
        others.appendleft(element)
    else:
        others.append(element)
    if not items:
        keyspace.remove(source)
    return element
