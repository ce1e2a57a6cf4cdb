"""The second signal while ``run`` is about to serve."""

from __future__ import annotations

import signal

import pytest

from netcore import Engine, EventHandler
from netcore.engine import signals as module
from netcore.engine.signals import Signals


class Boots(EventHandler):
    def __init__(self) -> None:
        self.in_boot: list[bool] = []

    def on_boot(self, engine: Engine) -> None:
        self.in_boot.append(engine.has_booted)


def test_between_on_boot_and_the_end_of_start_it_ends_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loops accept already, and may have said so, before the main thread comes back from ``start``."""
    died: list[int] = []
    monkeypatch.setattr(module, "die", lambda number, engine: died.append(number))
    handler = Boots()
    engine = Engine(handler, "tcp://127.0.0.1:0")
    signals = Signals(engine)
    engine.start()
    assert (handler.in_boot, engine.has_booted, signals.serving) == ([False], True, False)
    signals._handle(signal.SIGTERM, None)
    signals._handle(signal.SIGTERM, None)
    assert not died
    assert engine.join(30)
    signals._handle(signal.SIGTERM, None)
    assert died == [signal.SIGTERM]


def test_before_the_engine_has_started_it_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[int] = []
    monkeypatch.setattr(module, "die", lambda number, engine: died.append(number))
    signals = Signals(Engine(EventHandler(), "tcp://127.0.0.1:0"))
    signals._handle(signal.SIGTERM, None)
    signals._handle(signal.SIGTERM, None)
    assert died == [signal.SIGTERM]
