"""What a process does at its supervisor's word, and what it tells of itself; on a thread of its own.

The loops have no part in it, so that it answers when they are stuck.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from netcore.engine import Engine, GivenListener
from netcore.errors import EngineNotRunningError
from netcore.supervisor._posix import signal
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.imported import imported_files
from netcore.supervisor.passed import given_in

__all__ = ["Control"]

_logger = logging.getLogger("netcore")

_LOOK = 0.5
"""Seconds between two looks at which files were imported."""


class Control:
    """Obeys, and reports.

    Args:
        engine: Not started yet.
        channel: Its end of the channel.
        number: Its place.
        asks: Seconds between two words on how the loops are; 0 for none.
        watches: Whether to say which files were imported.
    """

    def __init__(self, engine: Engine, channel: Channel, number: int, *, asks: float, watches: bool) -> None:
        self._engine = engine
        self._channel = channel
        self._number = number
        self._asks = asks
        self._watches = watches
        self._ready = False
        self._source: Any = _source_of(engine, number) if engine.measured else None
        self._files: Sequence[str] = ()
        self._sending = threading.Lock()
        self._adopted: dict[int, list[GivenListener]] = {}
        self._orders: dict[str, Callable[[Message], object]] = {
            "drain": self._drain,
            "stop": lambda message: engine.request_stop(),
            "stop_now": self._stop_now,
            "adopt": self._adopt,
            "release": self._release,
            "ask": self._answer,
        }

    def begin(self) -> None:
        """Begins to listen to the supervisor."""
        threading.Thread(target=self._serve, name="netcore-control", daemon=True).start()

    def ready(self) -> None:
        """Tells that the engine accepts. Any thread."""
        self._ready = True
        self._tell_files()
        self._tell({"ready": True})

    def ended(self) -> None:
        """Tells what is left to be told. Any thread."""
        self._tell_files()

    def _tell(self, message: Message) -> None:
        with self._sending:
            self._channel.send(message)

    def _serve(self) -> None:
        next_word = time.monotonic() + self._asks
        while True:
            waits = [_LOOK] if self._watches else []
            if self._asks:
                waits.append(max(next_word - time.monotonic(), 0))
            try:
                if self._channel.await_something(min(waits, default=None)):
                    for message in self._channel.receive():
                        self._obey(message)
            except EOFError:  # there is no supervisor any more, and what does not end in time is killed
                self._engine.request_stop()
                return
            if self._asks and time.monotonic() >= next_word:
                next_word = time.monotonic() + self._asks
                self._tell_of_loops()
            if self._watches:
                self._tell_files()

    def _obey(self, message: Message) -> None:
        order = self._orders.get(str(message.get("order")))
        if order is not None:
            try:
                order(message)
            except EngineNotRunningError:  # it is ending already
                pass
            except Exception:
                _logger.exception("the supervisor's order %r could not be followed", message["order"])

    def _drain(self, message: Message) -> None:
        def drain() -> None:
            with suppress(EngineNotRunningError):
                self._engine.drain(message["value"])
            self._engine.request_stop()

        try:
            self._engine.stop_accepting()
        finally:
            threading.Thread(target=drain, name="netcore-drain", daemon=True).start()

    def _stop_now(self, message: Message) -> None:
        self._engine.stop_now()
        with suppress(ValueError, OSError):  # a boot that hangs has no loops that could end
            if not self._ready:
                os.kill(os.getpid(), signal.SIGKILL)

    def _adopt(self, message: Message) -> None:
        number = message["value"]
        for given in given_in(message):
            if given.kcp:  # sessions could not be given back with it: their peers ask until its own is there
                os.close(given.fd)
                continue
            try:
                self._engine.listen(given)
            except BaseException:
                with suppress(OSError):
                    os.close(given.fd)
                raise
            self._adopted.setdefault(number, []).append(given)

    def _release(self, message: Message) -> None:
        for given in self._adopted.pop(message["value"], ()):
            self._engine.stop_listening(given)

    def _answer(self, message: Message) -> None:
        if self._source is None:
            self._source = _source_of(self._engine, self._number)
        value = [message["value"]] if message["value"] else []
        self._tell({"answer": getattr(self._source, message["what"])(*value), "id": message["id"]})

    def _tell_of_loops(self) -> None:
        stuck = self._engine.stuck_for()
        where = next((what for what, _ in self._engine.hangs()), "") if stuck > self._asks else ""
        self._tell({"stuck": stuck, "where": where})

    def _tell_files(self) -> None:
        if self._watches:
            files = imported_files()
            if files != self._files:
                self._files = files
                self._tell({"files": files})


def _source_of(engine: Engine, number: int) -> Any:
    """Makes what tells of an engine; it is looked up here since not everybody has the packages."""
    return import_module("netcore.admin").engine_source(engine, process=str(number))
