"""check_sockets passes on both implementations and says what is wrong with broken ones."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from simulated import without

from netcore.address import Address
from netcore.sockets import Chunk, NativeSockets, PureSockets, Sockets
from netcore.testing import Simulation
from netcore.testing.conformance import wires
from netcore.testing.conformance.check_sockets import check_sockets


@pytest.mark.parametrize(
    "factory",
    [
        PureSockets,
        pytest.param(NativeSockets, marks=pytest.mark.native),
        pytest.param(lambda: PureSockets(4096, 16384), id="small-pure"),
        pytest.param(lambda: NativeSockets(4096, 16384), marks=pytest.mark.native, id="small-native"),
        pytest.param(lambda: PureSockets(1 << 20, 1), id="one-at-a-time"),
    ],
)
@pytest.mark.usefixtures("known_to_wine")
def test_passes_on(factory: Callable[[], Sockets]) -> None:
    check_sockets(factory)


class Unpacked(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        return [super(Unpacked, self).receive([fd])[0] for fd in fds]


class Overflows(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        return [*super().receive(fds), *([0] if len(fds) > 64 else [])]


class RaisesWhenEmpty(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        results = super().receive(fds)
        if -errno.EAGAIN in results:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        return results


class PositiveErrors(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        return [errno.ECONNRESET if n == -errno.ECONNRESET else n for n in super().receive(fds)]


class HidesTheEnd(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        return [n or -errno.EAGAIN for n in super().receive(fds)]


class ReceivesHalf(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        results = super().receive(fds)
        return [n if n < 500 else n - 1 for n in results]


class KeepsTheArena(PureSockets):
    def renew_arena(self) -> None:
        if not hasattr(self, "arena"):
            super().renew_arena()


class RenewsHalf(PureSockets):
    def renew_arena(self) -> None:
        memory = getattr(self, "_memory", None)
        super().renew_arena()
        if memory is not None:
            self._memory = memory


class HidesShortWrites(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        return [(i, n) for i, n in super().send(fds, chunks) if n < 0]


class Counts(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        return [(i, n if n < 0 else len(chunks[i]) - n) for i, n in super().send(fds, chunks)]


class OneByOne(PureSockets):
    """Tries every chunk, whatever became of those before it."""

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        left: list[tuple[int, int]] = []
        for i, (fd, chunk) in enumerate(zip(fds, chunks, strict=True)):
            left += [(i, n) for _, n in super().send([fd], [chunk])]
        return left


class SocketBySocket(PureSockets):
    """Gathers the chunks of each socket, and reports in that order."""

    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        left: list[tuple[int, int]] = []
        for fd in dict.fromkeys(fds):
            mine = [i for i, other in enumerate(fds) if other == fd]
            rest = super().send([fd] * len(mine), [chunks[i] for i in mine])
            left += [(mine[i], n) for i, n in rest]
        return left


class LosesViews(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        return super().send(fds, [c if isinstance(c, bytes) else bytes(len(c)) for c in chunks])


class RefusesNothing(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        return [*super().send(fds, chunks), *((i, 0) for i, c in enumerate(chunks) if not c)]


class LimitsTheBatch(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        return super().send(fds[:1024], chunks[:1024])


class RaisesErrors(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        left = super().send(fds, chunks)
        for _, n in left:
            if n < 0:
                raise OSError(-n, os.strerror(-n))
        return left


class SendsFilesFromTheirPosition(PureSockets):
    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        with open(file, "rb", buffering=0, closefd=False) as whole:
            return self._sockets[fd].send(whole.read(count))


class HidesTheEndOfFiles(PureSockets):
    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        return super().sendfile(fd, file, offset, count) or -errno.EAGAIN


class FindsNoRoomForFiles(PureSockets):
    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        return max(super().sendfile(fd, file, offset, count), 0)


class ShutsBothWays(PureSockets):
    def shutdown_write(self, fd: int) -> None:
        self._sockets[fd].shutdown(socket.SHUT_RDWR)


class ResetsAlways(PureSockets):
    def close(self, fds: list[int]) -> None:
        for fd in fds:
            self._sockets[fd].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        super().close(fds)


class NeverResets(PureSockets):
    def reset(self, fd: int) -> None:
        self.close([fd])


class LeavesOpen(PureSockets):
    def close(self, fds: list[int]) -> None:
        super().close(fds[:1])


class ClosesTheBorrowed(PureSockets):
    @contextmanager
    def borrow(self, fd: int) -> Iterator[socket.socket]:
        with self._sockets[fd].dup() as sock:
            yield sock


class NamesOthers(PureSockets):
    def local_address(self, fd: int) -> Address:
        host, port = self._sockets[fd].getsockname()
        return Address("tcp", host, port + 1)


class AcceptsBlocking(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        for new, _ in accepted:
            os.set_blocking(new, True)
        return accepted, error


class AcceptsInheritable(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        for new, _ in accepted:
            os.set_inheritable(new, True)
        return accepted, error


class AcceptsAll(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        return super().accept(fd, 1000)


class AcceptsUntilBlocked(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        return accepted, error or (-errno.EAGAIN if len(accepted) < limit else 0)


class AcceptsStrangers(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        return [(new, name[:1] + b"\0\1" + name[3:]) for new, name in accepted], error


class AcceptRaises(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        if error:
            raise OSError(-error, os.strerror(-error))
        return accepted, error


class LosesWhatItAccepted(PureSockets):
    def accept(self, fd: int, limit: int) -> tuple[list[tuple[int, bytes]], int]:
        accepted, error = super().accept(fd, limit)
        if error:
            for new, _ in accepted:
                os.close(new)
            return [], error
        return accepted, error


BROKEN = [
    (Unpacked, "the arena does not have the bytes of the sockets one after the other."),
    (Overflows, r"receive\(\) of 300 sockets gives 301 results."),
    (RaisesWhenEmpty, r"the sockets raised BlockingIOError\("),
    (PositiveErrors, r"receive\(\) gives 104 instead of -ECONNRESET after a reset by the peer."),
    (HidesTheEnd, r"receive\(\) gives -11 instead of 0 at the end of a stream."),
    (ReceivesHalf, r"receive\(\) gives wrong numbers of bytes."),
    (KeepsTheArena, r"renew_arena\(\) does not replace the arena."),
    (RenewsHalf, r"receive\(\) does not use the renewed arena."),
    (HidesShortWrites, "reports no exception."),
    (Counts, r"send\(\) reports (fewer bytes left than there are: |chunk \d+ although|0 bytes)|in full"),
    (
        OneByOne,
        "after a short write not all later|after an error not every|a later one of the same socket",
    ),
    (SocketBySocket, r"send\(\) does not report its exceptions in ascending order."),
    (LosesViews, r"send\(\) of large, small and empty chunks changes bytes or their order."),
    (RefusesNothing, r"send\(\) reports chunk \d+ although nothing of it is left."),
    (LimitsTheBatch, r"after send\(\) of 5000 chunks bytes are missing: \d+ of \d+ bytes arrive."),
    (RaisesErrors, r"the sockets raised BrokenPipeError\("),
    (SendsFilesFromTheirPosition, r"sendfile\(\) does not send the bytes from the offset on."),
    (HidesTheEndOfFiles, r"sendfile\(\) from byte 100003 of 100003 gives -11 instead of 0."),
    (FindsNoRoomForFiles, r"sendfile\(\) to a peer that does not receive gives 0, not -EAGAIN."),
    (ShutsBothWays, r'while checking "shuts down writing", the sockets raised BrokenPipeError'),
    (ResetsAlways, r"close\(\) (loses|does not end)"),
    (NeverResets, r"reset\(\) shows the peer b'' instead of ECONNRESET."),
    (
        LeavesOpen,
        r"close\(\) does not close the descriptor.",
    ),
    (ClosesTheBorrowed, r"borrow\(\) lends another descriptor."),
    (NamesOthers, r"local_address\(\) of 127.0.0.1, port \d+, is tcp://127.0.0.1:\d+."),
    (AcceptsBlocking, r"accept\(\) returns a socket that blocks."),
    (AcceptsInheritable, r"accept\(\) returns a socket that is not close-on-exec."),
    (AcceptsAll, r"accept\(\) with a limit of 3 returns 5 connections."),
    (AcceptsUntilBlocked, r"accept\(\) without connections is not \(\[\], 0\)."),
    (AcceptsStrangers, r"accept\(\) does not give each connection the name of its own peer."),
    (AcceptRaises, r'while checking "reports errors of the listener", the sockets raised OSError'),
    (LosesWhatItAccepted, r"accept\(\) with 1 descriptors left returns 0 connections."),
    (object, 'while checking "tells its name", the sockets raised AttributeError'),
]
"""What has a fault, and what is said of it."""


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
@pytest.mark.skipif(os.name != "posix", reason="the broken sockets are made with POSIX calls")
def test_says_what_is_wrong(
    broken: Callable[[], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken is LimitsTheBatch:  # the one that takes as long as the check is patient
        monkeypatch.setattr(wires, "PATIENCE", 1.0)
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_sockets(broken)
    assert str(caught.value).endswith(".")


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), without(BROKEN, OneByOne))  # whose fault packets show
@pytest.mark.skipif(os.name != "posix", reason="the broken sockets are made with POSIX calls")
def test_says_so_on_a_simulated_host(broken: Callable[[], Any], sentence: str) -> None:
    with Simulation(0).host("a"), pytest.raises(AssertionError, match=sentence):
        check_sockets(broken)
