"""Hashes: fields with values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NOT_A_FLOAT, OVERFLOW, SYNTAX, CommandError, wrong_arity
from ..longdouble import add, format_long_double, parse_long_double
from ..numeric import INT64_MAX, INT64_MIN, parse_integer, parse_pick_count
from ..table import ONE_KEY, Group
from ..values import HashValue
from ..wire import EMPTY_ARRAY, OK, ONE, ZERO, array, bulk, bulks, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("hash")

_PAIRS = "key field value [field value ...]"
# What a missing hash reads like.
_NO_FIELDS = HashValue()
_NOT_FINITE = b"ERR value is NaN or Infinity"


@GROUP.add("hset", -4, "write denyoom fast", keys=ONE_KEY, since="2.0.0", syntax=_PAIRS)
def hset(session: Session, request: list[bytes]) -> bytes:
    """Sets fields of a hash and counts the new ones."""
    return integer(_set(session, request, "hset"))


@GROUP.add("hmset", -4, "write denyoom fast", keys=ONE_KEY, since="2.0.0", syntax=_PAIRS)
def hmset(session: Session, request: list[bytes]) -> bytes:
    """Sets fields of a hash."""
    _set(session, request, "hmset")
    return OK


@GROUP.add("hsetnx", 4, "write denyoom fast", keys=ONE_KEY, since="2.0.0", syntax="key field value")
def hsetnx(session: Session, request: list[bytes]) -> bytes:
    """Sets a field of a hash that it does not have yet."""
    fields = session.keyspace.find(request[1], HashValue)
    if fields is not None and request[2] in fields:
        return ZERO
    _set(session, request, "hsetnx")
    return ONE


@GROUP.add("hget", 3, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key field")
def hget(session: Session, request: list[bytes]) -> bytes:
    """Returns the value of a field."""
    fields = session.keyspace.read(request[1], HashValue)
    value = None if fields is None else fields.get(request[2])
    return session.wire.null if value is None else bulk(value)


@GROUP.add("hmget", -3, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key field [field ...]")
def hmget(session: Session, request: list[bytes]) -> bytes:
    """Returns the values of several fields."""
    fields = session.keyspace.read(request[1], HashValue) or _NO_FIELDS
    null = session.wire.null
    values = map(fields.get, request[2:])
    return array([null if value is None else bulk(value) for value in values])


@GROUP.add("hgetall", 2, "readonly", keys=ONE_KEY, since="2.0.0", syntax="key")
def hgetall(session: Session, request: list[bytes]) -> bytes:
    """Returns all fields and their values."""
    fields = session.keyspace.read(request[1], HashValue) or _NO_FIELDS
    return session.wire.map_of(part for pair in fields.items() for part in pair)


@GROUP.add("hkeys", 2, "readonly", keys=ONE_KEY, since="2.0.0", syntax="key")
def hkeys(session: Session, request: list[bytes]) -> bytes:
    """Returns all fields."""
    return bulks(session.keyspace.read(request[1], HashValue) or ())


@GROUP.add("hvals", 2, "readonly", keys=ONE_KEY, since="2.0.0", syntax="key")
def hvals(session: Session, request: list[bytes]) -> bytes:
    """Returns all values."""
    return bulks((session.keyspace.read(request[1], HashValue) or _NO_FIELDS).values())


@GROUP.add("hdel", -3, "write fast", keys=ONE_KEY, since="2.0.0", syntax="key field [field ...]")
def hdel(session: Session, request: list[bytes]) -> bytes:
    """Removes fields from a hash."""
    fields = session.keyspace.find(request[1], HashValue)
    if fields is None:
        return ZERO
    before = len(fields)
    for field in request[2:]:
        fields.remove(field)
    if not fields:
        session.keyspace.remove(request[1])
    return integer(before - len(fields))


@GROUP.add("hexists", 3, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key field")
def hexists(session: Session, request: list[bytes]) -> bytes:
    """Tells whether a hash has a field."""
    return ONE if request[2] in (session.keyspace.read(request[1], HashValue) or ()) else ZERO


@GROUP.add("hlen", 2, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key")
def hlen(session: Session, request: list[bytes]) -> bytes:
    """Counts the fields of a hash."""
    return integer(len(session.keyspace.read(request[1], HashValue) or ()))


@GROUP.add("hstrlen", 3, "readonly fast", keys=ONE_KEY, since="3.2.0", syntax="key field")
def hstrlen(session: Session, request: list[bytes]) -> bytes:
    """Returns the length of a field's value in bytes."""
    fields = session.keyspace.read(request[1], HashValue) or _NO_FIELDS
    return integer(len(fields.get(request[2], b"")))


@GROUP.add("hincrby", 4, "write denyoom fast", keys=ONE_KEY, since="2.0.0", syntax="key field increment")
def hincrby(session: Session, request: list[bytes]) -> bytes:
    """Adds to the number in a field."""
    _, key, field, text = request
    increment = parse_integer(text)
    old = (session.keyspace.find(key, HashValue) or _NO_FIELDS).get(field, b"0")
    total = parse_integer(old, b"ERR hash value is not an integer") + increment
    if not INT64_MIN <= total <= INT64_MAX:
        raise CommandError(OVERFLOW)
    session.keyspace.find_or_create(key, HashValue).insert(field, b"%d" % total)
    return integer(total)


@GROUP.add("hincrbyfloat", 4, "write denyoom fast", keys=ONE_KEY, since="2.6.0", syntax="key field increment")
def hincrbyfloat(session: Session, request: list[bytes]) -> bytes:
    """Adds to the floating point number in a field."""
    _, key, field, text = request
    increment = parse_long_double(text, NOT_A_FLOAT, _NOT_FINITE)
    old = (session.keyspace.find(key, HashValue) or _NO_FIELDS).get(field, b"0")
    number = parse_long_double(old, b"ERR hash value is not a float", _NOT_FINITE)
    value = format_long_double(add(number, increment, _NOT_FINITE))
    session.keyspace.find_or_create(key, HashValue).insert(field, value)
    return bulk(value)


@GROUP.add("hrandfield", -2, "readonly", keys=ONE_KEY, since="6.2.0", syntax="key [count [WITHVALUES]]")
def hrandfield(session: Session, request: list[bytes]) -> bytes:
    """Returns random fields."""
    count = parse_pick_count(request[2]) if len(request) > 2 else None
    if len(request) > 4 or (len(request) == 4 and request[3].upper() != b"WITHVALUES"):
        raise CommandError(SYNTAX)
    fields = session.keyspace.read(request[1], HashValue)
    if fields is None:
        return session.wire.null if count is None else EMPTY_ARRAY
    if count is None:
        return bulk(fields.random_key())
    names = fields.pick(count)
    if len(request) == 3:
        return bulks(names)
    return session.wire.pairs([part for name in names for part in (name, fields[name])])


def _set(session: Session, request: list[bytes], name: str) -> int:
    """Set fields and count the new ones."""
    if len(request) % 2:
        raise wrong_arity(name)
    fields = session.keyspace.find_or_create(request[1], HashValue)
    added = 0
    for index in range(2, len(request), 2):
        added += fields.insert(request[index], request[index + 1])
    return added
