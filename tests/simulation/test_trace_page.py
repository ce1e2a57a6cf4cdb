"""A trace as a page in Chromium: lanes, arrows, faults in red, zoom, filters, and strangers' text."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browsing import FAINT, Browser, Window, chromium
from made_up_trace import Clock, MadeUp

from netcore.testing.simulation.trace import Trace

pytestmark = pytest.mark.once

clients = pytest.mark.clients

EVIL = (
    "</script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script><!-- &amp;"
)

OVERFLOWS = "return document.documentElement.scrollWidth > window.innerWidth"

# What is otherwise drawn with the next frame.
SETTLE = "view.resize(canvas.clientWidth, canvas.clientHeight); draw(); drawOverview(); list();"

# How many pixels around a place have a fault's colour.
COPY = """
const copied = (x, y, width, height) => {
    const ratio = canvas.width / canvas.clientWidth, copy = new OffscreenCanvas(width, height);
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, x * ratio, y * ratio, width * ratio, height * ratio, 0, 0, width, height);
    return pen.getImageData(0, 0, width, height).data;
};
"""
REDS = f"""{COPY}
const [x, y, far] = arguments, found = copied(x - far, y - far, 2 * far + 1, 2 * far + 1);
let reds = 0;
for (let k = 0; k < found.length; k += 4) {{
    if (found[k] > 150 && found[k] - Math.max(found[k + 1], found[k + 2]) > 70) reds++;
}}
return reds;
"""
PIXELS = f"{COPY} return [...copied(arguments[0], arguments[1], 9, 1)].join();"

# Presses the button of a line of the table, which may be made anew at any time.
PRESS = "document.querySelectorAll('#listing tbody button')[arguments[0]].click();"

# Where the first event of a kind is drawn.
PLACE = """
const i = [...kind.keys()].find((i) => textOf(kind, i) === arguments[0]);
return [view.xOf(i), view.y(view.rowOf[lane[i]])];
"""

CUTS = """
return periods.cuts.map((each) => [hostName(each.lane), hostName(each.other), each.start, each.end]);
"""

BRING = """
const i = [...kind.keys()].find((i) => textOf(kind, i) === arguments[0]);
const span = (axis.end - axis.start) / arguments[1];
view.show(axis.place[i] - span / 2, axis.place[i] + span / 2);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        pytest.skip("there is no Chromium with its driver")
    with chromium(driver, binary, tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[[Trace], Window]]:
    """Opens the page of a trace; in the end it has asked nobody for anything, and there was no complaint."""
    opened = []

    def make(trace: Trace, part: str = "") -> Window:
        path = tmp_path / f"trace {len(opened)}.html"
        trace.write_html(path)
        window = browser.open_window(path.as_uri() + part)
        opened.append(window)
        window.emulate(1280, 800, False, False)
        window.run(SETTLE)
        return window

    yield make
    for window in opened:
        assert window.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []
        assert window.complaints() == []


def rows(window: Window) -> list[list[str]]:
    """What the table shows."""
    lines = "[...document.querySelectorAll('#listing tbody tr')]"
    texts = f"return {lines}.map((line) => [...line.cells].map((cell) => cell.textContent))"
    found: list[list[str]] = window.run(SETTLE + texts)
    return found


def act(window: Window, kind: str, x: float, y: float, *steps: dict[str, object]) -> None:
    """Uses the mouse or its wheel at a place of the lanes."""
    left, top = window.run("const box = canvas.getBoundingClientRect(); return [box.left, box.top]")
    at = {"x": round(left + x), "y": round(top + y)}
    if kind == "wheel":
        done = [{"type": "scroll", "deltaX": 0, "deltaY": 0, "origin": "viewport", **at, **steps[0]}]
    else:
        done = [{"type": "pointerMove", "duration": 0, **at}, *steps]
    window.call("POST", "/actions", actions=[{"type": kind, "id": kind, "actions": done}])
    window.run(SETTLE)


def click(window: Window, x: float, y: float) -> None:
    act(window, "pointer", x, y, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})


def drag(window: Window, x: float, y: float, by: int) -> None:
    move = {"type": "pointerMove", "duration": 0, "origin": "pointer", "x": by, "y": 0}
    act(
        window,
        "pointer",
        x,
        y,
        {"type": "pointerDown", "button": 0},
        move,
        {"type": "pointerUp", "button": 0},
    )


