"""Intersections, unions and differences of sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..numeric import parse_integer, parse_positive
from ..table import ALL_KEYS, Group
from ..values import SetValue, set_of
from ..wire import integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("set")

Combine = Callable[[list[SetValue]], set[bytes]]

_SYNTAX = "key [key ...]"
_STORE_SYNTAX = "destination key [key ...]"


def _intersection(sets: list[SetValue]) -> set[bytes]:
    # From the smallest on, no step looks at more members than the result may have.
    smallest, *others = sorted(sets, key=len)
    return reduce(lambda members, other: members & other.keys(), others, set(smallest))


def _union(sets: list[SetValue]) -> set[bytes]:
    return set().union(*sets)


def _difference(sets: list[SetValue]) -> set[bytes]:
    first, *others = sets
    return set(first).difference(*others)


@GROUP.add("sinter", -2, "readonly", keys=ALL_KEYS, since="1.0.0", syntax=_SYNTAX)
def sinter(session: Session, request: list[bytes]) -> bytes:
    """Returns the members that several sets have in common."""
    return session.wire.set_of(_intersection(_sets(session, request[1:])))


@GROUP.add("sunion", -2, "readonly", keys=ALL_KEYS, since="1.0.0", syntax=_SYNTAX)
def sunion(session: Session, request: list[bytes]) -> bytes:
    """Returns the members of several sets together."""
    return session.wire.set_of(_union(_sets(session, request[1:])))


@GROUP.add("sdiff", -2, "readonly", keys=ALL_KEYS, since="1.0.0", syntax=_SYNTAX)
def sdiff(session: Session, request: list[bytes]) -> bytes:
    """Returns the members of the first set that are in none of the others."""
    return session.wire.set_of(_difference(_sets(session, request[1:])))


@GROUP.add("sinterstore", -3, "write denyoom", keys=ALL_KEYS, since="1.0.0", syntax=_STORE_SYNTAX)
def sinterstore(session: Session, request: list[bytes]) -> bytes:
    """Stores the members that several sets have in common."""
    return _store(session, request, _intersection)


@GROUP.add("sunionstore", -3, "write denyoom", keys=ALL_KEYS, since="1.0.0", syntax=_STORE_SYNTAX)
def sunionstore(session: Session, request: list[bytes]) -> bytes:
    """Stores the members of several sets together."""
    return _store(session, request, _union)


@GROUP.add("sdiffstore", -3, "write denyoom", keys=ALL_KEYS, since="1.0.0", syntax=_STORE_SYNTAX)
def sdiffstore(session: Session, request: list[bytes]) -> bytes:
    """Stores the members of the first set that are in none of the others."""
    return _store(session, request, _difference)


@GROUP.add("sintercard", -3, "readonly movablekeys", since="7.0.0", syntax=f"numkeys {_SYNTAX} [LIMIT limit]")
def sintercard(session: Session, request: list[bytes]) -> bytes:
    """Counts the members that several sets have in common."""
    message = b"ERR numkeys should be greater than 0"
    count = parse_integer(request[1], message)
    if count < 1:
        raise CommandError(message)
    keys, options = request[2 : 2 + count], request[2 + count :]
    if len(keys) < count:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    limit = 0
    for name, value in zip(options[::2], options[1::2], strict=False):
        if name.upper() != b"LIMIT":
            raise CommandError(SYNTAX)
        limit = parse_positive(value, b"ERR LIMIT can't be negative")
    if len(options) % 2:
        raise CommandError(SYNTAX)
    size = len(_intersection(_sets(session, keys)))
    return integer(min(size, limit) if limit else size)


def _sets(session: Session, keys: list[bytes]) -> list[SetValue]:
    """The sets, a missing one being empty. All are looked up: any may be of the wrong type."""
    found = [session.keyspace.read(key, SetValue) for key in keys]
    return [SetValue() if members is None else members for members in found]


def _store(session: Session, request: list[bytes], combine: Combine) -> bytes:
    destination, *keys = request[1:]
    members = combine(_sets(session, keys))
    session.keyspace.remove(destination)
    if members:
        session.keyspace.put(destination, set_of(members))
    return integer(len(members))
