"""Options: checked as a whole, before anything is opened."""

from __future__ import annotations

import copy
import dataclasses
import decimal
import inspect
import logging
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import NetcoreError, Options, OptionsError
from netcore.kcp import KcpOptions
from netcore.options import MAX_CONNECTIONS_POLICIES

SWITCHES = (
    "multicore",
    "reuse_addr",
    "reuse_port",
    "tcp_no_delay",
    "ticker",
    "cpu_affinity",
    "debug",
    "proxy_protocol",
)
POSITIVE = ("backlog", "read_buffer_cap", "write_buffer_cap", "high_water", "max_outbound")
NOT_NEGATIVE = (
    "num_event_loops",
    "low_water",
    "max_connections",
    "socket_recv_buffer",
    "socket_send_buffer",
    "tcp_keep_count",
)
SECONDS = (
    "close_timeout",
    "shutdown_delay",
    "shutdown_timeout",
    "tcp_keep_alive",
    "tcp_keep_interval",
    "proxy_protocol_timeout",
)


def options(**values: Any) -> Options:
    return Options(**values)


def test_the_defaults_are_those_of_the_contract() -> None:
    expected = {
        "multicore": False,
        "num_event_loops": 0,
        "load_balancer": "round-robin",
        "poller": None,
        "reuse_addr": True,
        "reuse_port": False,
        "backlog": 4096,
        "read_buffer_cap": 65536,
        "write_buffer_cap": 65536,
        "high_water": 1 << 20,
        "low_water": 1 << 18,
        "max_outbound": 64 << 20,
        "max_connections": 0,
        "max_connections_policy": "pause",
        "close_timeout": 5,
        "shutdown_delay": 0,
        "shutdown_timeout": 10,
        "tcp_no_delay": True,
        "tcp_keep_alive": 0,
        "tcp_keep_interval": 0,
        "tcp_keep_count": 0,
        "socket_recv_buffer": 0,
        "socket_send_buffer": 0,
        "bind_to_device": "",
        "ticker": False,
        "cpu_affinity": False,
        "log_path": "",
        "log_level": logging.INFO,
        "logger": None,
        "debug": False,
        "proxy_protocol": False,
        "proxy_protocol_from": (),
        "proxy_protocol_timeout": 5,
    }
    assert {name: getattr(Options(), name) for name in expected} == expected


def test_every_option_is_documented() -> None:
    documented = inspect.cleandoc(Options.__doc__ or "")
    missing = [f.name for f in dataclasses.fields(Options) if f"\n    {f.name}: " not in documented]
    assert not missing


def test_fields_are_keywords_and_frozen() -> None:
    with pytest.raises(TypeError):
        Options(True)  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().debug = True  # type: ignore[misc]


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_switches_are_true_or_false(name: str, value: object) -> None:
    with pytest.raises(OptionsError, match=f"option {name} is {value!r}: it must be True or False"):
        options(**{name: value})
    for good in (True, False):
        assert getattr(options(**{name: good}), name) is good


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4096", None, float("nan"), float("inf")])
def test_sizes_are_whole_and_above_zero(name: str, value: object) -> None:
    with pytest.raises(OptionsError, match=f"option {name} is .*: it must be a whole number above zero"):
        options(**{name: value})


@pytest.mark.parametrize("name", NOT_NEGATIVE)
@pytest.mark.parametrize("value", [-1, 0.5, True, "1", None, float("nan"), float("inf")])
def test_counts_are_whole_and_not_negative(name: str, value: object) -> None:
    with pytest.raises(OptionsError, match=f"option {name} is .*: it must be a whole number, zero or above"):
        options(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [-1, -0.5, True, "1", None, float("nan"), decimal.Decimal(1)])
def test_durations_are_numbers_and_not_negative(name: str, value: object) -> None:
    with pytest.raises(OptionsError, match=f"option {name} is .*: it must be a number, zero or above"):
        options(**{name: value})


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [math.inf, 1e308, 10**400])
def test_durations_may_be_endless(name: str, value: float) -> None:
    alive = {"tcp_keep_alive": 60, name: value}
    assert getattr(options(**alive), name) == value


def test_durations_may_be_fractions() -> None:
    made = options(close_timeout=0.25, shutdown_timeout=0)
    assert (made.close_timeout, made.shutdown_timeout) == (0.25, 0)


