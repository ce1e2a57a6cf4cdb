"""The trace of a simulated world: what is kept and found in it, and a digest that is the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netcore.testing.simulation.event import FAULTS, KINDS
from netcore.testing.simulation.scheduler import Scheduler
from netcore.testing.simulation.trace import Event, Trace

KNOWN = """
import sys
from netcore.testing.simulation.trace import Trace

class Clock:
    now = 0.0

clock = Clock()
trace = Trace(clock)
for n in range(2000):
    clock.now += 0.1 / (n + 1)
    sent = trace.note("send", "a", "b", "a:1 > b:2", "caf\\xe9 \\u20ac \\U0001fae8", n, data=b"%d" % n)
    trace.note("deliver", "b", "a", "a:1 > b:2", "\\udcff", 1 << 40, sent)
sys.stdout.write(trace.digest())
"""
KNOWN_DIGEST = "84e62972536251db5f061c4dd1bf74bc"


@pytest.fixture
def clock() -> Scheduler:
    return Scheduler()


def fill(trace: Trace, count: int, wrong: int = -1) -> Trace:
    for number in range(trace.count, trace.count + count):
        trace.note("note", detail="wrong" if number == wrong else f"event {number}")
    return trace


def test_an_event_has_what_was_noted(clock):
    trace = Trace(clock)
    assert trace.note("send", "a", "b", "a:1 > b:2", "to you", size=3, data=b"abc") == 0
    clock.now = 1.5
    assert trace.note("deliver", host="b", cause=0) == 1
    sent = Event(0, 0.0, "send", "a", "b", "a:1 > b:2", "to you", 3, -1)
    arrived = Event(1, 1.5, "deliver", "b", "", "", "", 0, 0)
    assert list(trace) == [sent, arrived]
    assert trace[0] == trace[-2] == sent
    assert trace[1] == trace[-1] == arrived
    assert (len(trace), trace.count, trace.left_off) == (2, 2, 0)


@pytest.mark.parametrize("limit", [0, 1, 10, 512, 700, None])
def test_only_the_last_events_are_kept(clock, limit):
    trace = Trace(clock, limit)
    for _ in range(4):
        fill(trace, 333)
        kept = trace.count if limit is None else min(limit, trace.count)
        assert [event.number for event in trace] == list(range(trace.count - kept, trace.count))
        assert (len(trace), trace.left_off) == (kept, trace.count - kept)
        for event in trace:
            assert trace[event.number] == event == trace[event.number - trace.count]
    assert trace.digest() == fill(Trace(clock), 4 * 333).digest()


def test_an_event_that_is_not_there(clock):
    trace = fill(Trace(clock, 10), 1000)
    for number in (1000, -1001):
        with pytest.raises(IndexError, match=f"there is no event {number}: there have been 1000"):
            trace[number]
    for number in (989, -11, 0):
        with pytest.raises(IndexError, match=r"no longer kept: the first one that is has number 990$"):
            trace[number]


def test_a_limit_is_no_negative_number(clock):
    with pytest.raises(ValueError, match="limit is -1"):
        Trace(clock, -1)


def test_what_is_added_meanwhile_is_left_out(clock):
    trace = fill(Trace(clock), 3)
    for _ in trace:
        fill(trace, 1)
    assert trace.count == 6


def test_events_that_fit(clock):
    trace = Trace(clock)
    for number, (kind, host, flow) in enumerate(
        [
            ("send", "a", "x"),
            ("deliver", "b", "x"),
            ("send", "b", "y"),
            ("drop", "b", "y"),
            ("crash", "a", ""),
        ]
    ):
        clock.now = number / 10
        trace.note(kind, host, flow=flow)

    def found(**wanted):
        return [event.number for event in trace.events(**wanted)]

    assert found() == [0, 1, 2, 3, 4]
    assert found(kind="send") == [0, 2]
    assert found(kind={"crash", "drop"}) == [3, 4]
    assert found(kind=()) == []
    assert found(host="b", flow=["x", "y"]) == [1, 2, 3]
    assert found(flow="") == [4]
    assert found(since=0.1, until=0.3) == [1, 2, 3]
    assert found(kind="send", where=lambda event: event.host == "b") == [2]


def test_the_digest_is_the_same_everywhere():
    for seed in ("0", "1"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", KNOWN], env=env, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (KNOWN_DIGEST, "")


def test_the_digest_covers_everything(clock):
    plain = {
        "kind": "send",
        "host": "a",
        "peer": "b",
        "flow": "c",
        "detail": "d",
        "size": 1,
        "cause": 0,
        "data": b"e",
    }
    digests = {Trace(clock).digest()}
    for change in (
        {},
        *({name: 9 if name in ("size", "cause") else b"9" if name == "data" else "9"} for name in plain),
    ):
        trace = Trace(clock)
        trace.add(**{**plain, **change})
        digests.add(trace.digest())
    # What one text ends with is not what the next one begins with.
    for change in ({"host": "ab", "peer": ""}, {"host": "", "peer": "ab"}):
        trace = Trace(clock)
        trace.add(**{**plain, **change})
        digests.add(trace.digest())
    clock.now = 5e-324
    trace = Trace(clock)
    trace.add(**plain)
    digests.add(trace.digest())
    assert len(digests) == 1 + 1 + len(plain) + 2 + 1


def test_asking_for_the_digest_changes_nothing(clock):
    asked, unasked = Trace(clock), Trace(clock)
    for _ in range(1100):
        fill(asked, 1).digest()
        fill(unasked, 1)
    assert asked.digest() == unasked.digest()


@pytest.mark.parametrize("data", [bytearray(b"payload"), memoryview(b"payload")])
def test_payload_may_be_any_kind_of_bytes(clock, data):
    one, other = Trace(clock), Trace(clock)
    one.note("send", data=b"payload")
    other.note("send", data=data)
    assert one.digest() == other.digest()


def test_traces_that_are_the_same_do_not_differ(clock):
    for limit in (0, 10, None):
        assert fill(Trace(clock, limit), 1500).first_difference(fill(Trace(clock), 1500)) is None
    assert Trace(clock).first_difference(Trace(clock)) is None


@pytest.mark.parametrize("number", [0, 511, 512, 1499])
def test_the_first_difference(clock, number):
    one, other = fill(Trace(clock), 1500), fill(Trace(clock), 1500, wrong=number)
    found = one.first_difference(other)
    assert found is not None
    assert found[:3] == (number, one[number], other[number])
    assert found.why == f"event {number} differs in detail"
    shown = str(found).splitlines()
    assert shown[0] == found.why
    assert [line.split()[0] for line in shown[1:]] == ["event", str(number), str(number)]
    assert shown[-1].endswith("wrong")


def test_a_payload_may_be_all_that_differs(clock):
    one, other = Trace(clock), Trace(clock)
    one.note("send", data=b"x")
    other.note("send", data=b"y")
    found = one.first_difference(other)
    assert found is not None
    assert found.why == "event 0 differs in payload"


def test_one_trace_may_end_earlier(clock):
    one, other = fill(Trace(clock), 5), fill(Trace(clock), 7)
    assert one.first_difference(other) == (5, None, other[5], "this trace ends after 5 events")
    assert other.first_difference(one) == (5, other[5], None, "the other trace ends after 5 events")
    short = fill(Trace(clock, 1), 5)
    found = one.first_difference(fill(short, 2))
    assert found == (
        5,
        None,
        None,
        "this trace ends after 5 events, or one before: from 0 to 6 they are no longer kept",
    )


def test_a_difference_before_what_is_kept(clock):
    one, other = fill(Trace(clock, 100), 3000), fill(Trace(clock, 100), 3000, wrong=700)
    gone = "they differ between events 512 and 1024, which are no longer kept"
    assert one.first_difference(other) == (512, None, None, gone)
    one, other = fill(Trace(clock, 100), 3000), fill(Trace(clock, 100), 3000, wrong=2890)
    gone = "they differ between events 2560 and 2900, which are no longer kept"
    assert one.first_difference(other) == (2560, None, None, gone)
    one, other = fill(Trace(clock, 100), 3000), fill(Trace(clock, 100), 3000, wrong=2950)
    found = one.first_difference(other)
    assert found is not None
    assert found.number == 2950
    assert found.why.endswith("or one before: from 2560 to 2900 they are no longer kept")


def test_what_is_left_of_old_events_is_bounded(clock, monkeypatch):
    monkeypatch.setattr("netcore.testing.simulation.trace._MOST_MARKS", 8)
    one, other = fill(Trace(clock, 10), 60_000), fill(Trace(clock), 60_000, wrong=20_000)
    assert len(one._marks) <= 8
    found = one.first_difference(other)
    assert found is not None
    assert found.number <= 20_000 < found.number + 8192


def test_the_last_events_as_a_table(clock):
    trace = Trace(clock, seed=7)
    trace.note("send", "client", "server", "client:49152 > server:7000", "", 1000)
    clock.now = 0.25
    trace.note("deliver", "server", "client", "client:49152 > server:7000", "late", 1000, 0)
    lines = str(trace).splitlines()
    assert lines[0] == f"seed 7, 2 events, digest {trace.digest()}"
    assert lines[1:] == [
        "event   seconds  kind     host    peer    flow                        bytes  detail",
        "    0  0.000000  send     client  server  client:49152 > server:7000   1000",
        "    1  0.250000  deliver  server  client  client:49152 > server:7000   1000  late (of 0)",
    ]
    assert trace.tail(1).splitlines()[1] == lines[3]
    assert len(trace.tail(0).splitlines()) == 1
    assert repr(trace) == f"<Trace: {lines[0]}>"


def test_a_line_stays_a_line(clock, tmp_path: Path):
    trace = Trace(clock, limit=1)
    trace.note("note")
    trace.note("note", "h\x1b[2J", detail="one\ntwo\r\x85\u2028\u202e\udcff caf\xe9")
    trace.write_text(tmp_path / "trace.txt")
    first, *lines = (tmp_path / "trace.txt").read_text("utf-8").splitlines()
    assert first == f"2 events, the first 1 not kept, digest {trace.digest()}"
    assert lines == trace.tail().splitlines()
    assert r"h\x1b[2J" in lines[1]
    assert lines[1].endswith(r"one\ntwo\r\x85\u2028\u202e\udcff café")


def test_a_fault_is_a_kind():
    assert set(KINDS) > FAULTS


def test_the_reference_names_all_kinds() -> None:
    assert Event.__doc__ is not None
    _, _, told = Event.__doc__.partition("kind:")
    words = set(told.partition("host:")[0].replace(",", " ").replace(";", " ").split())
    assert set(KINDS) <= {word.rstrip(".:") for word in words}
