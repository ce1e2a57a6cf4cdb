"""When keys expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import CommandError, invalid_expire_time
from ..numeric import INT64_MAX, INT64_MIN, parse_integer
from ..table import ONE_KEY, Group
from ..wire import ONE, ZERO, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("generic", "keyspace")

_NO_KEY = integer(-2)
_NO_DEADLINE = integer(-1)
_OPTIONS = (b"NX", b"XX", b"GT", b"LT")
_SYNTAX = "[NX | XX | GT | LT]"


@GROUP.add("expire", -3, "write fast", keys=ONE_KEY, since="1.0.0", syntax=f"key seconds {_SYNTAX}")
def expire(session: Session, request: list[bytes]) -> bytes:
    """Lets a key expire after a number of seconds."""
    return _expire(session, request, "expire", 1000, relative=True)


@GROUP.add("pexpire", -3, "write fast", keys=ONE_KEY, since="2.6.0", syntax=f"key milliseconds {_SYNTAX}")
def pexpire(session: Session, request: list[bytes]) -> bytes:
    """Lets a key expire after a number of milliseconds."""
    return _expire(session, request, "pexpire", 1, relative=True)


@GROUP.add(
    "expireat", -3, "write fast", keys=ONE_KEY, since="1.2.0", syntax=f"key unix-time-seconds {_SYNTAX}"
)
def expireat(session: Session, request: list[bytes]) -> bytes:
    """Lets a key expire at a time, given in seconds since the epoch."""
    return _expire(session, request, "expireat", 1000, relative=False)


@GROUP.add(
    "pexpireat",
    -3,
    "write fast",
    keys=ONE_KEY,
    since="2.6.0",
    syntax=f"key unix-time-milliseconds {_SYNTAX}",
)
def pexpireat(session: Session, request: list[bytes]) -> bytes:
    """Lets a key expire at a time, given in milliseconds since the epoch."""
    return _expire(session, request, "pexpireat", 1, relative=False)


@GROUP.add("persist", 2, "write fast", keys=ONE_KEY, since="2.2.0", syntax="key")
def persist(session: Session, request: list[bytes]) -> bytes:
    """Lets a key live forever."""
    keyspace = session.keyspace
    return ONE if keyspace.peek(request[1]) is not None and keyspace.drop_deadline(request[1]) else ZERO


@GROUP.add("ttl", 2, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def ttl(session: Session, request: list[bytes]) -> bytes:
    """Returns how many seconds a key has left to live."""
    now = session.keyspace.now()
    return _tell(session, request[1], lambda deadline: (max(deadline - now, 0) + 500) // 1000)


@GROUP.add("pttl", 2, "readonly fast", keys=ONE_KEY, since="2.6.0", syntax="key")
def pttl(session: Session, request: list[bytes]) -> bytes:
    """Returns how many milliseconds a key has left to live."""
    now = session.keyspace.now()
    return _tell(session, request[1], lambda deadline: max(deadline - now, 0))


@GROUP.add("expiretime", 2, "readonly fast", keys=ONE_KEY, since="7.0.0", syntax="key")
def expiretime(session: Session, request: list[bytes]) -> bytes:
    """Returns when a key expires, in seconds since the epoch."""
    return _tell(session, request[1], lambda deadline: (deadline + 500) // 1000)


@GROUP.add("pexpiretime", 2, "readonly fast", keys=ONE_KEY, since="7.0.0", syntax="key")
def pexpiretime(session: Session, request: list[bytes]) -> bytes:
    """Returns when a key expires, in milliseconds since the epoch."""
    return _tell(session, request[1], lambda deadline: deadline)


def _tell(session: Session, key: bytes, convert: Callable[[int], int]) -> bytes:
    if session.keyspace.lookup(key) is None:
        return _NO_KEY
    deadline = session.keyspace.deadlines.get(key)
    return _NO_DEADLINE if deadline is None else integer(convert(deadline))


def _expire(session: Session, request: list[bytes], name: str, unit: int, relative: bool) -> bytes:
    keyspace = session.keyspace
    key = request[1]
    options = _options(request[3:])
    when = parse_integer(request[2]) * unit
    if not INT64_MIN <= when <= INT64_MAX:
        raise invalid_expire_time(name)
    if relative:
        when += keyspace.now()
        if when > INT64_MAX:
            raise invalid_expire_time(name)
    if keyspace.peek(key) is None:
        return ZERO
    current = keyspace.deadlines.get(key)
    refused = (
        (b"NX" in options and current is not None)
        or (b"XX" in options and current is None)
        or (b"GT" in options and (current is None or when <= current))
        or (b"LT" in options and current is not None and when >= current)
    )
    if refused:
        return ZERO
    if when <= keyspace.now():
        keyspace.remove(key)
    else:
        keyspace.set_deadline(key, when)
    return ONE


def _options(words: list[bytes]) -> set[bytes]:
    options = set()
    for word in words:
        option = word.upper()
        if option not in _OPTIONS:
            raise CommandError(b"ERR Unsupported option " + word)
        options.add(option)
    if b"NX" in options and len(options) > 1:
        raise CommandError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= options:
        raise CommandError(b"ERR GT and LT options at the same time are not compatible")
    return options