def small() -> Trace:
    """One message that arrives, one that is lost at once, and one that comes too late for its host."""
    clock = Clock()
    trace = Trace(clock, seed="x")

    def note(now: float, *what: object, **more: object) -> int:
        clock.now = now
        return trace.note(*what, **more)  # type: ignore[arg-type]

    note(0.0, "note", "a", detail="it begins")
    sent = note(1.0, "send", "a", "c", "a:1 > c:2", "", 500)
    note(2.0, "deliver", "c", "a", "a:1 > c:2", "", 500, sent)
    lost = note(3.0, "datagram", "a", "c", "a:3 > c:4", "", 100)
    note(3.0, "drop", "a", "c", "a:3 > c:4", "lost", 100, lost)
    note(4.0, "partition", "a", "b")
    late = note(5.0, "send", "a", "c", "a:1 > c:2", "", 200)
    note(5.5, "crash", "c")
    note(6.0, "drop", "c", "a", "a:1 > c:2", "the host is down", 200, late)
    note(7.0, "heal", "a", "b")
    note(8.0, "restart", "c")
    note(10.0, "note", "b", detail="it ends")
    return trace


def test_the_page_is_the_same_each_time(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        MadeUp(600).trace.write_html(path)
    assert first.read_bytes() == second.read_bytes()
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from made_up_trace import MadeUp; MadeUp(600).trace.write_html(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, second], check=True, env={"PYTHONHASHSEED": "5"})
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_the_page_needs_no_other_file(tmp_path):
    small().write_html(tmp_path / "page")
    text = (tmp_path / "page").read_text("utf-8")
    assert not re.findall(r"\b(?:src|href)=(?!\"data:,\")|url\(|@import|https?:", text)
    assert not re.search(r"@(?:style|script|data|title|policy)@", text)


@clients
def test_lanes_arrows_and_faults(show):
    window = show(small())
    facts = window.text("#facts")
    for told in (
        "Seed\n'x'",
        f"Digest\n{small().digest()}",
        "Events\n12",
        "Virtual time\n0.000 to 10.000 s",
        "Faults\n5",
    ):
        assert told in facts
    assert "Left off" not in facts
    assert window.run("return document.title") == "Simulated world, seed 'x'"
    assert window.run("return view.rows.map(hostName)") == ["a", "c", "b"]
    first, second, third = window.run("return view.rows.map((_, row) => view.y(row))")
    assert first < second < third

    script = "const found = []; arrowsInView((arrow, places) => found.push(places)); return found"
    arrived, lost, late = window.run(script)
    at = {when: window.run("return view.x(arguments[0])", when) for when in range(11)}
    assert arrived == pytest.approx([at[1], first, at[2], second], abs=1)
    assert lost[:3] == pytest.approx([at[3], first, (at[3] + at[3] + (at[2] - at[1])) / 2], abs=12)
    assert lost[3] == pytest.approx((first + second) / 2), "it is lost between the lanes"
    assert late[:3] == pytest.approx([at[5], first, at[6]], abs=1)
    assert first < late[3] < second, "it comes close to the host that is down"

    for x, y in [lost[2:], late[2:]]:
        assert window.run(REDS, x, y, 3) > 10, "a cross"
    assert window.run(REDS, *arrived[2:], 6) == 0
    for kind in ("crash", "restart", "partition"):
        assert window.run(REDS, *window.run(PLACE, kind), 6) > 10, kind
    for kind in ("send", "deliver", "note", "heal"):
        assert window.run(REDS, *window.run(PLACE, kind), 3) == 0, kind
    assert window.run(REDS, at[4], (second + third) / 2, 12) > 10, "the partition reaches from lane to lane"

    below = second + window.run("return view.rowHeight * 0.35")
    quiet = window.run(PIXELS, at[9], below)
    assert window.run(PIXELS, at[7], below) != quiet, "a band, as long as the host is down"
    down = window.run("return periods.down.map((each) => [hostName(each.lane), each.start, each.end])")
    assert down == [["c", 5.5, 8]]
    assert window.run(CUTS) == [["a", "b", 4, 7], ["b", "a", 4, 7]]


