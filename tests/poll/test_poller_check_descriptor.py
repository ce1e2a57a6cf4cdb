"""check_poller watches a poller's own descriptor, and says what is wrong with it."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from netcore.poll import Columns, EpollPoller, Interest, SelectPoller
from netcore.testing.conformance import wires
from netcore.testing.conformance.check_poller import check_poller

READ = selectors.EVENT_READ

pytestmark = pytest.mark.skipif(
    not hasattr(selectors.DefaultSelector, "fileno"), reason="needs a selector with a descriptor"
)


class Watchable(SelectPoller):
    """The select poller, with a selector beside it that shows others what the poller would find."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: Any = selectors.DefaultSelector()
        self.show(self._woken_fd, READ)

    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest)
        self.show(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        super().modify(fd, interest)
        self.hide(fd)
        self.show(fd, interest)

    def unregister(self, fd: int) -> None:
        super().unregister(fd)
        self.hide(fd)

    def show(self, fd: int, interest: int) -> None:
        if interest & 3:
            self.shown.register(fd, interest & 3)

    def hide(self, fd: int) -> None:
        if fd in self.shown.get_map():
            self.shown.unregister(fd)

    def fileno(self) -> int:
        self._check_open(0)
        return int(self.shown.fileno())

    def close(self) -> None:
        super().close()
        self.shown.close()


def test_passes_on_one_with_a_descriptor() -> None:
    check_poller(Watchable)


class Ringing(Watchable):
    """Has a bell too, to show what is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.bell, self.ringer = socket.socketpair()
        self.bell.setblocking(False)
        self.ringer.setblocking(False)
        self.shown.register(self.bell, READ)

    def ring(self) -> None:
        with suppress(BlockingIOError):
            self.ringer.send(b"!")

    def silence(self) -> None:
        with suppress(BlockingIOError):
            self.bell.recv(4096)

    def close(self) -> None:
        super().close()
        self.bell.close()
        self.ringer.close()


class TellsAnObject(Watchable):
    def fileno(self) -> Any:
        return self.shown


class ChangesItsNumber(Watchable):
    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def fileno(self) -> int:
        self.numbers.append(os.dup(super().fileno()))
        return self.numbers[-1]

    def close(self) -> None:
        super().close()
        while self.numbers:
            os.close(self.numbers.pop())


class ShowsAnything(Ringing):
    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest)
        self.ring()


class ShowsNothing(Watchable):
    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest)
        self.hide(fd)


class KeepsShowing(Ringing):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        events = super().wait(timeout)
        if events:
            self.ring()
        return events


class LooksOnlyWhenAsked(Ringing):
    def show(self, fd: int, interest: int) -> None:
        pass

    def fileno(self) -> int:
        number = super().fileno()
        self.silence()
        if self._scan.scan(0):
            self.ring()
        return number


class HidesWhatIsReady(Watchable):
    """Registers with the system only what is not ready yet."""

    def show(self, fd: int, interest: int) -> None:
        with selectors.DefaultSelector() as now:
            now.register(fd, interest & 3 or READ)
            if not now.select(0):
                super().show(fd, interest)


class SubmitsModificationsByWaiting(Watchable):
    def __init__(self) -> None:
        super().__init__()
        self.modified: dict[int, int] = {}

    def modify(self, fd: int, interest: int) -> None:
        SelectPoller.modify(self, fd, interest)
        self.modified[fd] = interest

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self._check_open(0)
        while self.modified:
            fd, interest = self.modified.popitem()
            self.hide(fd)
            if fd in self._interests:
                self.show(fd, interest)
        return super().wait(timeout)


class NeverHidesTheModified(Ringing):
    def modify(self, fd: int, interest: int) -> None:
        super().modify(fd, interest)
        self.ring()


class ShowsOnce(Watchable):
    """Asks again only for what is not ready any more."""

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        events = super().wait(timeout)
        for fd, _ in events:
            self.hide(fd)
        return events

    def fileno(self) -> int:
        number = super().fileno()
        ready = {fd for fd, _ in self._scan.scan(0)}
        for fd, interest in self._interests.items():
            if fd not in ready and fd not in self.shown.get_map():
                self.show(fd, interest)
        return number


class ForgetsWhatItHolds(Watchable):
    """Fetches all, tells a few, and has the system look for the others no more."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[int, int]] = []

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        if not self.held:
            self.held = list(super().wait(timeout))
            if len(self.held) > 64:
                for fd, _ in self.held:
                    self.hide(fd)
        events, self.held = self.held[:64], self.held[64:]
        return [(fd, readiness) for fd, readiness in events if self._interests.get(fd, 0) & readiness]


class ShowsTheUnregistered(Ringing):
    def unregister(self, fd: int) -> None:
        super().unregister(fd)
        self.ring()

    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest)
        self.silence()


