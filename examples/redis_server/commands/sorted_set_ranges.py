"""Sorted sets: ranges by rank, by score and by member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..numeric import parse_float, parse_integer
from ..ranges import absolute_range
from ..sortedset import LexBound, ScoreBound, SortedSet
from ..table import ONE_KEY, Group
from ..wire import EMPTY_ARRAY, ZERO, bulks, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("sorted-set", "sortedset")

_RANK, _SCORE, _LEX = b"RANK", b"BYSCORE", b"BYLEX"
_LIMIT = "[LIMIT offset count]"


@dataclass(slots=True)
class _Options:
    """What a range command asks for; an attribute is None as long as an argument may decide it."""

    kind: bytes | None = None
    backwards: bool | None = None
    with_scores: bool = False
    offset: int = 0
    limit: int = -1


@GROUP.add(
    "zrange",
    -4,
    "readonly",
    keys=ONE_KEY,
    since="1.2.0",
    syntax=f"key start stop [BYSCORE | BYLEX] [REV] {_LIMIT} [WITHSCORES]",
)
def zrange(session: Session, request: list[bytes]) -> bytes:
    """Returns the members in a range of ranks, of scores or of members."""
    return _range(session, request, _Options())


@GROUP.add("zrevrange", -4, "readonly", keys=ONE_KEY, since="1.2.0", syntax="key start stop [WITHSCORES]")
def zrevrange(session: Session, request: list[bytes]) -> bytes:
    """Returns the members in a range of ranks, from the highest score."""
    return _range(session, request, _Options(_RANK, True))


@GROUP.add(
    "zrangebyscore",
    -4,
    "readonly",
    keys=ONE_KEY,
    since="1.0.5",
    syntax=f"key min max [WITHSCORES] {_LIMIT}",
)
def zrangebyscore(session: Session, request: list[bytes]) -> bytes:
    """Returns the members in a range of scores."""
    return _range(session, request, _Options(_SCORE, False))


@GROUP.add(
    "zrevrangebyscore",
    -4,
    "readonly",
    keys=ONE_KEY,
    since="2.2.0",
    syntax=f"key max min [WITHSCORES] {_LIMIT}",
)
def zrevrangebyscore(session: Session, request: list[bytes]) -> bytes:
    """Returns the members in a range of scores, from the highest."""
    return _range(session, request, _Options(_SCORE, True))


@GROUP.add("zrangebylex", -4, "readonly", keys=ONE_KEY, since="2.8.9", syntax=f"key min max {_LIMIT}")
def zrangebylex(session: Session, request: list[bytes]) -> bytes:
    """Returns the members between two strings, if all scores are equal."""
    return _range(session, request, _Options(_LEX, False))


@GROUP.add("zrevrangebylex", -4, "readonly", keys=ONE_KEY, since="2.8.9", syntax=f"key max min {_LIMIT}")
def zrevrangebylex(session: Session, request: list[bytes]) -> bytes:
    """Returns the members between two strings, the last one first, if all scores are equal."""
    return _range(session, request, _Options(_LEX, True))


@GROUP.add("zcount", 4, "readonly fast", keys=ONE_KEY, since="2.0.0", syntax="key min max")
def zcount(session: Session, request: list[bytes]) -> bytes:
    """Counts the members in a range of scores."""
    return _count(session, request, _SCORE)


@GROUP.add("zlexcount", 4, "readonly fast", keys=ONE_KEY, since="2.8.9", syntax="key min max")
def zlexcount(session: Session, request: list[bytes]) -> bytes:
    """Counts the members between two strings, if all scores are equal."""
    return _count(session, request, _LEX)


@GROUP.add("zremrangebyrank", 4, "write", keys=ONE_KEY, since="2.0.0", syntax="key start stop")
def zremrangebyrank(session: Session, request: list[bytes]) -> bytes:
    """Removes the members in a range of ranks."""
    return _remove(session, request, _RANK)


@GROUP.add("zremrangebyscore", 4, "write", keys=ONE_KEY, since="1.2.0", syntax="key min max")
def zremrangebyscore(session: Session, request: list[bytes]) -> bytes:
    """Removes the members in a range of scores."""
    return _remove(session, request, _SCORE)


@GROUP.add("zremrangebylex", 4, "write", keys=ONE_KEY, since="2.8.9", syntax="key min max")
def zremrangebylex(session: Session, request: list[bytes]) -> bytes:
    """Removes the members between two strings, if all scores are equal."""
    return _remove(session, request, _LEX)


class _Range:
    """A range as the client gave it; making one checks it.

    Args:
        kind: of what: _RANK, _SCORE or _LEX.
        first: one end.
        last: the other.
        backwards: ranks count from the highest score; of the others, ``first`` is the upper end.
    """

    def __init__(self, kind: bytes, first: bytes, last: bytes, backwards: bool = False) -> None:
        self._backwards = backwards
        low, high = (last, first) if backwards else (first, last)
        self._scores = (_score_bound(low), _score_bound(high)) if kind == _SCORE else None
        self._members = (_lex_bound(low), _lex_bound(high)) if kind == _LEX else None
        self._ranks = (parse_integer(first), parse_integer(last)) if kind == _RANK else (0, 0)

    def ranks(self, members: SortedSet) -> tuple[int, int]:
        """The ranks of the members in it, from the lowest score: the first, and one after the last."""
        if self._scores:
            return members.score_range(*self._scores)
        if self._members:
            return members.lex_range(*self._members)
        size = len(members)
        start, stop = absolute_range(*self._ranks, size)
        return (size - stop, size - start) if self._backwards else (start, stop)


def _range(session: Session, request: list[bytes], options: _Options) -> bytes:
    _parse(request[4:], options)
    backwards = bool(options.backwards)
    wanted = _Range(options.kind or _RANK, request[2], request[3], backwards)
    members = session.keyspace.read(request[1], SortedSet)
    if members is None or options.offset < 0:
        return EMPTY_ARRAY
    start, stop = wanted.ranks(members)
    # The offset and the limit are applied to the ranks, so that only what is returned gets copied.
    count = max(stop - start - options.offset, 0)
    if options.limit >= 0:
        count = min(count, options.limit)
    if backwards:
        stop -= options.offset
        found = members.ranked[stop - count : stop][::-1] if count else []
    else:
        start += options.offset
        found = members.ranked[start : start + count]
    if options.with_scores:
        return session.wire.scored(found)
    return bulks(member for _, member in found)


def _count(session: Session, request: list[bytes], kind: bytes) -> bytes:
    wanted = _Range(kind, request[2], request[3])
    members = session.keyspace.read(request[1], SortedSet)
    if members is None:
        return ZERO
    start, stop = wanted.ranks(members)
    return integer(stop - start)


def _remove(session: Session, request: list[bytes], kind: bytes) -> bytes:
    wanted = _Range(kind, request[2], request[3])
    members = session.keyspace.find(request[1], SortedSet)
    if members is None:
        return ZERO
    removed = members.remove_ranks(*wanted.ranks(members))
    if not len(members):
        session.keyspace.remove(request[1])
    return integer(len(removed))


def _parse(words: list[bytes], options: _Options) -> None:
    rest = iter(words)
    for word in rest:
        option = word.upper()
        if option == b"WITHSCORES":
            options.with_scores = True
        elif option == b"LIMIT":
            offset, limit = next(rest, None), next(rest, None)
            if offset is None or limit is None:
                raise CommandError(SYNTAX)
            options.offset, options.limit = parse_integer(offset), parse_integer(limit)
        elif option == b"REV" and options.backwards is None:
            options.backwards = True
        elif option in (_SCORE, _LEX) and options.kind is None:
            options.kind = option
        else:
            raise CommandError(SYNTAX)
    kind = options.kind or _RANK
    if options.limit != -1 and kind == _RANK:
        message = b", LIMIT is only supported in combination with either BYSCORE or BYLEX"
        raise CommandError(SYNTAX + message)
    if options.with_scores and kind == _LEX:
        raise CommandError(SYNTAX + b", WITHSCORES not supported in combination with BYLEX")


def _score_bound(text: bytes) -> ScoreBound:
    exclusive = text.startswith(b"(")
    return ScoreBound(parse_float(text[exclusive:], b"ERR min or max is not a float"), exclusive)


def _lex_bound(text: bytes) -> LexBound:
    if text in (b"-", b"+"):
        return LexBound(None, last=text == b"+")
    if text[:1] not in (b"(", b"["):
        raise CommandError(b"ERR min or max not valid string range item")
    return LexBound(text[1:], exclusive=text.startswith(b"("))