@clients
def test_a_partition_in_one_direction(show):
    trace = Trace(Clock())
    trace.note("partition", "a", "b", detail="one way")
    trace.note("restart", "a")
    window = show(trace)
    assert window.run(CUTS) == [["a", "b", 0, 0]]
    assert window.run("return periods.down.length") == 0


@clients
def test_events_are_chosen(show):
    window = show(small())
    assert "Choose one" in window.text("#details")
    click(window, *window.run(PLACE, "deliver"))
    assert window.text("#event-title") == "Event 2"
    shown = window.text("#details")
    for told in (
        "deliver: bytes of a stream arrive",
        "2.000\u202f000\u202f000 s",
        "a:1 > c:2",
        "500",
        "#1 send on a",
        "1.00 s before",
    ):
        assert told in shown
    assert window.run("return [...view.chain].sort()") == [1, 2]
    window.click("#details dd button")
    assert window.text("#event-title") == "Event 1"
    assert "#2 deliver on c" in window.text("#details")
    current = "return document.querySelector('tr[aria-current]').cells[0].textContent"
    assert window.run(SETTLE + current) == "1"

    # The middle of an arrow, too; and nothing where nothing is.
    click(
        window,
        *window.run("const [[x1, y1, x2, y2]] = [ends(arrows[2])]; return [(x1 + x2) / 2, (y1 + y2) / 2]"),
    )
    assert window.text("#event-title") == "Event 8"
    click(window, *window.run("return [view.x(9), view.y(0) + 20]"))
    assert window.text("#event-title") == "Event"

    window.run(SETTLE + PRESS, 3)
    assert window.text("#event-title") == "Event 3"
    window.type("#lanes", "nn")
    assert window.text("#event-title") == "Event 5"
    window.type("#lanes", "p")
    assert window.text("#event-title") == "Event 4"
    assert "#3 datagram on a at the same time" in window.text("#details")
    window.type("#lanes", "ff")
    assert window.text("#event-title") == "Event 7"
    window.type("#lanes", "F")
    assert window.text("#event-title") == "Event 5"
    window.click("#later")
    assert window.text("#event-title") == "Event 7"
    window.type("#lanes", "\ue00c")  # Escape
    assert window.text("#event-title") == "Event"


@clients
def test_what_is_under_the_pointer(show):
    window = show(small())
    act(window, "pointer", *window.run(PLACE, "crash"))
    assert window.text("#tip").startswith("#7 crash on c 5.500\u202f000 s")
    act(window, "pointer", 300, 4)
    assert window.run("return document.getElementById('tip').hidden")


@clients
def test_zoom_and_move(show):
    window = show(MadeUp(2000).trace)
    span = "return view.end - view.start"
    whole = window.run(span)
    assert len(rows(window)) == 300
    assert "300 of 2" in window.text("#listing-title")
    window.run(BRING, "crash", 10)
    x, y = window.run(PLACE, "crash")
    act(window, "wheel", x, y, {"deltaY": -300})
    assert window.run(span) < whole / 11
    assert window.run(PLACE, "crash")[0] == pytest.approx(x, abs=2), "what is under the pointer stays there"
    act(window, "wheel", x, y, {"deltaY": 300})
    assert window.run(span) == pytest.approx(whole / 10)
    drag(window, x, y + 30, 100)
    assert window.run(PLACE, "crash")[0] == pytest.approx(x + 100, abs=2)
    before = window.run("return view.start")
    window.type("#lanes", "\ue014")  # to the right
    assert window.run("return view.start") > before
    window.click("#in")
    window.type("#lanes", "+")
    assert window.run(span) == pytest.approx(whole / 10 / 1.6**2)
    window.click("#out")
    assert window.run(span) == pytest.approx(whole / 10 / 1.6)
    assert 0 < len(rows(window)) < 300
    window.type("#lanes", "0")
    assert window.run(span) == whole
    for _ in range(60):
        window.run("view.zoom(0.5)")
    assert window.run(span) == pytest.approx(1e-8, rel=0.01)
    window.run(SETTLE)
    window.click("#fit")
    assert window.run(span) == whole