class HidesWakes(Watchable):
    def __init__(self) -> None:
        super().__init__()
        self.hide(self._woken_fd)


class KeepsShowingWakes(Ringing):
    def wake(self) -> None:
        super().wake()
        self.ring()


class ShowsWakesWhenAsked(Ringing):
    def __init__(self) -> None:
        super().__init__()
        self.hide(self._woken_fd)

    def fileno(self) -> int:
        number = super().fileno()
        self.silence()
        if (self._woken_fd, READ) in self._scan.scan(0):
            self.ring()
        return number


class HasANumberForEver(Watchable):
    def fileno(self) -> int:
        if not self._closed:
            self.number = super().fileno()
        return self.number


class Edges(EpollPoller):
    """Shows what a second poller finds, which is told of all but edges."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = EpollPoller()

    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest)
        self.shown.register(fd, self.as_shown(interest))

    def modify(self, fd: int, interest: int) -> None:
        super().modify(fd, interest)
        self.shown.modify(fd, self.as_shown(interest))

    def unregister(self, fd: int) -> None:
        super().unregister(fd)
        self.shown.unregister(fd)

    def wait_columns(self, timeout: float | None) -> Columns:
        if not self._closed:
            self.shown.wait(0)
        return super().wait_columns(timeout)

    def wake(self) -> None:
        super().wake()
        self.shown.wake()

    def fileno(self) -> int:
        super().fileno()
        return self.shown.fileno()

    def close(self) -> None:
        super().close()
        self.shown.close()

    def as_shown(self, interest: int) -> int:
        raise NotImplementedError


class HidesEdges(Edges):
    def as_shown(self, interest: int) -> int:
        return 0 if interest & Interest.EDGE else interest


class ShowsEdgesForEver(Edges):
    def as_shown(self, interest: int) -> int:
        return interest & ~Interest.EDGE


WAITED_FOR = (
    *(ShowsNothing, LooksOnlyWhenAsked, HidesWhatIsReady, SubmitsModificationsByWaiting, ShowsOnce),
    *(ForgetsWhatItHolds, HidesWakes, ShowsWakesWhenAsked, HidesEdges),
)
"""These take as long as the checks are patient."""

EPOLL = pytest.mark.poller("epoll")


@pytest.mark.once
@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (TellsAnObject, r"fileno\(\) returns <.*> instead of a descriptor\."),
        (ChangesItsNumber, r"fileno\(\) returns \d+, then \d+, then \d+\."),
        (ShowsAnything, "readable though nothing is ready."),
        (ShowsNothing, "does not become readable when a registered one does."),
        (KeepsShowing, "stays readable after everything was received."),
        (LooksOnlyWhenAsked, "who waits for the poller's descriptor does not learn that a registered one is"),
        (HidesWhatIsReady, r"bytes from before register\(\) do not make the poller's descriptor readable."),
        (NeverHidesTheModified, r"after modify\(\) to what is not ready .* stays readable."),
        (SubmitsModificationsByWaiting, r"after modify\(\) to what is ready .* is not readable."),
        (ShowsOnce, "level-triggered, the poller's descriptor is not readable while bytes are left."),
        pytest.param(HidesEdges, "edge-triggered, .* does not become readable by news.", marks=EPOLL),
        pytest.param(ShowsEdgesForEver, "edge-triggered, .* stays readable without news.", marks=EPOLL),
        (ForgetsWhatItHolds, "is not readable while a wait would tell more."),
        (ShowsTheUnregistered, r"after unregister\(\) the poller's descriptor stays readable."),
        (HidesWakes, r"wake\(\) does not make the poller's descriptor readable."),
        (KeepsShowingWakes, r"after a wake\(\) and a wait the poller's descriptor stays readable."),
        (ShowsWakesWhenAsked, r"wake\(\) from another thread is not seen"),
        (HasANumberForEver, r"fileno\(\) after close\(\) does not raise ValueError."),
    ],
)
def test_says_what_is_wrong(
    broken: Callable[[], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken in WAITED_FOR:
        monkeypatch.setattr(wires, "PATIENCE", 1.0)
    with pytest.raises(AssertionError, match=sentence):
        check_poller(broken)
