"""kcp-go as a server and as a client: the program of bench/peers/kcp, which says what the flags mean."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from needed import program, without

__all__ = ["check", "serving"]

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
