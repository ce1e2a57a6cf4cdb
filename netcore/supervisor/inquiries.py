"""Questions of another thread to all processes, which the supervisor's own passes on."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from netcore.supervisor.channel import Message

__all__ = ["Inquiries"]

_PATIENCE = 1.0
"""Seconds for a process to answer: one that cannot is missing in what is shown."""


class _Inquiry:
    """A question, and who has not answered it yet."""

    def __init__(self, number: int, what: str, value: int) -> None:
        self.question: Message = {"order": "ask", "what": what, "value": value, "id": number}
        self.answers: list[Any] = []
        self.asked: set[int] = set()
        self.answered = threading.Event()


class Inquiries:
    """Collects what processes answer.

    A process that owes an answer is not asked again before it has given it: it would not read that either.

    Args:
        wake: Has the supervisor's thread call ``pass_on``. Any thread.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._numbers = itertools.count(1)
        self._new: deque[_Inquiry] = deque()
        self._open: dict[int, _Inquiry] = {}
        self._owing: dict[int, int] = {}  # by pid the number of the question

    def ask(self, what: str, value: int = 0) -> list[Any]:
        """Asks all processes, and waits for their answers for a second at most. Any thread but its own.

        Args:
            what: The method of ``netcore.admin.Source``.
            value: Its argument; 0 for none.

        Returns:
            What those have answered that have.
        """
        inquiry = _Inquiry(next(self._numbers), what, value)
        self._new.append(inquiry)
        self._wake()
        inquiry.answered.wait(_PATIENCE)
        return list(inquiry.answers)

    def pass_on(self, pids: Iterable[int], send: Callable[[int, Message], bool]) -> None:
        """Asks what is to be asked.

        Args:
            pids: Who is asked.
            send: Sends a process a message; returns whether it has.
        """
        pids = list(pids)
        for number in [number for number, each in self._open.items() if each.answered.is_set()]:
            del self._open[number]
        while self._new:
            inquiry = self._new.popleft()
            number = inquiry.question["id"]
            for pid in pids:
                if pid not in self._owing and send(pid, inquiry.question):
                    self._owing[pid] = number
                    inquiry.asked.add(pid)
            self._open[number] = inquiry
            self._look(inquiry)

    def answered(self, pid: int, message: Message) -> None:
        """A process has answered."""
        number = message.get("id")
        if self._owing.get(pid) == number:
            del self._owing[pid]
        inquiry = self._open.get(number) if isinstance(number, int) else None
        if inquiry is not None and pid in inquiry.asked:
            inquiry.asked.discard(pid)
            inquiry.answers.append(message["answer"])
            self._look(inquiry)

    def gone(self, pid: int) -> None:
        """A process has ended, and answers no more."""
        self._owing.pop(pid, None)
        for inquiry in list(self._open.values()):
            inquiry.asked.discard(pid)
            self._look(inquiry)

    def _look(self, inquiry: _Inquiry) -> None:
        if not inquiry.asked:
            inquiry.answered.set()
            self._open.pop(inquiry.question["id"], None)
