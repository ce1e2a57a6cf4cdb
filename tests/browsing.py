"""Chromium, driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

FAINT = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => c * a + ground[i] * (1 - a));
const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const grounds = new Map();
const ground = (e) => {
    if (!e) return [255, 255, 255];
    if (!grounds.has(e)) {
        const colour = channels(getComputedStyle(e).backgroundColor), below = ground(e.parentElement);
        grounds.set(e, colour[3] === 0 ? below : over(colour, below));
    }
    return grounds.get(e);
};
const found = new Set();
for (const e of document.querySelectorAll(arguments[0])) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    if (!own || style.visibility === "hidden" || !e.getClientRects().length) continue;
    const behind = ground(e.closest("svg") || e);
    const ink = over(channels(e.closest("svg") ? style.fill : style.color), behind);
    const [low, high] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) found.add(`${e.tagName} ${contrast.toFixed(2)} ${e.textContent.slice(0, 60)}`);
}
return [...found];
"""
"""Finds text that is too close to its ground in colour, by WCAG 2.2, 1.4.3, among what a selector takes."""


class Browser:
    """A session of a driver, with as many windows as are opened."""

    def __init__(self, port: int, binary: str, profile: Path) -> None:
        self._base = f"http://127.0.0.1:{port}/session"
        options = {"binary": binary, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        logs = {"browser": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        self._base += "/" + self.call("POST", "", capabilities={"alwaysMatch": wanted})["sessionId"]

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

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script in the page, and returns what it returns."""
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def emulate(self, width: int, height: int, dark: bool, phone: bool) -> None:
        """Has the window be as large as a device's, which prefers a colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        for command, parameters in (
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", {"features": [scheme]}),
        ):
            self.call("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def complaints(self) -> list[str]:
        """Returns what the browser has said of the page, such as that a policy was violated."""
        return [entry["message"] for entry in self.call("POST", "/se/log", type="browser")]

    def text(self, selector: str) -> str:
        return str(self.call("GET", f"/element/{self._element(selector)}/text"))

    def wait_for(self, selector: str, wanted: str) -> str:
        """Waits until an element shows a text; returns all that it shows."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in (shown := self.text(selector)):
            assert time.monotonic() < deadline, f"{selector} shows {shown!r}, without {wanted!r}"
        return shown


@contextmanager
def chromium(driver: str, binary: str, folder: Path) -> Iterator[Browser]:
    """Runs a driver and Chromium, with an empty profile in a folder."""
    for attempt in range(5):
        with subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
        ) as process:
            try:
                assert process.stdout is not None
                lines = (re.search(r"started successfully on port (\d+)", line) for line in process.stdout)
                port = next((int(found[1]) for found in lines if found), 0)
                if not port:  # that of one family which it got is somebody's in the other: it ends
                    continue
                made = Browser(port, binary, folder / f"profile{attempt}")
                yield made
                made.call("DELETE", "")
                return
            finally:
                process.terminate()
    raise OSError("the driver has not started, five times over")
