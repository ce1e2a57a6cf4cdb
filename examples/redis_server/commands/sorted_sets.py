"""Sorted sets: members, their scores and ranks."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..numeric import parse_positive, parse_score
from ..sortedset import SortedSet
from ..table import ONE_KEY, Group
from ..wire import EMPTY_ARRAY, ZERO, array, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("sorted-set", "sortedset")

_FLAGS = (b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR")
_NONE: frozenset[bytes] = frozenset()
_INCREMENT = frozenset([b"INCR"])


@GROUP.add(
    "zadd",
    -4,
    "write denyoom fast",
    keys=ONE_KEY,
    since="1.2.0",
    syntax="key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
)
def zadd(session: Session, request: list[bytes]) -> bytes:
    """Adds members to a sorted set, or changes their scores."""
    first = 2
    flags = _NONE
    while first < len(request) and (flag := request[first].upper()) in _FLAGS:
        flags |= {flag}
        first += 1
    scores, members = request[first::2], request[first + 1 :: 2]
    _check(flags, len(scores), len(members))
    return _add(session, request[1], flags, [parse_score(score) for score in scores], members)


@GROUP.add("zincrby", 4, "write denyoom fast", keys=ONE_KEY, since="1.2.0", syntax="key increment member")
def zincrby(session: Session, request: list[bytes]) -> bytes:
    """Adds to the score of a member."""
    return _add(session, request[1], _INCREMENT, [parse_score(request[2])], [request[3]])


@GROUP.add("zrem", -3, "write fast", keys=ONE_KEY, since="1.2.0", syntax="key member [member ...]")
def zrem(session: Session, request: list[bytes]) -> bytes:
    """Removes members."""
    members = session.keyspace.find(request[1], SortedSet)
    if members is None:
        return ZERO
    removed = sum(map(members.remove, request[2:]))
    if not len(members):
        session.keyspace.remove(request[1])
    return integer(removed)


@GROUP.add("zcard", 2, "readonly fast", keys=ONE_KEY, since="1.2.0", syntax="key")
def zcard(session: Session, request: list[bytes]) -> bytes:
    """Counts the members."""
    return integer(len(session.keyspace.read(request[1], SortedSet) or ()))


@GROUP.add("zscore", 3, "readonly fast", keys=ONE_KEY, since="1.2.0", syntax="key member")
def zscore(session: Session, request: list[bytes]) -> bytes:
    """Returns the score of a member."""
    return _scores(session, request)[0]


@GROUP.add("zmscore", -3, "readonly fast", keys=ONE_KEY, since="6.2.0", syntax="key member [member ...]")
def zmscore(session: Session, request: list[bytes]) -> bytes:
    """Returns the scores of several members."""
    return array(_scores(session, request))


@GROUP.add("zrank", 3, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key member")
def zrank(session: Session, request: list[bytes]) -> bytes:
    """Counts the members before a member, from the lowest score."""
    members = session.keyspace.read(request[1], SortedSet)
    rank = None if members is None else members.rank(request[2])
    return session.wire.null if rank is None else integer(rank)


@GROUP.add("zrevrank", 3, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key member")
def zrevrank(session: Session, request: list[bytes]) -> bytes:
    """Counts the members before a member, from the highest score."""
    members = session.keyspace.read(request[1], SortedSet)
    if members is None or (rank := members.rank(request[2])) is None:
        return session.wire.null
    return integer(len(members) - 1 - rank)


@GROUP.add("zpopmin", -2, "write fast", keys=ONE_KEY, since="5.0.0", syntax="key [count]")
def zpopmin(session: Session, request: list[bytes]) -> bytes:
    """Removes the members with the lowest scores and returns them."""
    return _pop(session, request, highest=False)


@GROUP.add("zpopmax", -2, "write fast", keys=ONE_KEY, since="5.0.0", syntax="key [count]")
def zpopmax(session: Session, request: list[bytes]) -> bytes:
    """Removes the members with the highest scores and returns them."""
    return _pop(session, request, highest=True)


def _check(flags: frozenset[bytes], scores: int, members: int) -> None:
    """Whether a ZADD makes sense."""
    if not scores or scores != members:
        raise CommandError(SYNTAX)
    if not flags:
        return
    if {b"NX", b"XX"} <= flags:
        raise CommandError(b"ERR XX and NX options at the same time are not compatible")
    if len(flags & {b"GT", b"LT", b"NX"}) > 1:
        raise CommandError(b"ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in flags and scores > 1:
        raise CommandError(b"ERR INCR option supports a single increment-element pair")


def _add(
    session: Session, key: bytes, flags: frozenset[bytes], scores: list[float], names: list[bytes]
) -> bytes:
    keyspace = session.keyspace
    members = keyspace.find(key, SortedSet)
    if members is None:
        members = SortedSet()
        if b"XX" not in flags:
            keyspace.values.insert(key, members)
    added = changed = 0
    new: float | None = None
    for name, score in zip(names, scores, strict=True):
        old = members.scores.get(name)
        new = _new_score(old, score, flags) if flags else score
        if new is None or new == old:
            continue
        if members.add(name, new):
            added += 1
        else:
            changed += 1
    if b"INCR" in flags:
        return session.wire.null if new is None else session.wire.double(new)
    return b":%d\r\n" % (added + changed if b"CH" in flags else added)


def _new_score(old: float | None, score: float, flags: frozenset[bytes]) -> float | None:
    """What a member's score becomes; None if the flags forbid to change it."""
    if old is None:
        return None if b"XX" in flags else score
    if b"NX" in flags:
        return None
    if b"INCR" in flags:
        score += old
        if isnan(score):
            raise CommandError(b"ERR resulting score is not a number (NaN)")
    if (b"GT" in flags and score <= old) or (b"LT" in flags and score >= old):
        return None
    return score


def _scores(session: Session, request: list[bytes]) -> list[bytes]:
    """The encoded scores of the members in the request."""
    members = session.keyspace.read(request[1], SortedSet)
    wire = session.wire
    found = map((members.scores if members is not None else {}).get, request[2:])
    return [wire.null if score is None else wire.double(score) for score in found]


def _pop(session: Session, request: list[bytes], highest: bool) -> bytes:
    if len(request) > 3:
        raise CommandError(SYNTAX)
    counted = len(request) == 3
    count = parse_positive(request[2]) if counted else 1
    members = session.keyspace.find(request[1], SortedSet)
    if members is None or not count:
        return EMPTY_ARRAY
    if highest:
        popped = members.remove_ranks(max(len(members) - count, 0), len(members))[::-1]
    else:
        popped = members.remove_ranks(0, count)
    if not len(members):
        session.keyspace.remove(request[1])
    return session.wire.scored(popped) if counted else session.wire.popped(*popped[0])