@clients
def test_filters(show):
    window = show(small())
    window.click("#kinds summary")
    window.click("#kinds .choices p button:nth-child(3)")
    assert [row[2] for row in rows(window)] == ["drop", "partition", "crash", "drop", "restart"]
    assert window.text("#found") == "5 of 12"
    assert "4 of 9" in window.text("#kinds summary")
    window.click("#reset")
    assert len(rows(window)) == 12
    assert window.text("#found") == ""

    window.click("#hosts summary")
    assert not window.run("return document.getElementById('kinds').open")
    window.click("#hosts .choices label:nth-of-type(1) input")
    assert window.run("return view.rows.map(hostName)") == ["c", "b"]
    assert {row[3] for row in rows(window)} == {"c", "b"}
    assert window.run("let n = 0; arrowsInView(() => n++); return n") == 0, "with their lane arrows go"
    window.click("#hosts .choices p button:nth-child(2)")
    assert rows(window) == []
    window.click("#reset")

    window.type("#flow", "A:3")
    assert [row[0] for row in rows(window)] == ["3", "4"]
    window.click("#reset")
    window.type("#text", "is down")
    assert [row[0] for row in rows(window)] == ["8"]
    window.click("#reset")
    window.type("#text", "#7")
    assert [row[2] for row in rows(window)] == ["crash"]
    window.click("#reset")
    window.type("#lanes", "/x")
    assert window.run("return document.getElementById('text').value") == "x"
    window.click("#reset")
    window.run(SETTLE + PRESS, 1)
    window.click("#details .actions button")
    assert [row[0] for row in rows(window)] == ["1", "2", "6", "8"]


@clients
def test_long_idleness_is_squeezed(show):
    clock = Clock()
    trace = Trace(clock)
    for _ in range(3):
        for _ in range(50):
            clock.now += 0.01
            trace.note("note", "a")
        clock.now += 3600
    window = show(trace)
    assert window.run("return document.getElementById('axis').value") == "squeezed"
    assert window.run("return axis.breaks") == [50, 100]
    places = (
        "return [view.x(axis.placeOf(0.25)), view.x(axis.placeOf(3600.75)), view.x(axis.placeOf(7201.25))]"
    )
    first, second, third = window.run(places)
    assert 200 < second - first < 600
    assert third - second == pytest.approx(second - first, rel=0.2)
    assert window.run("return axis.timeOf(axis.placeOf(1800))") == pytest.approx(1800)
    ticks = window.run("return axis.ticks(view.start, view.end, 1000)")
    assert ticks[0][1] == "0.0 s"
    for place, text in ticks:
        told = float(text.replace("\u202f", "").removesuffix(" s"))
        if 0.01 <= told <= 7201.5 and not 0.5 < told < 3600.5:
            assert window.run("return axis.timeOf(arguments[0])", place) == pytest.approx(told, abs=0.2)
    window.run("useAxis('time')")
    assert window.run("const w = view.width; return [view.x(0.25) < 160, view.x(7201) > w - 60]") == [
        True,
        True,
    ]
    window.run("useAxis('order')")
    gaps = window.run("return [view.xOf(50) - view.xOf(49), view.xOf(1) - view.xOf(0)]")
    assert gaps[0] == pytest.approx(gaps[1])
    ticks = window.run("return axis.ticks(view.start, view.end, 1000)")
    assert ticks[1][1].startswith("#")
    window.run(SETTLE)


@clients
def test_what_happens_at_once_stands_side_by_side(show):
    clock = Clock()
    trace = Trace(clock)
    for _ in range(3):
        for kind in ("deliver", "traffic", "send"):
            trace.note(kind, "a")
        clock.now += 1
    window = show(trace)
    places = window.run("return [...kind.keys()].map((i) => view.xOf(i))")
    assert [b - a for a, b in pairwise(places[:3])] == pytest.approx([11, 11])
    assert places[2] < places[3]
    window.run("view.show(-1000, 1000)")
    places = window.run("return [...kind.keys()].map((i) => view.xOf(i))")
    assert places == sorted(places), "where there is little room, too"


@clients
def test_a_hundred_thousand_events(show):
    window = show(MadeUp(120_000).trace)
    assert "Left off\nthe first 20\u202f00" in window.text("#facts")
    assert window.run("return view.crowded")
    assert len(rows(window)) == 300
    window.run("view.choose([...data.cause].findIndex((number) => number >= 0 && number < FIRST))")
    assert "which is no longer kept" in window.text("#details")
    window.run("view.choose(-1)")
    window.type("#lanes", "f")
    first = window.run("return FIRST")
    assert int(window.text("#event-title").split(" ", 1)[1].replace("\u202f", "")) > first
    for kind in ("crash", "partition"):  # which are drawn however many events there are
        x, y = window.run(SETTLE + PLACE, kind)
        assert window.run(REDS, x, y, 6) > 10
    window.run(BRING, "crash", 2000)
    window.run(SETTLE)
    assert not window.run("return view.crowded")
    assert window.run("return view.range()[1] - view.range()[0]") == len(rows(window)) < 300


