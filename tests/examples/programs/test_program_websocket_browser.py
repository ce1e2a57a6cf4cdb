"""The WebSocket chat in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")

from browsing import Browser, chromium

pytestmark = pytest.mark.clients


@pytest.fixture
def browser(client: Callable[[str], str], tmp_path: Path) -> Iterator[Browser]:
    """Chromium with an empty profile."""
    with chromium(client("chromedriver"), client("chromium"), tmp_path) as made:
        yield made


def test_two_windows_talk_to_each_other(start: Callable[..., Any], browser: Browser) -> None:
    program = start("websocket_chat", "--loops", "2")
    anna, bert = browser.open_window(program.url), browser.open_window(program.url)
    for window in (anna, bert):
        window.wait_for("#state", "connected")
        window.wait_for("#messages", "2 here")
    anna.type("#name", "Anna")
    bert.type("#name", "Bert")
    anna.type("#text", "hello <b>there</b>")
    anna.click("button")
    bert.wait_for("#messages", "Anna: hello <b>there</b>")
    bert.type("#text", "grüß Gott ☺\ue007")  # the Enter key
    said = anna.wait_for("#messages", "Bert: grüß Gott ☺")
    assert said.splitlines()[-2:] == ["Anna: hello <b>there</b>", "Bert: grüß Gott ☺"]
    bert.call("DELETE", "/window")
    anna.wait_for("#messages", "* somebody has left: 1 here")
