"""What crosses to a process, and what cannot."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import ssl
from typing import Any

import pytest

from netcore import Options, OptionsError
from netcore.kcp import KcpOptions
from netcore.supervisor import TlsFiles
from netcore.supervisor.launch import Launch, plain_options

OTHERS: dict[str, Any] = {
    "load_balancer": "least-connections",
    "poller": "select",
    "max_connections_policy": "refuse",
    "bind_to_device": "lo",
    "log_level": logging.DEBUG,
    "max_outbound": 1 << 25,
    "high_water": 1 << 19,
    "low_water": 1 << 17,
    "proxy_protocol_from": ("10.0.0.0/8", "2001:db8::7"),
    "kcp": KcpOptions(no_delay=2, mtu=1200, stream=False, idle_timeout=math.inf),
}
WITH = {
    "tcp_keep_interval": {"tcp_keep_alive": 60},
    "tcp_keep_count": {"tcp_keep_alive": 60},
}
CANNOT = {"logger", "tls", "log_path"}
NAMES = [field.name for field in dataclasses.fields(Options)]


def carried(launch: Launch) -> Launch:
    """Sends it through JSON."""
    return Launch.from_message(json.loads(json.dumps(launch.as_message())))


def crossed(options: Options) -> Options:
    return carried(Launch(target="app:App", options=plain_options(options))).make_options()


def another(name: str) -> Any:
    """Returns a value of an option that is not its default."""
    value = getattr(Options(), name)
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return 4 if value != 4 else 5
    raise AssertionError(f"this test knows no value for the option {name}")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CANNOT | {"admin"}])
def test_each_option_crosses(name: str) -> None:
    options = Options(**{**WITH.get(name, {}), name: another(name)})
    assert getattr(options, name) != getattr(Options(), name)
    there = crossed(options)
    assert there == options and type(getattr(there, name)) is type(getattr(options, name))


@pytest.mark.parametrize("name", ["idle_timeout", "close_timeout", "shutdown_timeout", "watchdog"])
def test_a_duration_without_end_crosses(name: str) -> None:
    assert getattr(crossed(Options(**{name: math.inf})), name) == math.inf


@pytest.mark.parametrize(
    "edges",
    [
        {"edge_triggered": True},
        {"edge_triggered_chunk": 5000},
        {"edge_triggered": True, "edge_triggered_chunk": 5000},
    ],
)
def test_edges_cross_as_they_were_given(edges: dict[str, Any]) -> None:
    options = Options(**edges)
    there = crossed(options)
    assert there == options
    for override in ({"edge_triggered": False}, {"edge_triggered_chunk": 0}, {"edge_triggered_chunk": 64}):
        assert there.replace(**override) == options.replace(**override)


def test_the_defaults_are_not_said() -> None:
    assert plain_options(Options()) == {}
    assert crossed(Options()) == Options()


def test_what_the_supervisor_does_itself_stays_with_it() -> None:
    assert plain_options(Options(admin="tcp://127.0.0.1:0")) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logger", logging.getLogger("app")),
        ("tls", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
        ("poller", lambda: None),
        ("load_balancer", type("Mine", (), {"pick": lambda self, loops, remote: loops[0]})()),
    ],
)
def test_an_object_cannot_cross_and_configure_is_the_way(name: str, value: Any) -> None:
    with pytest.raises(OptionsError, match=rf"^option {name} is .*cannot cross .* by configure$") as caught:
        plain_options(Options(**{name: value}))
    assert caught.value.option == name


def test_several_processes_write_no_rotated_file() -> None:
    with pytest.raises(OptionsError, match=r"option log_path is 'app\.log': several processes") as caught:
        plain_options(Options(log_path="app.log"))
    assert caught.value.option == "log_path"


def test_a_launch_crosses_whole() -> None:
    values: dict[type | str, Any] = {"str": "x", "bool": True, "int": 7, "float": 2.5}
    given = {
        field.name: values[str(field.type)]
        for field in dataclasses.fields(Launch)
        if str(field.type) in values
    }
    files = TlsFiles(certificate="c.pem", key="k.pem", client_ca="ca", client_optional=True, alpn=("h2", "x"))
    launch = Launch(**given, tls_files=files, path=["/a", ""], options={"idle_timeout": math.inf})
    assert carried(launch) == launch
    assert carried(dataclasses.replace(launch, tls_files=None)).tls_files is None


def test_a_process_imports_from_where_the_supervisor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("/somewhere")
    assert Launch(target="app:App").path[0] == "/somewhere"
