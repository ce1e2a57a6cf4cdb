"""What SIGHUP starts, with an engine that is none."""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from netcore import Address, EngineNotRunningError
from netcore.cli.reloading import Reloading
from netcore.cli.usage import UsageError

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")

PATIENCE = 30


class Engine:
    """Takes contexts, which are words here."""

    def __init__(self) -> None:
        self.taken: queue.Queue[Any] = queue.Queue()
        self.stopped = False
        self.addresses = (Address.parse("tls://127.0.0.1:443"),)

    def replace_tls(self, context: object) -> None:
        if self.stopped:
            raise EngineNotRunningError("it has stopped")
        self.taken.put(context)


class Files:
    """Says in turn what is there; an exception is raised."""

    def __init__(self, *contents: object) -> None:
        self.contents = list(contents)
        self.asked = threading.Semaphore(0)

    def __call__(self) -> Any:
        content = self.contents.pop(0)
        self.asked.release()
        if isinstance(content, Exception):
            raise content
        return content


Threads = Callable[[str], list[threading.Thread]]


def test_each_signal_is_a_load(caplog: pytest.LogCaptureFixture, new_threads: Threads) -> None:
    caplog.set_level(logging.INFO, "netcore")
    former, engine = signal.getsignal(signal.SIGHUP), Engine()
    reloading = Reloading(Files("first", UsageError("words.txt: nothing"), KeyError("odd"), "second"))
    with reloading.at_hangup():
        signal.raise_signal(signal.SIGHUP)  # before the engine runs: kept for it
        reloading.begin(engine)  # type: ignore[arg-type]
        assert engine.taken.get(timeout=PATIENCE) == "first"
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
        assert engine.taken.get(timeout=PATIENCE) == "second"
        (thread,) = new_threads("netcore-reload")
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert signal.getsignal(signal.SIGHUP) == former
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "ERROR", "ERROR", "INFO"]
    assert "words.txt: nothing" in caplog.messages[1] and not caplog.records[1].exc_info
    assert caplog.records[2].exc_info


def test_it_is_taken_where_it_was_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        engine = Engine()
        reloading = Reloading(Files("new"))
        with reloading.at_hangup():
            reloading.begin(engine)  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGHUP)
            assert engine.taken.get(timeout=PATIENCE) == "new"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_an_engine_that_has_stopped_is_left_alone(
    caplog: pytest.LogCaptureFixture, new_threads: Threads
) -> None:
    engine, files = Engine(), Files("new")
    engine.stopped = True
    reloading = Reloading(files)
    with reloading.at_hangup():
        reloading.begin(engine)  # type: ignore[arg-type]
        (thread,) = new_threads("netcore-reload")
        signal.raise_signal(signal.SIGHUP)
        assert files.asked.acquire(timeout=PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not caplog.records
