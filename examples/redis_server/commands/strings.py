"""Strings: reading, writing and counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NOT_A_FLOAT, OVERFLOW, CommandError, wrong_arity
from ..longdouble import add, format_long_double, parse_long_double
from ..numeric import INT64_MAX, INT64_MIN, parse_integer
from ..strict import MAX_BULK
from ..table import ALL_KEYS, ONE_KEY, Group
from ..values import Value, string_of, type_name
from ..wire import OK, ONE, ZERO, array, bulk, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("string")

_MSET_KEYS = (1, -1, 2)
_NOT_FINITE = b"ERR increment would produce NaN or Infinity"


@GROUP.add("get", 2, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def get(session: Session, request: list[bytes]) -> bytes:
    """Returns the string stored under a key."""
    keyspace = session.keyspace
    value: Value | None = keyspace.values.get(request[1])
    if type(value) is bytes and not keyspace.deadlines:
        # `read_string` without a call, since this is what most of a server's requests are.
        keyspace.hits += 1
        return b"$%d\r\n%b\r\n" % (len(value), value)
    value = keyspace.read_string(request[1])
    if value is None:
        return session.wire.null
    return bulk(value)


@GROUP.add("getset", 3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key value")
def getset(session: Session, request: list[bytes]) -> bytes:
    """Stores a string under a key and returns what was there."""
    old = session.keyspace.find_string(request[1])
    session.keyspace.put(request[1], request[2])
    return session.wire.null if old is None else bulk(old)


@GROUP.add("getdel", 2, "write fast", keys=ONE_KEY, since="6.2.0", syntax="key")
def getdel(session: Session, request: list[bytes]) -> bytes:
    """Returns the string stored under a key and deletes the key."""
    value = session.keyspace.read_string(request[1])
    if value is None:
        return session.wire.null
    session.keyspace.remove(request[1])
    return bulk(value)


@GROUP.add("mget", -2, "readonly fast", keys=ALL_KEYS, since="1.0.0", syntax="key [key ...]")
def mget(session: Session, request: list[bytes]) -> bytes:
    """Returns the strings stored under several keys."""
    null = session.wire.null
    values = map(session.keyspace.lookup, request[1:])
    strings = [string_of(value) if type_name(value) == "string" else None for value in values]
    return array([null if string is None else bulk(string) for string in strings])


@GROUP.add("mset", -3, "write denyoom", keys=_MSET_KEYS, since="1.0.1", syntax="key value [key value ...]")
def mset(session: Session, request: list[bytes]) -> bytes:
    """Stores strings under several keys."""
    for key, value in _pairs(request, "mset"):
        session.keyspace.put(key, value)
    return OK


@GROUP.add("msetnx", -3, "write denyoom", keys=_MSET_KEYS, since="1.0.1", syntax="key value [key value ...]")
def msetnx(session: Session, request: list[bytes]) -> bytes:
    """Stores strings under several keys, provided that none of them exists."""
    pairs = _pairs(request, "msetnx")
    if any(session.keyspace.peek(key) is not None for key, _ in pairs):
        return ZERO
    for key, value in pairs:
        session.keyspace.put(key, value)
    return ONE


@GROUP.add("setnx", 3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key value")
def setnx(session: Session, request: list[bytes]) -> bytes:
    """Stores a string under a key that does not exist."""
    if session.keyspace.peek(request[1]) is not None:
        return ZERO
    session.keyspace.put(request[1], request[2])
    return ONE


@GROUP.add("append", 3, "write denyoom fast", keys=ONE_KEY, since="2.0.0", syntax="key value")
def append(session: Session, request: list[bytes]) -> bytes:
    """Adds to the end of a string."""
    _, key, more = request
    old = session.keyspace.find_string(key)
    if old is None:
        session.keyspace.put(key, more)
        return integer(len(more))
    _check_size(len(old) + len(more))
    if isinstance(old, bytes):
        old = session.keyspace.values[key] = bytearray(old)
    old += more
    return integer(len(old))


@GROUP.add("strlen", 2, "readonly fast", keys=ONE_KEY, since="2.2.0", syntax="key")
def strlen(session: Session, request: list[bytes]) -> bytes:
    """Returns a string's length in bytes."""
    return integer(len(session.keyspace.read_string(request[1]) or b""))


