"""The version, the help, and the two ways to call the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_version_is_the_installed_one(netcore_command: Command, installed: str) -> None:
    done = netcore_command("--version")
    assert (done.returncode, done.stdout) == (0, f"netcore {installed}\n")


def test_the_script_is_the_same(netcore_command: Command, script: str) -> None:
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == netcore_command("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["run", "doctor", "top"]),
        (["run", "--help"], ["MODULE:HANDLER", "--loops", "--poller", "--lb", "least-connections", "select"]),
        (["doctor", "--help"], ["exit status"]),
    ],
)
def test_the_help_tells_what_there_is(
    netcore_command: Command, arguments: list[str], words: list[str]
) -> None:
    done = netcore_command(*arguments)
    assert done.returncode == 0
    for word in words:
        assert word in done.stdout
