"""The live page in Chromium: it moves, fits a phone, and takes what strangers choose for text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Browser, chromium

from netcore.testing import ManualClock

pytestmark = pytest.mark.clients

EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"

OVERFLOWS = "return document.documentElement.scrollWidth > window.innerWidth"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        pytest.skip("there is no Chromium with its driver")
    with chromium(driver, binary, tmp_path) as made:
        yield made


def test_the_page(browser, open_server, source, make_report):
    clock = ManualClock()
    made = open_server(clock=clock)
    connections = 0

    def processes():
        """A second passes from look to look."""
        clock.advance(1)
        numbers = {"messages": 500 * int(clock()), "bytes_received": int(clock()) << 20}
        return [
            make_report("0", 2, pid=1, connections=connections, **numbers),
            make_report(EVIL, 1, pid=2, connections=1),
        ]

    source.processes = processes
    source.told = [
        {
            "name": "netcore_process_restarts",
            "kind": "counter",
            "help": "So often.",
            "samples": [{"labels": {"process": EVIL, "why": EVIL}, "value": 3}],
        }
    ]
    row = {
        "id": 7,
        "network": "unix",
        "local": EVIL,
        "remote": EVIL,
        "loop": 0,
        "process": EVIL,
        "age": 3.5,
        "inbound_buffered": 0,
        "outbound_buffered": 2048,
    }
    source.shown = {"connections": [row], "total": 1}
    window = browser.open_window(f"http://127.0.0.1:{made.address.port}/")
    window.wait_for("#state", "ready")
    window.wait_for("#since", "2 processes, 3 loops, up 12 s")

    connections = 4
    window.wait_for("#tiles", "\n9\n")
    shown = window.text("#tiles")
    assert "1000 /s" in shown
    assert "2.00 MiB in" in shown
    window.wait_for("#loops", "1.00 MiB")
    assert EVIL in window.text("#loops")
    assert "process.restarts" not in window.text("#facts")
    assert f"restarts, why {EVIL}" in window.text("#facts")
    window.click("#open summary")
    window.wait_for("#connections", "2.00 KiB")
    assert EVIL in window.text("#connections")

    # What it looks like is seen in a screenshot; that it fits is seen here.
    for width, height, phone in ((1280, 800, False), (390, 844, True), (320, 568, True)):
        colours = set()
        for dark in (False, True):
            window.emulate(width, height, dark, phone)
            assert not window.run(OVERFLOWS), (width, dark)
            colours.add(window.run("return getComputedStyle(document.body).backgroundColor"))
        assert len(colours) == 2

    window.emulate(1280, 800, False, False)
    window.click("#loops th:nth-child(4) button")
    first = "return document.querySelector('#loops tbody tr td:nth-child(4)').textContent"
    assert window.run(first) == "4"
    window.click("#loops th:nth-child(4) button")
    assert window.run(first) == "1"

    assert window.run("return document.querySelectorAll('img, script').length") == 1
    assert window.run("return document.title") == "netcore"
    assert window.run("return document.querySelectorAll('#tiles path.area[d^=M]').length") >= 4
    assert window.complaints() == []

    source.now = "stopping"
    window.wait_for("#state", "stopping")
    made.close(30)
    window.wait_for("#state", "unreachable")