@given(st.integers(1, (1 << 31) - 1))
def test_buffer_caps_are_rounded_up_to_powers_of_two(value: int) -> None:
    made = options(read_buffer_cap=value, write_buffer_cap=value)
    for cap in (made.read_buffer_cap, made.write_buffer_cap):
        assert cap & (cap - 1) == 0
        assert value <= cap < 2 * value


@pytest.mark.parametrize(("value", "cap"), [(1, 1), (2, 2), (3, 4), (65536, 65536), (65537, 131072)])
def test_some_buffer_caps(value: int, cap: int) -> None:
    assert options(read_buffer_cap=value).read_buffer_cap == cap


@pytest.mark.parametrize("policy", MAX_CONNECTIONS_POLICIES)
def test_known_policies(policy: str) -> None:
    assert options(max_connections=1, max_connections_policy=policy).max_connections_policy == policy


@pytest.mark.parametrize("policy", ["", "drop", None, ["pause"]])
def test_unknown_policies(policy: object) -> None:
    with pytest.raises(OptionsError, match=r"max_connections_policy is .*: it must be 'pause' or 'refuse'"):
        options(max_connections_policy=policy)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"low_water": 101, "high_water": 100}, r"low_water is 101: it must be at most high_water \(100\)"),
        ({"high_water": 1000, "low_water": 0, "max_outbound": 999}, r"at most max_outbound \(999\)"),
        ({"tcp_keep_interval": 1}, "tcp_keep_interval is 1: it must be zero unless tcp_keep_alive is set"),
        ({"tcp_keep_count": 1}, "tcp_keep_count is 1: it must be zero unless tcp_keep_alive is set"),
        ({"tcp_keep_alive": 0.5}, "tcp_keep_alive is 0.5: it must be 1 to 32767"),
        (
            {"log_path": "x.log", "logger": logging.getLogger("x")},
            "log_path is 'x.log': it must be empty when",
        ),
        ({"bind_to_device": 3}, "bind_to_device is 3: it must be the name of a network interface"),
        ({"bind_to_device": None}, "bind_to_device is None"),
        ({"log_path": None}, "log_path is None: it must be a path, or empty"),
    ],
)
def test_combinations(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionsError, match=sentence):
        options(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"low_water": 100, "high_water": 100, "max_outbound": 100},
        {"low_water": 0, "high_water": 1, "max_outbound": 1},
        {"tcp_keep_alive": 1},
        {"tcp_keep_alive": 60.0, "tcp_keep_interval": 10, "tcp_keep_count": 3},
        {"log_path": "x.log", "log_level": logging.DEBUG},
        {"logger": logging.getLogger("x")},
        {"num_event_loops": 3, "multicore": True},
    ],
)
def test_possible_combinations(values: dict[str, object]) -> None:
    made = options(**values)
    assert {name: getattr(made, name) for name in values} == values


def test_replace_changes_only_what_is_named() -> None:
    first = options(backlog=10, debug=True)
    second = first.replace(backlog=20, read_buffer_cap=3)
    assert (first.backlog, second.backlog, second.read_buffer_cap, second.debug) == (10, 20, 4, True)
    assert first.replace() == first


@pytest.mark.parametrize("name", ["nope", "x", "_POSITIVE"])
def test_replace_refuses_unknown_options(name: str) -> None:
    with pytest.raises(OptionsError, match=f"no option '{name}': the options are multicore, ") as caught:
        Options().replace(**{name: 1})
    assert "debug" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("idle_timout", "idle_timeout"),
        ("Backlog", "backlog"),
        ("num_loops", "num_event_loops"),
        ("loops", "num_event_loops"),
        ("lb", "load_balancer"),
        ("ssl", "tls"),
        ("timeout", "idle_timeout"),
    ],
)
def test_replace_guesses_what_is_meant(name: str, meant: str) -> None:
    with pytest.raises(OptionsError, match=f"^there is no option '{name}': did you mean {meant}\\?$"):
        Options().replace(**{name: 1})


REPLACERS = {
    "replace": Options.replace,
    "dataclasses": dataclasses.replace,
    "copy": getattr(copy, "replace", Options.replace),
    "copied": lambda made, **values: copy.copy(made).replace(**values),
    "pickled": lambda made, **values: pickle.loads(pickle.dumps(made)).replace(**values),
}


