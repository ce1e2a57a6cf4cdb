"""check_poller passes on every poller and says what is wrong with broken ones."""

from __future__ import annotations

import errno
import math
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from simulated import without

from netcore._platform import socket_over
from netcore.poll import EpollPoller, IocpPoller, KqueuePoller, Poller, SelectPoller
from netcore.testing import FakePoller, Simulation
from netcore.testing.conformance import wires
from netcore.testing.conformance.check_poller import check_poller

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class SelectorsPoller:
    """What a user might write: a poller on the standard library's ``selectors``."""

    name = "selectors"
    supports_edge = False

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.interests: dict[int, int] = {}
        self.waker, self.woken = socket.socketpair()
        self.waker.setblocking(False)
        self.woken.setblocking(False)
        self.selector.register(self.woken, READ)
        self.closed = False

    def check_open(self) -> None:
        if self.closed:
            raise ValueError("closed")

    def check_known(self, fd: int) -> None:
        self.check_open()
        if fd not in self.interests:
            raise FileNotFoundError(fd)

    def register(self, fd: int, interest: int) -> None:
        self.check_open()
        if fd in self.interests:
            raise FileExistsError(fd)
        if not is_open(fd):  # of which not every selector complains
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if interest & 3:
            self.selector.register(fd, interest & 3)
        self.interests[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        self.check_known(fd)
        self.unregister(fd)
        self.register(fd, interest)

    def unregister(self, fd: int) -> None:
        self.check_known(fd)
        if self.interests.pop(fd) & 3:
            self.selector.unregister(fd)

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self.check_open()
        events = self.select(timeout)
        found = [(key.fd, mask) for key, mask in events if key.fileobj is not self.woken]
        if len(found) < len(events):
            self.drain()
        return found

    def select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        # select repeats itself after a signal (PEP 475), unless the signal makes something readable.
        if threading.current_thread() is not threading.main_thread():
            return self.selector.select(timeout)
        former = signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        try:
            return self.selector.select(timeout)
        finally:
            signal.set_wakeup_fd(former)

    def drain(self) -> None:
        try:
            while self.woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def wake(self) -> None:
        self.check_open()
        try:
            self.waker.send(b"\0")
        except BlockingIOError:
            pass

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.selector.close()
            self.waker.close()
            self.woken.close()


@pytest.mark.parametrize(
    "factory",
    [
        pytest.param(EpollPoller, marks=pytest.mark.poller("epoll")),
        pytest.param(KqueuePoller, marks=pytest.mark.poller("kqueue")),
        pytest.param(IocpPoller, marks=pytest.mark.poller("iocp")),
        SelectPoller,
        SelectorsPoller,
        FakePoller,
    ],
)
def test_passes_on(factory: Callable[[], Poller]) -> None:
    check_poller(factory)


def test_passes_on_select_where_there_is_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("netcore.poll.select.select.poll", raising=False)
    check_poller(SelectPoller)


def test_passes_on_a_simulated_host() -> None:
    with Simulation(0).host("a"):
        check_poller(SelectorsPoller)


def test_works_on_any_thread() -> None:
    failures: list[BaseException] = []

    def check() -> None:
        try:
            check_poller(SelectorsPoller)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
    assert not failures


class Blocks(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        return super().wait(timeout or None)


class Unnamed(SelectorsPoller):
    name = ""


class RegistersTwice(SelectorsPoller):
    def register(self, fd: int, interest: int) -> None:
        if fd in self.interests:
            self.unregister(fd)
        super().register(fd, interest)


class Unknowing(SelectorsPoller):
    def check_known(self, fd: int) -> None:
        self.check_open()
        self.interests[fd]


class ReportsOnce(SelectorsPoller):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        new = [event for event in super().wait(timeout) if event[0] not in self.seen]
        self.seen.update(fd for fd, _ in new)
        return new


class Remembers(SelectorsPoller):
    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, int] = {}

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self.seen.update(super().wait(timeout))
        return [(fd, mask) for fd, mask in self.seen.items() if fd in self.interests]


class IgnoresInterest(SelectorsPoller):
    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest | WRITE)


class IgnoresNewInterest(SelectorsPoller):
    def modify(self, fd: int, interest: int) -> None:
        self.check_known(fd)


class ReportsStrangers(SelectorsPoller):
    def unregister(self, fd: int) -> None:
        self.check_known(fd)
        del self.interests[fd]

    def register(self, fd: int, interest: int) -> None:
        if fd in self.selector.get_map() and fd not in self.interests:
            self.selector.unregister(fd)
        super().register(fd, interest)


