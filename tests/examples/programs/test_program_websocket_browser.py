"""The WebSocket chat in Chromium, driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")
pytestmark = pytest.mark.clients

ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # or it would not start as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
PATIENCE = 30


class Browser:
    """A session of a driver, with as many windows as are opened."""

    def __init__(self, port: int, binary: str, profile: Path) -> None:
        self._base = f"http://127.0.0.1:{port}/session"
        options = {"binary": binary, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        self._base += "/" + self.call("POST", "", capabilities=wanted)["sessionId"]

    def call(self, method: str, path: str, **parameters: Any) -> Any:
        body = json.dumps(parameters).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._base + path, body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            return json.load(response)["value"]

    def open_window(self, url: str) -> Window:
        handle = self.call("POST", "/window/new", type="window")["handle"]
        window = Window(self, handle)
        window.call("POST", "/url", url=url)
        return window


class Window:
    """One window of a browser."""

    def __init__(self, browser: Browser, handle: str) -> None:
        self._browser = browser
        self._handle = handle

    def call(self, method: str, path: str, **parameters: Any) -> Any:
        self._browser.call("POST", "/window", handle=self._handle)
        return self._browser.call(method, path, **parameters)

    def _element(self, selector: str) -> str:
        found = self.call("POST", "/element", using="css selector", value=selector)
        return str(found[ELEMENT])

    def type(self, selector: str, text: str) -> None:
        self.call("POST", f"/element/{self._element(selector)}/value", text=text)

    def click(self, selector: str) -> None:
        self.call("POST", f"/element/{self._element(selector)}/click")

    def text(self, selector: str) -> str:
        return str(self.call("GET", f"/element/{self._element(selector)}/text"))

    def wait_for(self, selector: str, wanted: str) -> str:
        """Waits until an element shows a text; returns all that it shows."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in (shown := self.text(selector)):
            assert time.monotonic() < deadline, f"{selector} shows {shown!r}, without {wanted!r}"
        return shown


@pytest.fixture
def browser(client: Callable[[str], str], tmp_path: Path) -> Iterator[Browser]:
    """Chromium with an empty profile."""
    command = [client("chromedriver"), "--port=0"]
    binary = client("chromium")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as driver:
        try:
            assert driver.stdout is not None
            lines = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
            port = next(int(found[1]) for found in lines if found)
            made = Browser(port, binary, tmp_path / "profile")
            yield made
            made.call("DELETE", "")
        finally:
            driver.terminate()


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
