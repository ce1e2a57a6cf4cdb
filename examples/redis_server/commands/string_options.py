"""SET and GETEX with their options, and the commands that are shorthands for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError, invalid_expire_time
from ..keyspace import Keyspace
from ..numeric import INT64_MAX, parse_integer
from ..table import ONE_KEY, Group
from ..wire import OK, bulk

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("string")

_SECONDS = (b"EX", b"EXAT")
_ABSOLUTE = (b"EXAT", b"PXAT")
_TIMES = (b"EX", b"PX", b"EXAT", b"PXAT")
_SET_FLAGS = (b"NX", b"XX", b"GET", b"KEEPTTL")
_GETEX_FLAGS = (b"PERSIST",)


@dataclass(slots=True)
class _Options:
    """What was asked for.

    Attributes:
        condition: NX or XX.
        get: whether the old value is to be returned.
        lifetime: one of _TIMES, KEEPTTL or PERSIST.
        time: what follows one of _TIMES.
    """

    condition: bytes = b""
    get: bool = False
    lifetime: bytes = b""
    time: bytes = b""


@GROUP.add(
    "set",
    -3,
    "write denyoom",
    keys=ONE_KEY,
    since="1.0.0",
    syntax="key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |"
    " PXAT unix-time-milliseconds | KEEPTTL]",
)
def set_(session: Session, request: list[bytes]) -> bytes:
    """Stores a string under a key."""
    keyspace = session.keyspace
    key, value = request[1], request[2]
    if len(request) == 3:
        if key in keyspace.values and not keyspace.deadlines:
            # `put` without a call, since this is what most of a server's changes are.
            keyspace.values[key] = value
        else:
            keyspace.put(key, value)
        return OK
    options = _parse(request[3:], _SET_FLAGS)
    deadline = _deadline(keyspace, options, "set") if options.lifetime in _TIMES else None
    null = session.wire.null
    reply = OK
    if options.get:
        old = keyspace.find_string(key)
        reply = null if old is None else bulk(old)
    if options.condition:
        exists = keyspace.peek(key) is not None
        if exists == (options.condition == b"NX"):
            return reply if options.get else null
    if options.lifetime == b"KEEPTTL":
        keyspace.peek(key)  # an expired value must not leave its deadline to the new one
        keyspace.values.insert(key, value)
    else:
        keyspace.put(key, value)
    if deadline is not None:
        keyspace.set_deadline(key, deadline)
    return reply


@GROUP.add("setex", 4, "write denyoom", keys=ONE_KEY, since="2.0.0", syntax="key seconds value")
def setex(session: Session, request: list[bytes]) -> bytes:
    """Stores a string under a key for a number of seconds."""
    return _set_for(session, request, _Options(lifetime=b"EX", time=request[2]), "setex")


@GROUP.add("psetex", 4, "write denyoom", keys=ONE_KEY, since="2.6.0", syntax="key milliseconds value")
def psetex(session: Session, request: list[bytes]) -> bytes:
    """Stores a string under a key for a number of milliseconds."""
    return _set_for(session, request, _Options(lifetime=b"PX", time=request[2]), "psetex")


@GROUP.add(
    "getex",
    -2,
    "write fast",
    keys=ONE_KEY,
    since="6.2.0",
    syntax="key [EX seconds | PX milliseconds | EXAT unix-time-seconds |"
    " PXAT unix-time-milliseconds | PERSIST]",
)
def getex(session: Session, request: list[bytes]) -> bytes:
    """Returns the string stored under a key and changes when it expires."""
    keyspace = session.keyspace
    key = request[1]
    options = _parse(request[2:], _GETEX_FLAGS)
    value = keyspace.read_string(key)
    if value is None:
        return session.wire.null
    if options.lifetime in _TIMES:
        keyspace.set_deadline(key, _deadline(keyspace, options, "getex"))
    elif options.lifetime == b"PERSIST":
        keyspace.drop_deadline(key)
    return bulk(value)


def _set_for(session: Session, request: list[bytes], options: _Options, name: str) -> bytes:
    deadline = _deadline(session.keyspace, options, name)
    session.keyspace.put(request[1], request[3])
    session.keyspace.set_deadline(request[1], deadline)
    return OK


def _parse(words: list[bytes], flags: tuple[bytes, ...]) -> _Options:
    """Read options; CommandError if one is unknown, contradicts another or misses its argument."""
    options = _Options()
    rest = iter(words)
    for word in rest:
        option = word.upper()
        if option in _TIMES:
            time = next(rest, None)
            if time is None or options.lifetime not in (b"", option):
                raise CommandError(SYNTAX)
            options.lifetime, options.time = option, time
        elif option not in flags:
            raise CommandError(SYNTAX)
        elif option == b"GET":
            options.get = True
        elif option in (b"NX", b"XX"):
            if options.condition not in (b"", option):
                raise CommandError(SYNTAX)
            options.condition = option
        else:
            if options.lifetime not in (b"", option):
                raise CommandError(SYNTAX)
            options.lifetime = option
    return options


def _deadline(keyspace: Keyspace, options: _Options, name: str) -> int:
    """When the key is to expire, in milliseconds since the epoch."""
    number = parse_integer(options.time)
    when = number * 1000 if options.lifetime in _SECONDS else number
    if options.lifetime not in _ABSOLUTE:
        when += keyspace.now()
    if number <= 0 or when > INT64_MAX:
        raise invalid_expire_time(name)
    return when
