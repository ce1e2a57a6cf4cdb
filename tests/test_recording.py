"""``RecordingHandler``: what a test may rely on once ``wait_for`` has returned."""

from __future__ import annotations

import threading

import pytest

from netcore.testing import RecordingHandler


def test_a_callback_has_returned_when_it_was_waited_for():
    entered, leave = threading.Event(), threading.Event()
    handler = RecordingHandler(on_boot=lambda engine: (entered.set(), leave.wait(30)))
    thread = threading.Thread(target=handler.on_boot, args=(None,))
    thread.start()
    assert entered.wait(30)
    assert handler.names() == ["on_boot"], "it is recorded from its beginning"
    with pytest.raises(AssertionError, match="on_boot came 1 times, not 1, in 0 s and has not returned"):
        handler.wait_for("on_boot", timeout=0)
    leave.set()
    assert handler.wait_for("on_boot").name == "on_boot"
    thread.join()


def test_a_callback_that_raised_has_come_too():
    handler = RecordingHandler(on_boot=lambda engine: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        handler.on_boot(None)
    assert handler.wait_for("on_boot", timeout=0).detail is None


def test_one_that_is_under_way_does_not_hold_up_those_before():
    handler = RecordingHandler(on_boot=lambda engine: engine and handler.wait_for("on_boot", timeout=0))
    handler.on_boot(None)
    assert handler.on_boot("again").name == "on_boot"
    with pytest.raises(AssertionError, match=r"came 2 times, not 3, in 0 s$"):
        handler.wait_for("on_boot", 3, timeout=0)
