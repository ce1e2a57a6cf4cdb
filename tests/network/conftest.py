"""A bad line between network namespaces, made for these tests, and who talks over it."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from netcore import Engine, EventHandler
from netcore._native import MISSING
from netcore.poll import available


def _without(reason: str) -> None:
    """Skips the test; where the environment says that the network is there, fails it."""
    if os.environ.get("NETCORE_NETWORK") == "require":
        pytest.fail(f"NETCORE_NETWORK=require: {reason}")
    pytest.skip(reason)


def _load(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _made(make: Callable[[], Any]) -> Iterator[Any]:
    """Makes namespaces, if this machine and this user may; closes them."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    if reason := _load("lines").missing_tool():
        _without(reason)
    try:
        made = make()
    except OSError as error:
        _without(f"this machine or user may not make network namespaces: {error}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def whole_line() -> Iterator[object]:
    """A line, if this machine and this user may make one."""
    yield from _made(lambda: _load("lines").Line())


@pytest.fixture
def balanced() -> Iterator[Any]:
    """A balancer between a client and two hosts, likewise."""
    _load("lines")
    yield from _made(lambda: _load("balanced").Balanced())


@pytest.fixture
def line(whole_line) -> Iterator[object]:
    """The line, whole again after each test."""
    yield whole_line
    whole_line.heal()


def _backends() -> list[object]:
    """Every poller of this machine, or the forced one, and pure sockets."""
    forced = os.environ.get("NETCORE_POLLER")
    names = [forced] if forced else list(available())
    pure = [] if MISSING or forced else ["pure"]
    return [*names, *pure]


@pytest.fixture(params=_backends())
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The options of an engine on each poller, and on pure sockets."""
    if request.param == "pure":
        monkeypatch.setenv("NETCORE_SOCKETS", "pure")
        return {"poller": "select"}
    return {"poller": request.param}


@pytest.fixture
def near(serve: Callable[..., Engine], line, backend: dict[str, object]) -> Callable[..., Engine]:
    """Serves at the near end: ``near(handler, address=..., **options)``."""

    def start(handler: EventHandler, address: str = "tcp://10.77.1.1:0", **options: object) -> Engine:
        with line.near.inside():
            return serve(handler, address, **{**backend, **options})

    return start


@pytest.fixture
def far(line) -> Iterator[Callable[..., socket.socket]]:
    """Makes sockets at the far end: ``far(engine)`` connects one to it, ``far()`` makes one that listens.

    With ``kind=socket.SOCK_DGRAM`` it is a datagram socket.
    """
    sockets = []

    def make(engine: Engine | None = None, kind: int = socket.SOCK_STREAM) -> socket.socket:
        with line.far.inside():
            sock = socket.socket(type=kind)
        sockets.append(sock)
        sock.settimeout(30)
        if engine is not None:
            sock.connect((engine.addresses[0].host, engine.addresses[0].port))
        else:
            sock.bind(("10.77.2.1", 0))
            if kind == socket.SOCK_STREAM:
                sock.listen()
        return sock

    yield make
    for sock in sockets:
        sock.close()