@GROUP.add("substr", 4, "readonly", keys=ONE_KEY, since="1.0.0", syntax="key start end")
@GROUP.add("getrange", 4, "readonly", keys=ONE_KEY, since="2.4.0", syntax="key start end")
def getrange(session: Session, request: list[bytes]) -> bytes:
    """Returns a part of a string, given by its first and last position."""
    start, end = parse_integer(request[2]), parse_integer(request[3])
    value = session.keyspace.read_string(request[1]) or b""
    if start < 0 and end < 0 and start > end:
        return bulk(b"")
    size = len(value)
    start = max(start + size, 0) if start < 0 else start
    end = max(end + size, 0) if end < 0 else end
    return bulk(value[start : end + 1])


@GROUP.add("setrange", 4, "write denyoom", keys=ONE_KEY, since="2.2.0", syntax="key offset value")
def setrange(session: Session, request: list[bytes]) -> bytes:
    """Overwrites a part of a string from a position on."""
    _, key, offset_text, part = request
    offset = parse_integer(offset_text)
    if offset < 0:
        raise CommandError(b"ERR offset is out of range")
    old = session.keyspace.find_string(key)
    if not part:
        return integer(len(old or b""))
    _check_size(offset + len(part))
    if isinstance(old, bytearray):
        value = old
    else:
        value = bytearray(old or b"")
        session.keyspace.values.insert(key, value)
    value.extend(bytes(max(offset - len(value), 0)))
    value[offset : offset + len(part)] = part
    return integer(len(value))


@GROUP.add("incr", 2, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def incr(session: Session, request: list[bytes]) -> bytes:
    """Adds one to the number in a string."""
    return _add(session, request[1], 1)


@GROUP.add("decr", 2, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def decr(session: Session, request: list[bytes]) -> bytes:
    """Takes one from the number in a string."""
    return _add(session, request[1], -1)


@GROUP.add("incrby", 3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key increment")
def incrby(session: Session, request: list[bytes]) -> bytes:
    """Adds to the number in a string."""
    return _add(session, request[1], parse_integer(request[2]))


@GROUP.add("decrby", 3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax="key decrement")
def decrby(session: Session, request: list[bytes]) -> bytes:
    """Takes from the number in a string."""
    decrement = parse_integer(request[2])
    if decrement == INT64_MIN:
        raise CommandError(b"ERR decrement would overflow")
    return _add(session, request[1], -decrement)


@GROUP.add("incrbyfloat", 3, "write denyoom fast", keys=ONE_KEY, since="2.6.0", syntax="key increment")
def incrbyfloat(session: Session, request: list[bytes]) -> bytes:
    """Adds to the floating point number in a string."""
    _, key, increment = request
    old = session.keyspace.find_string(key)
    number = parse_long_double(b"0" if old is None else old, NOT_A_FLOAT, _NOT_FINITE)
    total = add(number, parse_long_double(increment, NOT_A_FLOAT, _NOT_FINITE), _NOT_FINITE)
    value = format_long_double(total)
    session.keyspace.values.insert(key, value)
    return bulk(value)


def _add(session: Session, key: bytes, delta: int) -> bytes:
    """Change a number, keeping the key's time to live."""
    keyspace = session.keyspace
    old = keyspace.peek(key)
    if type(old) is int:
        number = old + delta
    else:
        text = string_of(old)
        number = delta + (0 if text is None else parse_integer(text))
    if not INT64_MIN <= number <= INT64_MAX:
        raise CommandError(OVERFLOW)
    if old is None:
        keyspace.values.insert(key, number)
    else:
        keyspace.values[key] = number
    return b":%d\r\n" % number


def _pairs(request: list[bytes], name: str) -> list[tuple[bytes, bytes]]:
    if len(request) % 2 == 0:
        raise wrong_arity(name)
    return list(zip(request[1::2], request[2::2], strict=True))


def _check_size(size: int) -> None:
    if size > MAX_BULK:
        raise CommandError(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
