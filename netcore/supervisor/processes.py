"""The processes themselves: started, heard, told, and buried."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from netcore.service import scrub
from netcore.supervisor._posix import signal
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.launch import Launch
from netcore.supervisor.listeners import Kept, Listeners
from netcore.supervisor.member import Member

__all__ = ["Processes", "Running", "interpreter"]

_BLOCKED = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2", "SIGTTIN", "SIGTTOU")
    if hasattr(signal, name)
)
"""What a new process must not die of before it has said what it does about it."""

_START = str(Path(__file__).with_name("start"))
"""What the interpreter runs; see there."""

_MOST_WORDS = 32768
"""Bytes of the stacks of a process that has died, which are logged."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started and not waited for.

    Attributes:
        popen: The child.
        channel: Our end of its channel.
        crash: Where it writes the stacks of its threads when it dies.
    """

    popen: subprocess.Popen[bytes]
    channel: Channel
    crash: IO[bytes]

    def last_words(self) -> str:
        """Returns what it has left behind, and closes all there is of it."""
        self.crash.seek(0)
        words = self.crash.read(_MOST_WORDS).decode(errors="backslashreplace").rstrip()
        self.crash.close()
        self.channel.close()
        return words


class Processes:
    """Starts fresh interpreters, with nothing of this one but the listeners; see ``Yard``.

    Args:
        launch: What they are told.
        listeners: What they listen on.
        logger: Where it is told what goes wrong.

    Attributes:
        running: By pid.
    """

    def __init__(self, launch: Launch, listeners: Listeners, logger: logging.Logger) -> None:
        self._launch = launch
        self._listeners = listeners
        self._logger = logger
        self.running: dict[int, Running] = {}

    @property
    def numbers(self) -> set[int]:
        """See ``Yard.numbers``."""
        return self._listeners.numbers

    def open_place(self, number: int) -> None:
        """See ``Yard.open_place``."""
        self._listeners.open_place(number)

    def start(self, number: int, listeners: set[int]) -> int:
        """See ``Yard.start``."""
        channel, theirs = Channel.pair()
        with ExitStack() as undo, theirs:
            undo.callback(channel.close)
            crash = undo.enter_context(_scratch())
            with _blocked_signals():
                popen = subprocess.Popen(
                    [
                        *interpreter(),
                        *(_START, str(number), self._launch.target),
                        *(str(theirs.fileno()), str(crash.fileno())),
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), crash.fileno()),
                    env=scrub(os.environ),
                )
            undo.pop_all()
        self.running[popen.pid] = Running(popen, channel, crash)
        channel.set_blocking(False)
        kept = [*self._listeners.shared(), *self._listeners.of(listeners)]
        # If it cannot take it, it has died already, or will hear of its end.
        _send(channel, {"launch": self._launch.as_message()}, kept)
        return popen.pid

    def tell(self, member: Member, order: str, value: float = 0) -> None:
        """See ``Yard.tell``."""
        running = self.running.get(member.pid)
        if running is not None:
            kept = list(self._listeners.of({int(value)})) if order == "adopt" else []
            if not _send(running.channel, {"order": order, "value": value}, kept):
                self._logger.warning("%s cannot be told to %s", member, order)

    def ask(self, pid: int, question: Message) -> bool:
        """Asks a process something; returns whether it will hear it."""
        running = self.running.get(pid)
        return running is not None and running.channel.send(question)

    def kill(self, member: Member, number: int) -> None:
        """See ``Yard.kill``."""
        running = self.running.get(member.pid)
        if running is not None:
            running.popen.send_signal(number)
            if number != signal.SIGKILL:  # a process that is stopped takes no other one: signal(7)
                running.popen.send_signal(signal.SIGCONT)

    def ended(self) -> Iterator[tuple[int, int]]:
        """Yields the pid and the status of each that has ended and is not buried."""
        for pid, running in list(self.running.items()):
            status = running.popen.poll()
            if status is not None:
                yield pid, status

    def bury(self, pid: int) -> str:
        """Forgets one that has ended; returns the stacks that it has left behind, if it has."""
        return self.running.pop(pid).last_words()

    def kill_all(self) -> None:
        """Ends those that there are, for who does not come to do it in order."""
        for running in self.running.values():
            running.popen.kill()
        for pid, running in list(self.running.items()):
            running.popen.wait()
            self.bury(pid)


def _scratch() -> IO[bytes]:
    """Opens a file without a name; in memory where that can be: no folder may be writable, or have room."""
    in_memory = getattr(os, "memfd_create", None)
    if in_memory is not None:
        return open(in_memory("netcore-crash"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _send(channel: Channel, message: Message, kept: list[Kept]) -> bool:
    wanted = [each.wanted for each in kept]
    secured, sessions = [each.is_tls for each in wanted], [each.is_kcp for each in wanted]
    return channel.send({**message, "tls": secured, "kcp": sessions}, [each.sock.fileno() for each in kept])


def interpreter() -> list[str]:
    """Returns the command of an interpreter that was started as this one was, with the same flags."""
    flags: Any = getattr(subprocess, "_args_from_interpreter_flags", list)
    return [sys.executable, *flags()]


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Has a process that is started meanwhile begin with these signals blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
