"""Sets: adding, removing and picking members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..numeric import parse_pick_count, parse_positive
from ..table import ONE_KEY, TWO_KEYS, Group
from ..values import SetValue
from ..wire import EMPTY_ARRAY, ONE, ZERO, array, bulk, bulks, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("set")

_MEMBERS = "key member [member ...]"


@GROUP.add("sadd", -3, "write denyoom fast", keys=ONE_KEY, since="1.0.0", syntax=_MEMBERS)
def sadd(session: Session, request: list[bytes]) -> bytes:
    """Adds members to a set."""
    members = session.keyspace.find_or_create(request[1], SetValue)
    added = 0
    for member in request[2:]:
        if member not in members:
            members.insert(member, None)
            added += 1
    return b":%d\r\n" % added


@GROUP.add("srem", -3, "write fast", keys=ONE_KEY, since="1.0.0", syntax=_MEMBERS)
def srem(session: Session, request: list[bytes]) -> bytes:
    """Removes members from a set."""
    members = session.keyspace.find(request[1], SetValue)
    if members is None:
        return ZERO
    before = len(members)
    for member in request[2:]:
        members.remove(member)
    if not members:
        session.keyspace.remove(request[1])
    return integer(before - len(members))


@GROUP.add("smembers", 2, "readonly", keys=ONE_KEY, since="1.0.0", syntax="key")
def smembers(session: Session, request: list[bytes]) -> bytes:
    """Returns all members of a set."""
    return session.wire.set_of(session.keyspace.read(request[1], SetValue) or ())


@GROUP.add("sismember", 3, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key member")
def sismember(session: Session, request: list[bytes]) -> bytes:
    """Tells whether a value is a member of a set."""
    return ONE if request[2] in (session.keyspace.read(request[1], SetValue) or ()) else ZERO


@GROUP.add("smismember", -3, "readonly fast", keys=ONE_KEY, since="6.2.0", syntax=_MEMBERS)
def smismember(session: Session, request: list[bytes]) -> bytes:
    """Tells for each of several values whether it is a member of a set."""
    members = session.keyspace.read(request[1], SetValue) or ()
    return array([ONE if member in members else ZERO for member in request[2:]])


@GROUP.add("scard", 2, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def scard(session: Session, request: list[bytes]) -> bytes:
    """Counts the members of a set."""
    return integer(len(session.keyspace.read(request[1], SetValue) or ()))


@GROUP.add("spop", -2, "write fast", keys=ONE_KEY, since="1.0.0", syntax="key [count]")
def spop(session: Session, request: list[bytes]) -> bytes:
    """Removes random members from a set and returns them."""
    if len(request) > 3:
        raise CommandError(SYNTAX)
    keyspace = session.keyspace
    key = request[1]
    count = -1 if len(request) == 2 else parse_positive(request[2])
    members = keyspace.find(key, SetValue)
    if members is None:
        return session.wire.null if count < 0 else session.wire.set_of(())
    if count < 0:
        member = members.random_key()
        members.remove(member)
        reply = b"$%d\r\n%b\r\n" % (len(member), member)
    else:
        picked = members.pick(count)
        for member in picked:
            members.remove(member)
        reply = session.wire.set_of(picked)
    if not members:
        keyspace.remove(key)
    return reply


@GROUP.add("srandmember", -2, "readonly", keys=ONE_KEY, since="1.0.0", syntax="key [count]")
def srandmember(session: Session, request: list[bytes]) -> bytes:
    """Returns random members of a set."""
    if len(request) > 3:
        raise CommandError(SYNTAX)
    if len(request) == 3:
        count = parse_pick_count(request[2])
        members = session.keyspace.read(request[1], SetValue)
        return EMPTY_ARRAY if members is None else bulks(members.pick(count))
    members = session.keyspace.read(request[1], SetValue)
    return session.wire.null if members is None else bulk(members.random_key())


@GROUP.add("smove", 4, "write fast", keys=TWO_KEYS, since="1.0.0", syntax="source destination member")
def smove(session: Session, request: list[bytes]) -> bytes:
    """Moves a member from one set to another."""
    _, source, destination, member = request
    keyspace = session.keyspace
    members = keyspace.find(source, SetValue)
    if members is None:
        return ZERO
    others = keyspace.find(destination, SetValue)
    if member not in members:
        return ZERO
    if members is others:
        return ONE
    members.remove(member)
    if not members:
        keyspace.remove(source)
    keyspace.find_or_create(destination, SetValue).insert(member, None)
    return ONE