class ReportsItsWaker(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        events = super().wait(timeout)
        return events or ([] if timeout == 0 else [(self.woken.fileno(), READ)])


class ReportsKeys(SelectorsPoller):
    def wait(self, timeout: float | None) -> Any:
        return [(self.selector.get_key(fd), mask) for fd, mask in super().wait(timeout)]


class ReportsNothing(SelectorsPoller):
    def wait(self, timeout: float | None) -> Any:
        return super().wait(timeout) or None


class ReportsStrangeFlags(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        return [(fd, mask << 10) for fd, mask in super().wait(timeout)]


class WatchesFew(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        first = list(self.interests)[:64]
        return [event for event in super().wait(timeout) if event[0] in first]


class RoundsDown(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        if timeout is not None and 0 < timeout < 1e-3:
            return []  # without a look, so that it spins fast enough to be noticed on a slow machine too
        return super().wait(None if timeout is None else math.floor(timeout * 1e3) / 1e3)


class HasSecondsOnly(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        return super().wait(None if timeout is None else math.floor(timeout))


class Restless(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        return super().wait(0 if timeout is None else timeout)


class Deaf(SelectorsPoller):
    def wake(self) -> None:
        self.check_open()


class LosesEarlyWakes(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        self.check_open()
        self.drain()
        return super().wait(timeout)


class HidesEventsBehindWakes(SelectorsPoller):
    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0

    def wake(self) -> None:
        super().wake()
        self.wakes += 1

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        events = super().wait(timeout)
        return [] if self.wakes > 1 else events


class NeverRests(SelectorsPoller):
    def drain(self) -> None:
        pass


class WakesOnOneThread(SelectorsPoller):
    def wake(self) -> None:
        super().wake()
        if threading.current_thread() is not threading.main_thread() and len(self.interests) == 1:
            self.threads = getattr(self, "threads", 0) + 1
            if self.threads > 1:
                raise RuntimeError("wrong thread")


class ClosesOnce(SelectorsPoller):
    def close(self) -> None:
        self.check_open()
        super().close()


class StaysOpen(SelectorsPoller):
    def check_open(self) -> None:
        pass


class ClosesEverything(SelectorsPoller):
    def close(self) -> None:
        if not self.closed:
            for fd in self.interests:
                # Not close, which would hit others' numbers.
                with socket_over(socket.dup(fd), socket.AF_INET, socket.SOCK_STREAM) as sock:
                    sock.shutdown(socket.SHUT_RDWR)
        super().close()


class AcceptsAnything(SelectorsPoller):
    def register(self, fd: int, interest: int) -> None:
        try:
            super().register(fd, interest)
        except FileExistsError:
            raise
        except OSError:
            self.interests[fd] = 0


class DeafToSignals(SelectorsPoller):
    def select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        return self.selector.select(timeout)


class ClaimsEdge(SelectorsPoller):
    supports_edge = True


class TakesAnything(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        return super().wait(None if timeout is None else float(timeout))


class OneEdgeOnly(ReportsOnce):
    supports_edge = True

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        level = SelectorsPoller.wait(self, timeout)
        new = [(fd, mask) for fd, mask in level if not self.interests[fd] & 4 or fd not in self.seen]
        self.seen.update(fd for fd, _ in level)
        return new


class EndsWaitsForUnwantedEnds(SelectorsPoller):
    """As io_uring(7) does, whose polls tell of POLLRDHUP unasked."""

    def has_ended(self, fd: int) -> bool:
        with socket_over(socket.dup(fd), socket.AF_INET, socket.SOCK_STREAM) as sock:
            try:
                return sock.recv(1, socket.MSG_PEEK) == b""
            except OSError:
                return False

    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        unwanted = any(not mask & READ and self.has_ended(fd) for fd, mask in self.interests.items())
        return super().wait(0 if unwanted else timeout)


class TakesHalfCloseForTheEnd(EndsWaitsForUnwantedEnds):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        ended = [(fd, 4) for fd, mask in self.interests.items() if not mask & READ and self.has_ended(fd)]
        return ended or SelectorsPoller.wait(self, timeout)


class WatchesFiles(AcceptsAnything):
    def register(self, fd: int, interest: int) -> None:
        os.fstat(fd)
        super().register(fd, interest)


class RemembersTheClosed(SelectorsPoller):
    def wait(self, timeout: float | None) -> Sequence[tuple[int, int]]:
        closed = [(fd, 8) for fd in self.interests if not is_open(fd)]
        return closed or super().wait(timeout)


def is_open(fd: int) -> bool:
    try:
        socket.close(socket.dup(fd))
    except OSError:
        return False
    return True


WAITED_FOR = (
    *(Blocks, ReportsOnce, IgnoresNewInterest, Deaf, LosesEarlyWakes, HidesEventsBehindWakes),
    *(DeafToSignals, OneEdgeOnly),
)
"""These take as long as the checks are patient; on the way to the others' faults patience costs nothing."""


SLOW_LOOKS = pytest.mark.wine("a look takes so long that few fit into the time", run=False)


BROKEN = [
    (Blocks, r"wait\(0\) blocks\."),
    (Unnamed, "the poller's name is '' instead of a text."),
    (RegistersTwice, r"register\(\) of a registered descriptor does not raise FileExistsError\."),
    (
        Unknowing,
        r"modify\(\) of an unregistered descriptor raises KeyError\(.*instead of FileNotFoundError\.",
    ),
    (ReportsOnce, "level-triggered readiness is not repeated while bytes are left."),
    (Remembers, "a descriptor is still reported as readable after everything was received."),
    (
        IgnoresInterest,
        "an interest in READ alone reports room|an interest in WRITE alone reports|empty interest",
    ),
    (IgnoresNewInterest, r"modify\(\) to READ does not report bytes that are there already."),
    (ReportsStrangers, r"wait\(\) reports descriptor \d+, which is not registered."),
    (ReportsItsWaker, r"wait\(\) reports descriptor \d+, which is not registered."),
    (ReportsKeys, r"wait\(\) reports \(SelectorKey.* instead of a pair of integers."),
    (ReportsNothing, r"wait\(\) returns None instead of a sequence."),
    (ReportsStrangeFlags, "the readiness 1024, which is no combination of flags."),
    (WatchesFew, "236 of 300 ready descriptors are never reported."),
    pytest.param(
        RoundsDown,
        r"waits of 0.4 ms return early: it takes \d+ turns to wait 20 times.",
        marks=SLOW_LOOKS,
    ),
    pytest.param(HasSecondsOnly, "return early", marks=SLOW_LOOKS),
    # By the rule for signals, should the machine be too busy for the rule for wakes.
    pytest.param(
        Restless,
        r"wait\(None\) returns though nothing is ready and (nobody has|no signal has)",
        marks=SLOW_LOOKS,
    ),
    (Deaf, r"wake\(\) from another thread does not end wait\(None\)."),
    (LosesEarlyWakes, r"wake\(\) before wait\(\) is lost: the wait does not end."),
    (HidesEventsBehindWakes, "a wake.. hides that a descriptor is readable."),
    (NeverRests, "after 1000 wakes the poller never comes to rest."),
    (WakesOnOneThread, r"wake\(\) from several threads raises \[RuntimeError\('wrong thread'\)\]."),
    (ClosesOnce, 'while checking "close is final", the poller raised ValueError'),
    (StaysOpen, r"\(\) after close\(\) (does not raise|raises .* instead of) ValueError\."),
    (ClosesEverything, r"close\(\) closes the registered descriptors too: .*\."),
    (AcceptsAnything, r"register\(\) of a closed descriptor does not raise OSError\."),
    pytest.param(
        DeafToSignals,
        r"a signal does not end wait\(None\)\.",
        marks=pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals that interrupt"),
    ),
    (TakesAnything, r"wait\(Decimal\('0.001'\)\) does not raise TypeError\."),
    (ClaimsEdge, "edge-triggered readiness is repeated without news."),
    (OneEdgeOnly, "edge-triggered, new bytes behind unread ones are not reported."),
    (
        EndsWaitsForUnwantedEnds,
        "the end of the peer's half .*makes waits end again and again for nothing.",
    ),
    (
        TakesHalfCloseForTheEnd,
        "the end of the peer's half .*makes waits end again and again for nothing.",
    ),
    pytest.param(WatchesFiles, r"register\(\) of a file does not raise OSError\.", marks=pytest.mark.posix),
    pytest.param(
        RemembersTheClosed,
        "a descriptor that was closed before unregister.. is reported for ever.",
        marks=pytest.mark.posix,
    ),
    (object, 'while checking ".*", the poller raised AttributeError'),
]
"""What has a fault, and what is said of it."""


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
def test_says_what_is_wrong(
    broken: Callable[[], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken in WAITED_FOR:
        monkeypatch.setattr(wires, "PATIENCE", 1.0)
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_poller(broken)
    assert str(caught.value).endswith(".")


@pytest.mark.once
@pytest.mark.parametrize(
    ("broken", "sentence"),
    without(BROKEN, WakesOnOneThread, DeafToSignals),  # there is one thread, and there are no signals
)
def test_says_so_on_a_simulated_host(broken: Callable[[], Any], sentence: str) -> None:
    with Simulation(0).host("a"), pytest.raises(AssertionError, match=sentence):
        check_poller(broken)
