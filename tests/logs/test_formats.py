"""The log as text and as JSON: whatever is logged, each record is itself and nothing else."""

from __future__ import annotations

import datetime
import json
import logging
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore.logs import FORMATS, JsonFormatter, TextFormatter, configure

NAMED = {"text": TextFormatter, "json": JsonFormatter}


def record(msg="message", args=(), exc_info=None, stack=None, extra=None, name="netcore", level=logging.INFO):
    return logging.getLogger(name).makeRecord(
        name, level, __file__, 0, msg, args, exc_info, None, extra, stack
    )


def raised(error):
    try:
        raise error
    except BaseException:
        return sys.exc_info()


def as_json(*args, process=None, **named):
    line = JsonFormatter(process).format(record(*args, **named))
    assert "\n" not in line
    return json.loads(line)


class Broken:
    """Fails whatever is asked of it."""

    def __str__(self):
        raise RuntimeError("on purpose")

    __repr__ = __str__


class BrokenError(Exception):
    __str__ = __repr__ = Broken.__str__


def test_text_is_as_ever():
    line = TextFormatter().format(record("listening on %s", ("tcp://127.0.0.1:1",)))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO netcore: listening on tcp://127\.0\.0\.1:1", line
    )


def test_text_under_a_supervisor():
    line = TextFormatter(3).format(record(name="netcore.access"))
    assert line.endswith(f" INFO netcore.access[3/{os.getpid()}]: message")


def test_lines_behind_the_first_are_indented():
    text = "one\n2026-11-27 12:00:00,000 INFO netcore: forged\x85two"
    shown = TextFormatter().format(record(text, exc_info=raised(ValueError("a\nb"))))
    first, *rest = shown.splitlines()
    assert first.endswith("INFO netcore: one")
    assert all(line.startswith("    ") for line in rest)
    assert "    Traceback (most recent call last):" in rest
    assert rest[0].endswith("forged") and rest[1] == "    two"
    assert rest[-2:] == ["    ValueError: a", "    b"]


def test_a_stack_is_shown():
    stack = 'Stack (most recent call last):\n  File "x", line 1, in y'
    assert '\n      File "x", line 1, in y' in TextFormatter().format(record(stack=stack))
    assert as_json(stack=stack)["stack"] == stack


def test_json_says_who_when_and_what():
    made = record("took %d s", (3,), extra={"connection": 7, "seconds": 0.5, "error": None})
    made.created = 1795780800.0625
    fields = json.loads(JsonFormatter(2).format(made))
    assert fields == {
        "time": "2026-11-27T12:00:00.062Z",
        "level": "INFO",
        "logger": "netcore",
        "message": "took 3 s",
        "process": 2,
        "pid": os.getpid(),
        "connection": 7,
        "seconds": 0.5,
        "error": None,
    }
    assert list(fields)[:4] == ["time", "level", "logger", "message"]
    assert "process" not in as_json()


def test_the_time_is_that_of_now_in_utc():
    then = datetime.datetime.fromisoformat(as_json()["time"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()) < 60


@pytest.mark.parametrize("created", [float("nan"), float("inf"), 1e300, -1e12])
def test_a_clock_that_is_far_off(created):
    made = record()
    made.created = created
    assert json.loads(JsonFormatter().format(made))["message"] == "message"


def test_an_exception_in_json_is_text():
    fields = as_json("failed", exc_info=raised(ValueError('"quoted"\n{"level": "INFO"}')))
    assert fields["exception"].startswith("Traceback (most recent call last):\n")
    assert fields["exception"].endswith('ValueError: "quoted"\n{"level": "INFO"}')


def test_extra_fields_hide_nothing():
    extra = {"time": 1, "level": "DEBUG", "logger": "other", "pid": 0, "exception": "none"}
    fields = as_json("message", extra=extra, exc_info=raised(ValueError("real")))
    assert (fields["level"], fields["logger"], fields["pid"]) == ("INFO", "netcore", os.getpid())
    assert {name: fields[f"{name}_"] for name in extra} == extra
    assert "real" in fields["exception"]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        {1, 2},
        object(),
        Broken(),
        {Broken(): 1},
        {(1, 2): 3},
        b"bytes",
        "\udc80",
        2**200,
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_can_be_said(value):
    fields = as_json(extra={"odd": value, "sound": [1, "x"]})
    assert fields["message"] == "message" and fields["sound"] == [1, "x"]
    assert "odd" in fields


def test_a_circle_can_be_said():
    circle = []
    circle.append(circle)
    assert as_json(extra={"odd": circle})["odd"] == "[[...]]"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("msg", "args"),
    [
        ("%d", ("x",)),
        ("%s %s", ("one",)),
        ("none", ("more",)),
        ("%s", (Broken(),)),
        (Broken(), ()),
        (Broken(), (Broken(),)),
        ("%(name)s", ({"other": 1},)),
        (b"bytes", ()),
        (None, ()),
        ("%", ()),
    ],
)
def test_arguments_that_do_not_fit_are_shown(format, msg, args):
    shown = NAMED[format]().format(record(msg, args))
    assert shown if format == "text" else json.loads(shown)["message"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("exc_info", [(BrokenError, BrokenError(), None), (None, None, None), (1, 2, 3)])
def test_an_exception_that_cannot_be_shown_is_none_of_ours(format, exc_info):
    assert "message" in NAMED[format]().format(record(exc_info=exc_info))


@given(st.text(), st.dictionaries(st.from_regex(r"x[a-z]{1,8}", fullmatch=True), st.text() | st.floats()))
def test_no_text_is_more_than_one_line_of_json(text, extra):
    line = JsonFormatter().format(record("%s", (text,), extra=extra))
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["message"] == text


@given(st.text())
def test_no_text_begins_a_line_of_its_own(text):
    _, *rest = TextFormatter().format(record("%s", (text,))).splitlines()
    assert all(line.startswith("    ") for line in rest)


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_configure():
    program = """
import logging
from netcore.logs import configure
configure("info", "json", 4)
logging.getLogger("netcore").debug("not this")
logging.getLogger("netcore.access").info("this", extra={"seconds": 1})
"""
    (line,) = run(program)
    fields = json.loads(line)
    assert (fields["message"], fields["process"], fields["seconds"]) == ("this", 4, 1)
    (line,) = run(program.replace('"info", "json", 4', '20, "text"'))
    assert line.endswith(" INFO netcore.access: this")


def test_an_application_that_has_set_its_log_up_keeps_it():
    lines = run(
        "import logging\n"
        "from netcore.logs import configure\n"
        "logging.basicConfig(format='mine: %(message)s')\n"
        "configure('info', 'json')\n"
        "logging.getLogger('netcore').warning('this')\n"
    )
    assert lines == ["mine: this"]


@pytest.mark.parametrize(
    ("level", "format", "text"), [("loud", "text", "LOUD"), ("info", "xml", "'xml' is no format")]
)
def test_what_is_unknown_is_refused(level, format, text, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    before = logging.root.level
    with pytest.raises(ValueError, match=text):
        configure(level, format)
    assert logging.root.level == before
