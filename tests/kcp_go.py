"""kcp-go as a server and as a client: the program of bench/peers/kcp, which says what the flags mean."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from kcp_net import Line
from needed import program, without

from netcore.kcp import KcpOptions

__all__ = ["DIFFERENT", "LINES", "TIRELESS", "USUAL", "check", "serving"]

TIRELESS = 10_000
USUAL = KcpOptions(dead_link=TIRELESS)

LINES = {
    "whole": Line(delay=0),
    "overtaken": Line(doubled=0.2, delay=0.001, jitter=0.02),
    "a tenth lost": Line(loss=0.1, doubled=0.05, delay=0.002, jitter=0.005),
    "a third lost": Line(loss=0.3, doubled=0.1, delay=0.002, jitter=0.005),
}

DIFFERENT: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "slow": (
        {"no_delay": False, "interval": 0.04, "fast_resend": 0, "congestion_control": True},
        {"nodelay": 0, "interval": 40, "resend": 0, "nc": 0},
    ),
    "quick against slow": (
        {"no_delay": 2, "interval": 0.001, "fast_resend": 1},
        {"nodelay": 0, "interval": 40, "nc": 0},
    ),
    "narrow": ({"send_window": 3, "receive_window": 2}, {"sndwnd": 2, "rcvwnd": 3}),
    "wide": ({"send_window": 1024, "receive_window": 1024}, {"sndwnd": 1024, "rcvwnd": 1024}),
    "small": ({"mtu": 50}, {"mtu": 50}),
    "small against large": ({"mtu": 60}, {"mtu": 1500}),
    "messages": ({"stream": False}, {"stream": False}),
}
"""Settings of one end and of the other: our options, and flags of the program."""

_REPOSITORY = Path(__file__).resolve().parents[1]
_TIMEOUT = 100


@cache
def _built() -> list[str]:
    program("go")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(_REPOSITORY))
        from bench import foreign
    try:
        return foreign.kcp_go()
    except foreign.BuildError as error:
        without(f"{error}")


def _command(name: str, flags: dict[str, object], address: str) -> list[str]:
    return [*_built(), name, *(f"-{flag}={str(value).lower()}" for flag, value in flags.items()), address]


@contextmanager
def serving(**flags: object) -> Iterator[int]:
    """Runs an echo on a port of 127.0.0.1, whose number it gives."""
    command = _command("serve", flags, "127.0.0.1:0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


def check(server: int, **flags: object) -> None:
    """Has clients send to a port of 127.0.0.1, and asserts that each gets back what it has sent."""
    done = subprocess.run(
        _command("check", flags, f"127.0.0.1:{server}"),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
