"""Lists: adding, taking and reading elements.

The elements of a `ListValue` are encoded bulk strings.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import wrong_arity
from ..numeric import parse_integer, parse_positive
from ..ranges import absolute_range
from ..table import ONE_KEY, Group
from ..values import ListValue
from ..wire import EMPTY_ARRAY, ZERO, array, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("list")

_SYNTAX = "key element [element ...]"


@GROUP.add("lpush", -3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax=_SYNTAX)
def lpush(session: Session, request: list[bytes]) -> bytes:
    """Adds elements at the head of a list, the first one first."""
    items = session.keyspace.find_or_create(request[1], ListValue)
    for element in request[2:]:
        items.appendleft(b"$%d\r\n%b\r\n" % (len(element), element))
    return b":%d\r\n" % len(items)


@GROUP.add("rpush", -3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax=_SYNTAX)
def rpush(session: Session, request: list[bytes]) -> bytes:
    """Adds elements at the tail of a list."""
    items = session.keyspace.find_or_create(request[1], ListValue)
    for element in request[2:]:
        items.append(b"$%d\r\n%b\r\n" % (len(element), element))
    return b":%d\r\n" % len(items)


@GROUP.add("lpushx", -3, "write denyoom fast", keys=ONE_KEY, since="2.2.0", syntax=_SYNTAX)
def lpushx(session: Session, request: list[bytes]) -> bytes:
    """Adds elements at the head of a list, provided that it exists."""
    return ZERO if session.keyspace.find(request[1], ListValue) is None else lpush(session, request)


@GROUP.add("rpushx", -3, "write denyoom fast", keys=ONE_KEY, since="2.2.0", syntax=_SYNTAX)
def rpushx(session: Session, request: list[bytes]) -> bytes:
    """Adds elements at the tail of a list, provided that it exists."""
    return ZERO if session.keyspace.find(request[1], ListValue) is None else rpush(session, request)


@GROUP.add("lpop", -2, "write fast", keys=ONE_KEY, since="1.0.0", syntax="key [count]")
def lpop(session: Session, request: list[bytes]) -> bytes:
    """Removes elements from the head of a list and returns them."""
    return _pop(session, request, "lpop", ListValue.popleft)


@GROUP.add("rpop", -2, "write fast", keys=ONE_KEY, since="1.0.0", syntax="key [count]")
def rpop(session: Session, request: list[bytes]) -> bytes:
    """Removes elements from the tail of a list and returns them."""
    return _pop(session, request, "rpop", ListValue.pop)


@GROUP.add("llen", 2, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def llen(session: Session, request: list[bytes]) -> bytes:
    """Counts the elements of a list."""
    return integer(len(session.keyspace.read(request[1], ListValue) or ()))


@GROUP.add("lrange", 4, "readonly", keys=ONE_KEY, since="1.0.0", syntax="key start stop")
def lrange(session: Session, request: list[bytes]) -> bytes:
    """Returns a part of a list, given by its first and last position."""
    start, stop = parse_integer(request[2]), parse_integer(request[3])
    items = session.keyspace.read(request[1], ListValue)
    if items is None:
        return EMPTY_ARRAY
    size = len(items)
    start, stop = absolute_range(start, stop, size)
    if start <= size - stop:
        return array(list(islice(items, start, stop)))
    # A deque is walked from one of its ends, so from the nearer one.
    return array(list(islice(reversed(items), size - stop, size - start))[::-1])


@GROUP.add("lindex", 3, "readonly", keys=ONE_KEY, since="1.0.0", syntax="key index")
def lindex(session: Session, request: list[bytes]) -> bytes:
    """Returns the element at a position of a list."""
    items = session.keyspace.read(request[1], ListValue)
    if items is None:
        return session.wire.null
    try:
        return items[parse_integer(request[2])]
    except IndexError:
        return session.wire.null


def _pop(session: Session, request: list[bytes], name: str, take: Callable[[ListValue], bytes]) -> bytes:
    keyspace = session.keyspace
    key = request[1]
    if len(request) > 3:
        raise wrong_arity(name)
    count = -1 if len(request) == 2 else parse_positive(request[2])
    items = keyspace.find(key, ListValue)
    if items is None:
        return session.wire.null if count < 0 else session.wire.null_array
    reply = take(items) if count < 0 else array([take(items) for _ in range(min(count, len(items)))])
    if not items:
        keyspace.remove(key)
    return reply