@pytest.mark.parametrize("replace", REPLACERS.values(), ids=REPLACERS)
@pytest.mark.parametrize(
    ("given", "override", "shown"),
    [
        ({"edge_triggered": True}, {}, (True, 1 << 20)),
        ({"edge_triggered": True}, {"edge_triggered": False}, (False, 0)),
        ({"edge_triggered": True}, {"edge_triggered_chunk": 5000}, (True, 8192)),
        ({"edge_triggered_chunk": 5000}, {}, (True, 8192)),
        ({"edge_triggered_chunk": 5000}, {"edge_triggered": True}, (True, 8192)),
        ({"edge_triggered_chunk": 5000}, {"edge_triggered": False}, (False, 0)),
        ({"edge_triggered": True, "edge_triggered_chunk": 5000}, {"edge_triggered": False}, (False, 0)),
        (
            {"edge_triggered": True, "edge_triggered_chunk": 5000},
            {"edge_triggered_chunk": 0},
            (True, 1 << 20),
        ),
        ({}, {"edge_triggered": True}, (True, 1 << 20)),
        ({}, {"edge_triggered_chunk": 1}, (True, 1)),
    ],
)
def test_an_override_wins_over_what_followed_of_other_options(
    replace: Any, given: dict[str, Any], override: dict[str, Any], shown: tuple[bool, int]
) -> None:
    made = replace(options(**given), **override)
    assert (made.edge_triggered, made.edge_triggered_chunk) == shown
    again = replace(replace(made, backlog=3), backlog=4096)
    assert (again, again.edge_triggered_chunk) == (made, shown[1])


def test_without_the_chunk_that_implied_it_there_is_no_edge_triggering() -> None:
    made = options(edge_triggered_chunk=5000).replace(edge_triggered_chunk=0)
    assert (made.edge_triggered, made.edge_triggered_chunk) == (False, 0)


def test_replace_checks_the_result() -> None:
    with pytest.raises(OptionsError, match="backlog is 0"):
        Options().replace(backlog=0)
    with pytest.raises(OptionsError, match="at most high_water"):
        options(high_water=1 << 19).replace(low_water=1 << 20)


def test_a_wrong_option_is_a_value_error_of_netcore() -> None:
    assert issubclass(OptionsError, ValueError)
    assert issubclass(OptionsError, NetcoreError)


@pytest.mark.parametrize(
    "networks",
    [
        "10.0.0.0/8",
        {"10.0.0.0/8"},
        None,
        ("10.0.0.1/8",),
        ("10.0.0.0/33",),
        ("proxy.example.org",),
        ("",),
        ("10.0.0.0/8", 1),
        (b"\n\0\0\1",),
        ("fe80::1%eth0/64",),
    ],
)
def test_networks_of_proxies_are_networks(networks: Any) -> None:
    with pytest.raises(
        OptionsError, match=r"option proxy_protocol_from is .*: it must be a tuple of networks"
    ):
        options(proxy_protocol_from=networks)


def test_networks_of_proxies() -> None:
    networks = ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "10.0.0.0/255.0.0.0")
    assert options(proxy_protocol=True, proxy_protocol_from=list(networks)).proxy_protocol_from == networks
    assert hash(options(proxy_protocol_from=list(networks))) == hash(options(proxy_protocol_from=networks))


@pytest.mark.parametrize("thing", [{}, {"mtu": 1200}, "fast", 1, False, KcpOptions])
def test_the_options_of_kcp_are_an_object_of_theirs(thing: Any) -> None:
    with pytest.raises(OptionsError, match=r"option kcp is .*: it must be a netcore.kcp.KcpOptions, or None"):
        options(kcp=thing)


def test_the_options_of_kcp() -> None:
    assert Options().kcp is None
    made = options(kcp=KcpOptions(mtu=1200))
    assert made.kcp == KcpOptions(mtu=1200)
    assert made.replace(backlog=3).kcp is made.kcp and made.replace(kcp=None) == Options()
    assert hash(made) == hash(pickle.loads(pickle.dumps(made)))


def test_a_header_needs_some_time() -> None:
    with pytest.raises(OptionsError, match="option proxy_protocol_timeout is 0: it must be above zero"):
        options(proxy_protocol_timeout=0)
