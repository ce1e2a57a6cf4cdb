"""The options of KCP: each is judged when they are made, and they are a value."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
from typing import Any

import pytest

from netcore import OptionsError
from netcore.kcp import KcpOptions

NO_NUMBERS = [None, "7", b"7", [7], float("nan")]


def made(**values: Any) -> KcpOptions:
    return KcpOptions(**values)


def test_the_defaults_are_those_of_the_contract() -> None:
    assert dataclasses.asdict(KcpOptions()) == {
        "no_delay": True,
        "interval": 0.01,
        "fast_resend": 2,
        "congestion_control": False,
        "send_window": 128,
        "receive_window": 128,
        "mtu": 1400,
        "stream": True,
        "dead_link": 20,
        "idle_timeout": 30,
    }


def test_every_option_is_documented() -> None:
    documented = inspect.cleandoc(KcpOptions.__doc__ or "")
    missing = [f.name for f in dataclasses.fields(KcpOptions) if f"\n    {f.name}: " not in documented]
    assert not missing


@pytest.mark.parametrize(
    ("name", "wrong", "allowed"),
    [
        ("no_delay", [-1, 3, 1.0, *NO_NUMBERS], "True, False or 2"),
        ("congestion_control", [0, 1, *NO_NUMBERS], "True or False"),
        ("stream", [0, 1, *NO_NUMBERS], "True or False"),
        ("interval", [0, 0.0009, 5.1, -1, math.inf, True, *NO_NUMBERS], "seconds, from 0.001 to 5"),
        ("fast_resend", [-1, 65536, 2.0, True, *NO_NUMBERS], "a whole number from 0 to 65535"),
        ("send_window", [0, -1, 65536, 2.0, True, *NO_NUMBERS], "a whole number from 1 to 65535"),
        ("receive_window", [0, -1, 65536, 2.0, True, *NO_NUMBERS], "a whole number from 1 to 65535"),
        ("mtu", [0, 49, 65508, 1400.0, True, *NO_NUMBERS], "a whole number from 50 to 65507"),
        ("dead_link", [0, -1, 2**31 + 1, 20.0, math.inf, True, *NO_NUMBERS], "a whole number from 1 to"),
        ("idle_timeout", [-1, True, *NO_NUMBERS], "seconds, from 0 to inf"),
    ],
)
def test_what_no_session_can_be_told_is_refused(name: str, wrong: list[object], allowed: str) -> None:
    for value in wrong:
        with pytest.raises(OptionsError) as caught:
            made(**{name: value})
        assert str(caught.value).startswith(f"KcpOptions.{name} is {value!r}: it must be {allowed}")
        assert caught.value.option == f"kcp.{name}"


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("no_delay", [False, True, 0, 1, 2]),
        ("interval", [0.001, 1, 5]),
        ("fast_resend", [0, 65535]),
        ("send_window", [1, 65535]),
        ("receive_window", [1, 65535]),
        ("mtu", [50, 65507]),
        ("dead_link", [1, 2**31]),
        ("idle_timeout", [0, 0.5, math.inf, 10**400]),
    ],
)
def test_the_ends_of_the_ranges(name: str, right: list[object]) -> None:
    for value in right:
        assert getattr(made(**{name: value}), name) == value


def test_they_are_a_value() -> None:
    options = KcpOptions(mtu=1200)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.mtu = 1300  # type: ignore[misc]
    assert {options, KcpOptions(mtu=1200), KcpOptions()} == {options, KcpOptions()}
    assert pickle.loads(pickle.dumps(options)) == options
    assert dataclasses.replace(options, mtu=1400) == KcpOptions()


def test_the_header_is_a_part_of_the_datagram() -> None:
    assert KcpOptions(mtu=1400).segment_size == 1376
