"""Questions to all processes: who answers, who does not, and who has gone."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from netcore.supervisor import inquiries as module
from netcore.supervisor.channel import Message
from netcore.supervisor.inquiries import Inquiries


class Desk:
    """Inquiries with a thread that asks, and this one as the supervisor's."""

    def __init__(self) -> None:
        self.woken = threading.Semaphore(0)
        self.inquiries = Inquiries(self.woken.release)
        self.sent: list[tuple[int, Message]] = []
        self.deaf: set[int] = set()
        self.got: list[list[Any]] = []

    def send(self, pid: int, question: Message) -> bool:
        self.sent.append((pid, question))
        return pid not in self.deaf

    def _ask(self, what: str, value: int) -> None:
        self.got.append(self.inquiries.ask(what, value))

    def ask(self, pids: Iterable[int], what: str = "processes", value: int = 0) -> threading.Thread:
        thread = threading.Thread(
            target=lambda: self.got.append(self.inquiries.ask(what, value)), daemon=True
        )
        thread.start()
        self.woken.acquire()
        self.inquiries.pass_on(pids, self.send)
        return thread

    def answer(self, pid: int, answer: object, back: int = 1) -> None:
        number = self.sent[-back][1]["id"]
        self.inquiries.answered(pid, {"answer": answer, "id": number})


def test_all_are_asked_and_what_they_say_comes_together() -> None:
    desk = Desk()
    thread = desk.ask([7, 8], "connections", 50)
    assert [pid for pid, _ in desk.sent] == [7, 8]
    assert {(q["order"], q["what"], q["value"]) for _, q in desk.sent} == {("ask", "connections", 50)}
    desk.answer(8, "eight")
    desk.answer(7, "seven")
    thread.join()
    assert desk.got == [["eight", "seven"]]


def test_who_ends_or_cannot_be_told_is_not_waited_for() -> None:
    desk = Desk()
    desk.deaf = {3}
    thread = desk.ask([1, 2, 3])
    desk.inquiries.gone(1)
    desk.answer(2, "two")
    thread.join()
    assert desk.got == [["two"]]


def test_without_processes_there_is_nothing_to_wait_for() -> None:
    desk = Desk()
    desk.ask([]).join()
    assert desk.got == [[]]


def test_who_owes_an_answer_is_not_asked_again_until_he_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    desk = Desk()
    desk.ask([1]).join()  # who hangs
    assert desk.got == [[]]
    desk.ask([1]).join()
    assert len(desk.sent) == 1
    desk.answer(1, "late")  # for nobody any more
    monkeypatch.setattr(module, "_PATIENCE", 60)
    thread = desk.ask([1])
    assert len(desk.sent) == 2
    desk.answer(1, "in time")
    thread.join()
    assert desk.got == [[], [], ["in time"]]


def test_odd_answers_are_nobodys() -> None:
    desk = Desk()
    thread = desk.ask([1])
    for message in ({"answer": 1}, {"answer": 1, "id": "x"}, {"answer": 1, "id": 999}):
        desk.inquiries.answered(1, message)
    number = desk.sent[0][1]["id"]
    desk.inquiries.answered(5, {"answer": "not asked", "id": number})
    desk.inquiries.answered(1, {"answer": "asked", "id": number})
    desk.inquiries.answered(1, {"answer": "asked once", "id": number})
    thread.join()
    assert desk.got == [["asked"]]
