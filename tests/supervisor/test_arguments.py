"""What a supervisor refuses, and in which words: before anything is bound or started."""

from __future__ import annotations

import logging
import signal
from typing import Any

import pytest

import netcore
from netcore import (
    InvalidAddressError,
    Options,
    OptionsError,
    UnsupportedOperationError,
    UnsupportedProtocolError,
)
from netcore.supervisor import Supervisor, TlsFiles

HERE = "tcp://127.0.0.1:0"


@pytest.mark.posix
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"processes": -1}, "processes is -1: it must be a whole number, 0 for one per usable CPU"),
        ({"processes": True}, "processes is True: it must be a whole number, 0 for one per usable CPU"),
        ({"processes": 2.0}, "processes is 2.0: it must be a whole number, 0 for one per usable CPU"),
        ({"processes": "auto"}, "processes is 'auto': it must be a whole number, 0 for one per usable CPU"),
        ({"processes": 1025}, "processes is 1025: it must be 1024 at most"),
        ({"processes": 10**30}, f"processes is {10**30}: it must be 1024 at most"),
        ({"reload": "yes"}, "reload is 'yes': it must be True or False"),
        ({"balancer": "mine"}, "balancer is 'mine': it must be of the form 'module:class', or empty"),
        ({"tls_files": "x.pem"}, "tls_files is 'x.pem': it must be a TlsFiles object, or None"),
        ({"log_level": "INFO"}, "log_level is 'INFO': it must be a level of logging, 0 for none"),
        ({"log_format": "xml"}, "log_format is 'xml': it must be 'text' or 'json'"),
        ({"configure": ":"}, "configure is ':': it must be of the form 'module:name'"),
        ({"listeners": "mine"}, "listeners is 'mine': it must be 'own', 'shared' or empty"),
        ({"configure": "app"}, "configure is 'app': it must be of the form 'module:name'"),
        ({"configure": len}, f"configure is {len!r}: it must be of the form 'module:name'"),
        ({"idle_timeout": -1}, "option idle_timeout is -1: it must be a number, zero or above, in seconds"),
        ({"load_balancer": "odd"}, "option load_balancer: "),
        ({"logger": logging.getLogger("x")}, "option logger is "),
        ({"log_path": "x.log"}, "option log_path is 'x.log': several processes cannot write to a file"),
    ],
)
def test_an_argument_that_is_wrong(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionsError) as caught:
        Supervisor("app:App", HERE, **arguments)
    assert str(caught.value).startswith(words)


@pytest.mark.posix
@pytest.mark.parametrize("name", ["hang_timeout", "drain_timeout"])
@pytest.mark.parametrize("value", [-1, float("nan"), "10", True, None])
def test_a_duration_that_is_none(name: str, value: Any) -> None:
    with pytest.raises(OptionsError, match=name):
        Supervisor("app:App", HERE, **{name: value})


@pytest.mark.posix
@pytest.mark.parametrize(
    "target", ["app", "app:", ":App", "a b:c", "app:App()", "app:A:B", "", None, 7, netcore.EventHandler]
)
def test_a_target_that_is_none(target: Any) -> None:
    with pytest.raises(OptionsError) as caught:
        Supervisor(target, HERE)
    assert str(caught.value) == f"target is {target!r}: it must be of the form 'module:name'"


@pytest.mark.posix
def test_a_target_that_each_process_has_its_own_of() -> None:
    with pytest.raises(OptionsError) as caught:
        Supervisor("__main__:App", HERE)
    assert str(caught.value) == (
        "target is '__main__:App': each process has a __main__ of its own; name a module"
    )


@pytest.mark.posix
def test_a_secured_address_needs_files_or_configure() -> None:
    with pytest.raises(OptionsError) as caught:
        Supervisor("app:App", HERE, "tls://127.0.0.1:0")
    assert str(caught.value) == (
        "'tls://127.0.0.1:0' needs a certificate: give its files, or set Options.tls by configure"
    )
    Supervisor("app:App", "tls://127.0.0.1:0", configure="app:configure")
    Supervisor("app:App", "tls://127.0.0.1:0", tls_files=TlsFiles(certificate="not-read-here.pem"))


@pytest.mark.posix
def test_addresses() -> None:
    with pytest.raises(InvalidAddressError, match="at least one address"):
        Supervisor("app:App")
    with pytest.raises(InvalidAddressError):
        Supervisor("app:App", "127.0.0.1")
    with pytest.raises(UnsupportedProtocolError):
        Supervisor("app:App", "kcp9://127.0.0.1:1")


@pytest.mark.posix
def test_options_that_are_none() -> None:
    with pytest.raises(TypeError, match="options must be an Options object"):
        Supervisor("app:App", HERE, options={})  # type: ignore[arg-type]
    with pytest.raises(OptionsError, match="there is no option 'idle'"):
        Supervisor("app:App", HERE, options=Options(), idle=3)


@pytest.mark.posix
def test_what_is_right_binds_nothing_yet() -> None:
    supervisor = Supervisor("no_such_module:App", HERE, processes=3)
    assert [str(address) for address in supervisor.addresses] == [HERE] and supervisor.pids == ()


def test_windows_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "pthread_sigmask", raising=False)
    with pytest.raises(UnsupportedOperationError, match="this platform has no supervisor") as caught:
        Supervisor("app:App", HERE)
    assert "num_event_loops" in str(caught.value)
