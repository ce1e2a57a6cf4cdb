"""Names are looked up by a few threads, and only for who still waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from netcore import Address
from netcore.sockets import Endpoint, Found, Resolver

LONG = 30
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 1))]


class NameServer:
    """Stands in for getaddrinfo(3), which answers when it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.may_answer = threading.Event()
        self._lock = threading.Lock()

    def getaddrinfo(self, host: str, *_: object) -> list[object]:
        with self._lock:
            self.asked.append(host)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.may_answer.wait(LONG)
        with self._lock:
            self.at_once -= 1
        if host.startswith("bad"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if host.startswith("odd"):
            raise KeyboardInterrupt
        return list(FOUND)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.may_answer.set()


class Answers:
    """Collects what is found."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self._changed = threading.Condition()

    def __call__(self, found: Found) -> None:
        with self._changed:
            self.found.append(found)
            self._changed.notify_all()

    def wait(self, count: int) -> list[Found]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.found) >= count, LONG)
            return self.found


def name(i: int, prefix: str = "host") -> Address:
    return Address("tcp", f"{prefix}{i}.example", 1)


NewThreads = Callable[[str], list[threading.Thread]]


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(LONG * 1000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not come about")


def test_many_names_take_few_threads_which_end(server: NameServer, new_threads: NewThreads) -> None:
    resolver, answers = Resolver(threads=3), Answers()
    for i in range(500):
        resolver.look_up(name(i), answers)
    wait_until(lambda: server.at_once == 3)
    threads = new_threads("netcore-resolve")
    assert [thread.daemon for thread in threads] == [True] * 3
    server.may_answer.set()
    found = answers.wait(500)
    assert found == [[Endpoint(socket.AF_INET, ("192.0.2.7", 1))]] * 500
    assert server.most_at_once == 3
    assert sorted(server.asked) == sorted(f"host{i}.example" for i in range(500))
    wait_until(lambda: not new_threads("netcore-resolve"))
    resolver.look_up(name(0), answers)  # and begin again
    assert len(answers.wait(501)) == 501


def test_the_same_name_is_asked_once_while_that_is_under_way(server: NameServer) -> None:
    resolver, answers = Resolver(), Answers()
    for _ in range(100):
        resolver.look_up(name(0), answers)
    wait_until(lambda: server.at_once == 1)
    resolver.look_up(name(0), answers)
    server.may_answer.set()
    answers.wait(101)
    assert server.asked == ["host0.example"]


def test_what_nobody_waits_for_is_not_begun(server: NameServer) -> None:
    resolver, answers = Resolver(threads=1), Answers()
    first = resolver.look_up(name(0), answers)
    wait_until(lambda: server.at_once == 1)
    lookups = [resolver.look_up(name(i), answers) for i in range(1, 50)]
    shared = resolver.look_up(name(7), answers)
    for lookup in lookups:
        lookup.cancel()
        lookup.cancel()
    first.cancel()
    server.may_answer.set()
    answers.wait(1)
    wait_until(lambda: not resolver._running)
    assert server.asked == ["host0.example", "host7.example"]
    assert len(answers.found) == 1
    assert not resolver._wanted and not resolver._waiting
    shared.cancel()


def test_a_name_that_is_wanted_again_while_its_lookup_is_under_way(
    server: NameServer, new_threads: NewThreads
) -> None:
    """Nobody waited for it any more; it is not begun a second time, and what comes of it is told."""
    resolver, unwanted, answers = Resolver(threads=2), Answers(), Answers()
    for _ in range(10):
        lookup = resolver.look_up(name(0), unwanted)
        wait_until(lambda: server.at_once == 1)
        lookup.cancel()
    for i in range(4):
        resolver.look_up(name(i), answers)
    server.may_answer.set()
    assert len(answers.wait(4)) == 4
    assert unwanted.found == []
    assert sorted(server.asked) == [f"host{i}.example" for i in range(4)]
    wait_until(lambda: not new_threads("netcore-resolve"))
    resolver.look_up(name(0), answers)
    answers.wait(5)


def test_who_raises_when_told_costs_the_others_nothing(
    server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(found: Found) -> None:
        raise SystemExit

    resolver, answers = Resolver(threads=1), Answers()
    for told in (fail, answers):
        resolver.look_up(name(0), told)
    resolver.look_up(name(1), answers)
    server.may_answer.set()
    assert len(answers.wait(2)) == 2
    assert "host0.example" in caplog.text


@pytest.mark.parametrize("prefix", ["bad", "odd"])
def test_an_error_goes_to_all_who_wait_and_the_thread_goes_on(server: NameServer, prefix: str) -> None:
    resolver, answers = Resolver(threads=1), Answers()
    resolver.look_up(name(0, prefix), answers)
    resolver.look_up(name(0, prefix), answers)
    resolver.look_up(name(1), answers)
    server.may_answer.set()
    first, second, third = answers.wait(3)
    assert isinstance(first, OSError) and isinstance(second, OSError)
    assert f"{prefix}0.example" in str(first)
    assert not isinstance(third, Exception)


def test_a_thread_that_cannot_start_is_told(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver, answers = Resolver(), Answers()
    real = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    resolver.look_up(name(0), answers)
    assert [str(found) for found in answers.found] == ["can't start new thread"]
    assert server.asked == []
    monkeypatch.setattr(threading.Thread, "start", real)
    server.may_answer.set()
    resolver.look_up(name(1), answers)
    assert not isinstance(answers.wait(2)[1], Exception)
    assert server.asked == ["host1.example"]


def test_where_some_threads_run_the_others_are_not_needed(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver, answers = Resolver(), Answers()
    resolver.look_up(name(0), answers)
    wait_until(lambda: server.at_once == 1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for i in range(1, 20):
        resolver.look_up(name(i), answers)
    assert answers.found == []
    server.may_answer.set()
    answers.wait(20)
    assert server.asked == [f"host{i}.example" for i in range(20)]


def test_lookups_of_many_threads_each_settle_once(server: NameServer) -> None:
    resolver, answers = Resolver(threads=4), Answers()
    server.may_answer.set()

    def ask(n: int) -> None:
        for i in range(200):
            resolver.look_up(name(i % 7 + n), answers)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    answers.wait(1200)
    wait_until(lambda: not resolver._running)
    assert len(answers.found) == 1200
    assert server.most_at_once <= 4
