"""The sorted set: members with scores, in the order of their scores."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from .scandict import ScanDict

_SCORE = itemgetter(0)
_MEMBER = itemgetter(1)
Ranked = tuple[float, bytes]


@dataclass(frozen=True, slots=True)
class ScoreBound:
    """One end of a range of scores."""

    score: float
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class LexBound:
    """One end of a range of members.

    Attributes:
        member: None for one of the ends of everything.
        exclusive: whether the member itself is outside.
        last: for no member, whether it is the end after the last one.
    """

    member: bytes | None
    exclusive: bool = False
    last: bool = False


class SortedSet:
    """A dict from member to score, and a list of (score, member) kept sorted.

    Members of equal scores are in the order of their bytes. A lookup by score, member or rank is a
    bisection. An insertion moves half the list's pointers on average: about 0.1 ms at 100,000 members.
    """

    __slots__ = ("ranked", "scores")

    def __init__(self) -> None:
        self.scores: ScanDict[float] = ScanDict()
        self.ranked: list[Ranked] = []

    def __len__(self) -> int:
        return len(self.ranked)

    def add(self, member: bytes, score: float) -> bool:
        """Set the member's score; tell whether the member is new."""
        old = self.scores.get(member)
        if old is not None:
            if old == score:
                return False
            del self.ranked[bisect_left(self.ranked, (old, member))]
        insort(self.ranked, (score, member))
        return self.scores.insert(member, score)

    def remove(self, member: bytes) -> bool:
        """Remove the member; tell whether it was there."""
        score = self.scores.remove(member)
        if score is None:
            return False
        del self.ranked[bisect_left(self.ranked, (score, member))]
        return True

    def remove_ranks(self, start: int, stop: int) -> Sequence[Ranked]:
        """Remove the members from rank start to before rank stop and return them."""
        removed = self.ranked[start:stop]
        del self.ranked[start:stop]
        for _, member in removed:
            self.scores.remove(member)
        return removed

    def rank(self, member: bytes) -> int | None:
        """How many members come before this one; None if it is not here."""
        score = self.scores.get(member)
        return None if score is None else bisect_left(self.ranked, (score, member))

    def score_range(self, low: ScoreBound, high: ScoreBound) -> tuple[int, int]:
        """The ranks of the members with scores between the two: the first, and the one after the last."""
        below = bisect_right if low.exclusive else bisect_left
        above = bisect_left if high.exclusive else bisect_right
        start = below(self.ranked, low.score, key=_SCORE)
        return start, max(start, above(self.ranked, high.score, key=_SCORE))

    def lex_range(self, low: LexBound, high: LexBound) -> tuple[int, int]:
        """The ranks of the members between the two, provided that all scores are equal."""
        if low.member is None:
            start = len(self) if low.last else 0
        else:
            below = bisect_right if low.exclusive else bisect_left
            start = below(self.ranked, low.member, key=_MEMBER)
        if high.member is None:
            stop = len(self) if high.last else 0
        else:
            above = bisect_left if high.exclusive else bisect_right
            stop = above(self.ranked, high.member, key=_MEMBER)
        return start, max(start, stop)
