"""A signal that wakes the select poller is also told to whom it would have been told without it."""

import contextlib
import os
import signal
import socket
import sys

import pytest

from netcore.poll.select import SelectPoller

NUMBER = signal.SIGBREAK if sys.platform == "win32" else signal.SIGUSR1


class Struck:
    """A scan in which signals come."""

    def __init__(self, scan, numbers):
        self.inner = scan
        self.numbers = numbers

    def scan(self, timeout):
        for number in self.numbers:
            signal.raise_signal(number)
        return self.inner.scan(timeout)


@pytest.fixture
def struck():
    """Makes a poller that signals come to while it waits, and notes those that Python has handled."""
    seen = []
    handler = signal.signal(NUMBER, lambda number, frame: seen.append(number))
    with contextlib.closing(SelectPoller()) as poller:
        poller._scan = Struck(poller._scan, [NUMBER, NUMBER])
        yield poller, seen
    signal.signal(NUMBER, handler)


@contextlib.contextmanager
def wakeup_descriptor(fd):
    former = signal.set_wakeup_fd(fd)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)


def test_nobody_else_asks_for_signals(struck):
    poller, seen = struck
    with wakeup_descriptor(-1):
        assert poller.wait(30) == []
    assert seen == [NUMBER] * 2


def test_passed_on_to_a_socket(struck):
    poller, seen = struck
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(30)
        with wakeup_descriptor(ours.fileno()):
            poller.wake()
            assert poller.wait(30) == []
        assert theirs.recv(100) == bytes([NUMBER] * 2)  # and nothing of the wake
    assert seen == [NUMBER] * 2


@pytest.mark.posix
def test_passed_on_to_a_pipe(struck):
    poller, _ = struck
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(reader, "rb", 0) as theirs, open(writer, "wb", 0), wakeup_descriptor(writer):
        assert poller.wait(30) == []
        assert theirs.read(100) == bytes([NUMBER] * 2)


def test_nobody_takes_what_is_passed_on(struck):
    poller, seen = struck
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        theirs.close()
        with wakeup_descriptor(ours.fileno()):
            for _ in range(3):
                assert poller.wait(30) == []
    assert seen == [NUMBER] * 6
