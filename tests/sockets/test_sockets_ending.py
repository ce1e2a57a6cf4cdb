"""How sockets end a connection: what check_sockets says of those that do it in another way."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

import pytest
from simulated import without

from netcore._platform import HERE, pack_linger
from netcore.sockets import Chunk, PureSockets, Sockets, ending, files, take_passed
from netcore.testing import Simulation
from netcore.testing.conformance import ending_rules, wires
from netcore.testing.conformance.ending_rules import ENDING_RULES

pytestmark = [pytest.mark.posix]

checking = import_module("netcore.testing.conformance.check_sockets")


class JustCloses(PureSockets):
    def close(self, fds: list[int]) -> None:
        self.release(fds)


class SwitchesLingeringOff(PureSockets):
    """Waits for nothing, and forgets the duplicates."""

    def close(self, fds: list[int]) -> None:
        for fd in fds:
            with self.borrow(fd) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(-1))
        self.release(fds)


class ResetsAtTheLastClose(PureSockets):
    def reset(self, fd: int) -> None:
        self._sockets[fd].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
        self.release([fd])


class ForgetsDuplicates(PureSockets):
    def close(self, fds: list[int]) -> None:
        for fd in fds:
            if ending.linger_of(self._sockets[fd]) is None:
                self.release([fd])
            else:
                super().close([fd])


class ReleasesByEnding(PureSockets):
    def release(self, fds: list[int]) -> None:
        self.close(fds)


class SendsWithSignals(PureSockets):
    def send(self, fds: list[int], chunks: list[Chunk]) -> Sequence[tuple[int, int]]:
        for fd, chunk in zip(fds, chunks, strict=True):
            try:
                self._sockets[fd].send(chunk)
            except OSError as error:
                return [(0, -(error.errno or 0))]
        return []


class SendsFilesWithSignals(PureSockets):
    def sendfile(self, fd: int, file: int, offset: int, count: int) -> int:
        try:
            return os.sendfile(fd, file, offset, count)
        except OSError as error:
            return -(error.errno or 0)


class InstallsDescriptors(PureSockets):
    def receive(self, fds: list[int]) -> list[int]:
        data, *_ = self._sockets[fds[0]].recvmsg(100, 1000)
        self.arena[: len(data)] = data
        return [len(data)]

    def attach(self, fd: int) -> None:
        super().attach(fd)
        with suppress(OSError):  # as it is before anybody forbids it; SO_PASSRIGHTS
            self._sockets[fd].setsockopt(socket.SOL_SOCKET, 83, 1)


BROKEN = [
    (JustCloses, r"closing a socket with SO_LINGER of 2 s waits for \d\.\d s\."),
    (SwitchesLingeringOff, r"close\(\) of a socket with SO_LINGER of zero seconds shows the peer b''"),
    (ForgetsDuplicates, r"close\(\) tells the peer nothing while a duplicate is open"),
    pytest.param(
        ResetsAtTheLastClose,
        r"reset\(\) of a socket with a duplicate shows the peer b'nothing' instead of ECONNRESET\.",
        marks=pytest.mark.skipif(not HERE.disconnect_resets, reason="a reset waits for duplicates here"),
    ),
    (ReleasesByEnding, r'while checking "releases", the sockets raised BrokenPipeError'),
    (SendsWithSignals, r"send\(\) on a dead connection raises SIGPIPE\."),
    (SendsFilesWithSignals, r"sendfile\(\) on a dead connection raises SIGPIPE\."),
    (InstallsDescriptors, r"receive\(\) leaves descriptors open that a peer has passed\."),
]
"""What has a fault, and what is said of it."""


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
def test_check_sockets_says_what_is_wrong(
    broken: Callable[[], Sockets], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "PATIENCE", 1.0)
    monkeypatch.setattr(ending_rules, "_LINGER", 2)
    monkeypatch.setattr(checking, "_RULES", ENDING_RULES)
    monkeypatch.setattr(checking, "DATAGRAM_RULES", ())
    monkeypatch.setattr(checking, "CONNECT_RULES", ())
    with pytest.raises(AssertionError, match=sentence):
        checking.check_sockets(broken)


@pytest.mark.once
@pytest.mark.parametrize(
    ("broken", "sentence"),
    without(BROKEN, SendsWithSignals, SendsFilesWithSignals, InstallsDescriptors),  # which there are none of
)
def test_check_sockets_says_so_on_a_simulated_host(
    broken: Callable[[], Sockets], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending_rules, "_LINGER", 2)
    with Simulation(0).host("a"), pytest.raises(AssertionError, match=sentence):
        checking.check_sockets(broken)


def test_the_rules_hold_without_ctypes_and_without_sendfile(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems that have neither a reset before the last close nor sendfile(2)."""
    monkeypatch.setattr(ending, "_system_connect", lambda: None)
    monkeypatch.setattr(files, "SENDFILE", None)
    monkeypatch.setattr(checking, "_RULES", [r for r in ENDING_RULES if "duplicate" not in r.__name__])
    monkeypatch.setattr(checking, "DATAGRAM_RULES", ())
    monkeypatch.setattr(checking, "CONNECT_RULES", ())
    checking.check_sockets(PureSockets)


def test_a_signal_that_waited_before_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application has blocked SIGPIPE, and one waits for it: it is not ours to take away."""
    import signal

    from netcore.sockets.sigpipe import without_sigpipe

    former = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
    try:
        signal.raise_signal(signal.SIGPIPE)

        def write(*_: int) -> int:
            signal.raise_signal(signal.SIGPIPE)
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            without_sigpipe(write, 1, 2, 3, 4)
        assert signal.SIGPIPE in signal.sigpending()
        signal.sigwait([signal.SIGPIPE])
        with pytest.raises(BrokenPipeError):
            without_sigpipe(write, 1, 2, 3, 4)
        assert signal.SIGPIPE not in signal.sigpending()
        assert signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGPIPE, former)
    assert without_sigpipe(lambda *_: 7, 1, 2, 3, 4) == 7


@pytest.mark.unix_sockets
def test_what_was_passed_is_closed_and_what_was_sent_is_kept(
    open_descriptors: Callable[[], set[str]],
) -> None:
    near, far = socket.socketpair()
    lingering = socket.socket()
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(60))
    with near, far, lingering, open(os.devnull, "rb") as file:
        near.setblocking(False)
        before = open_descriptors()
        far.sendall(b"before ")
        fds = array.array("i", [file.fileno(), lingering.fileno()])
        for _ in range(2):
            far.sendmsg([b"with "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        far.sendall(b"behind")
        got = take_passed(near)
        assert (got or near.recv(100)) == b"before with with behind"
        if got:
            assert take_passed(near) == b""
        assert open_descriptors() == before
