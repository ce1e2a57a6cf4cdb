"""A token bucket for each of many: hosts, users, subjects."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial

from netcore._arguments import size_of
from netcore._locks import make_lock
from netcore._machine import monotonic
from netcore.ratelimit.bucket import TokenBucket

__all__ = ["TokenBuckets"]


class TokenBuckets:
    """Makes a bucket for each key when it is first asked for. Any thread.

    A bucket that is full again is as good as a new one, so it may be forgotten: what is remembered are the
    keys that have spent something of late. If these are more than there may be, as who sends from invented
    addresses brings about, the one that was not asked for the longest is forgotten, and may spend anew.
    """

    __slots__ = ("_buckets", "_lock", "_make", "max_keys")

    def __init__(
        self,
        rate: float,
        burst: float | None = None,
        *,
        max_keys: int = 65536,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Keeps what it makes buckets with.

        Args:
            rate: See ``TokenBucket``.
            burst: See ``TokenBucket``.
            max_keys: How many keys are remembered at most; each takes some 400 bytes.
            clock: See ``TokenBucket``.

        Raises:
            TypeError: See ``TokenBucket``; or the maximum is no whole number.
            ValueError: See ``TokenBucket``; or the maximum is less than 1.
        """
        self.max_keys: int = size_of(max_keys, "max_keys", most=None)
        if not self.max_keys:
            raise ValueError("max_keys is 0: it must be 1 or more")
        self._make = partial(TokenBucket, rate, burst, clock=clock)
        self._make()  # complains now, and not when the first peer comes
        self._lock = make_lock()
        # What was asked for last comes last. The first one of a dict is searched for beyond all that were
        # deleted before it, which took a millisecond with a million keys.
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._buckets)

    def __getitem__(self, key: Hashable) -> TokenBucket:
        """Returns the bucket of a key; not to be kept, since it may be forgotten."""
        with self._lock:
            bucket = self._buckets.pop(key, None)
            if bucket is None:
                bucket = self._make()
                self._forget()
            self._buckets[key] = bucket
            return bucket

    def _forget(self) -> None:
        """Makes room for one key, and looks at a second one, so that in the end all that are full go."""
        for room in (self.max_keys - 1, self.max_keys):
            for oldest, bucket in self._buckets.items():
                if len(self._buckets) > room or bucket.is_full:
                    self._buckets.pop(oldest, None)  # a signal handler may have, in between
                break