@clients
def test_a_thousand_hosts(show):
    clock = Clock()
    trace = Trace(clock)
    for number in range(1000):
        clock.now += 0.001
        trace.note("note", f"node-{number}")
    window = show(trace)
    lanes = window.run("let n = 0; eachRow(() => n++); return n")
    assert 3 < lanes < 30
    window.run("view.choose(900, true);" + SETTLE)
    x, y = window.run("return [view.xOf(900), view.y(900)]")
    assert 30 < y < window.run("return view.height")
    click(window, x, y)
    assert "node-900" in window.text("#details")
    before = window.run("return view.top")
    window.type("#lanes", "\ue015")  # down
    assert window.run("return view.top") > before
    act(window, "wheel", 20, 100, {"deltaY": -100_000})
    assert window.run("return view.top") == 0


@clients
def test_a_strangers_text_is_text(show):
    clock = Clock()
    trace = Trace(clock, seed=EVIL)
    sent = trace.note(EVIL, EVIL, EVIL + "2", EVIL, EVIL, 3)
    clock.now = 1.0
    trace.note(EVIL, EVIL + "2", EVIL, EVIL, EVIL, 3, sent)
    window = show(trace)
    click(window, *window.run("return [view.xOf(1), view.y(1)]"))
    assert window.text("#details").count(EVIL) == 5 + 2, "and in the name of the cause"
    assert rows(window)[0][2:6] == [EVIL, EVIL, EVIL + "2", EVIL]
    assert window.run("return document.querySelectorAll('img').length") == 0
    assert window.run("return document.querySelectorAll('script').length") == 2
    assert window.run("return document.title").startswith("Simulated world, seed '</script>")


@clients
def test_a_name_that_is_no_utf_8(show):
    trace = Trace(Clock())
    trace.note("note", "\udcff", detail="\udcff")
    window = show(trace, "#0")
    shown = (
        "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent.charCodeAt(0))"
    )
    assert window.run(shown, "#details dd:nth-of-type(3), #details dd:last-of-type") == [0xDCFF, 0xDCFF]


@clients
@pytest.mark.parametrize("count", [0, 1])
def test_almost_nothing(show, count):
    trace = Trace(Clock())
    for _ in range(count):
        trace.note("note")
    window = show(trace)
    window.type("#lanes", "+-0nfF")
    for mode in ("order", "squeezed", "time"):
        window.run("useAxis(arguments[0])", mode)
        window.run(SETTLE)
    assert len(rows(window)) == count
    assert ("Event 0" in window.text("#event-title")) == bool(count)


@clients
def test_an_event_in_the_address(show):
    window = show(MadeUp(2000).trace, "#1234")
    assert window.text("#event-title") == "Event 1\u202f234"
    assert window.run("return view.end - view.start < (axis.end - axis.start) / 5")
    window.run("location.hash = '#77'")
    window.wait_for("#event-title", "Event 77")
    assert window.run("location.hash = '#2x'; return view.chosen") == 77


@clients
def test_the_page_can_be_read(show):
    window = show(MadeUp(400).trace, "#100")
    for width, height, phone in ((1280, 800, False), (390, 844, True), (320, 568, True)):
        grounds = set()
        for dark in (False, True):
            window.emulate(width, height, dark, phone)
            window.run("document.getElementById('kinds').open = true;" + SETTLE)
            assert not window.run(OVERFLOWS), (width, dark)
            assert not window.run(FAINT, "body *"), (width, dark)
            grounds.add(window.run("return getComputedStyle(document.body).backgroundColor"))
            assert window.run("return canvas.clientHeight") >= 200
        assert len(grounds) == 2
    unnamed = """
    const named = (each) => each.textContent.trim() || each.ariaLabel || each.labels?.length;
    const used = [...document.querySelectorAll("button, input, select, summary, #lanes")];
    return used.filter((each) => !named(each)).map((each) => each.outerHTML);
    """
    assert window.run(unnamed) == []
