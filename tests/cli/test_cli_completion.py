"""``netcore completion``: the scripts, in the shells that they are for."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from needed import program

from netcore.cli.completion.described import describe
from netcore.cli.parser import make_parser
from netcore.cli.settings import run_settings
from netcore.lb import balancer_names
from netcore.poll import poller_names

pty = pytest.importorskip("pty")
pytestmark = [pytest.mark.posix, pytest.mark.once]

Complete = Callable[[str], set[str]]

SHELLS = ("bash", "fish", "zsh")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """The name of each shell that is here."""
    program(request.param)
    return str(request.param)


@pytest.fixture
def script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A shell's script, in a folder with a few files."""
    parsed = make_parser().parse_args(["completion", shell])
    assert parsed.command(parsed) == 0
    path = tmp_path / "script"
    path.write_text(capsys.readouterr().out)
    (tmp_path / "files").mkdir()
    for name in ("key.pem", "key two.pem", "app.toml"):
        (tmp_path / "files" / name).touch()
    return path


BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ nothing_else=yes; }}
_netcore
if [[ -z $nothing_else ]]; then compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"; fi
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# zsh completes in its line editor only: in one of a pseudo terminal, which prints what it would propose.
ZSH = """
zmodload zsh/zpty
zpty editor zsh -f -i
say() {{ zpty -w editor "$1" }}
say 'PS1=; autoload -Uz compinit; compinit -u -D; source {script}'
say 'compadd() {{
    if (( ${{@[(I)-[OAD]]}} )); then builtin compadd "$@"; return; fi
    local -a hits; builtin compadd -O hits "$@"; print -rC1 -- "<"$^hits">"; (( $#hits ))
}}'
say 'complete-and-say() {{ zle complete-word; print -r -- "d"one }}; zle -N complete-and-say'
say 'bindkey "^I" complete-and-say; print -r -- "read"y'
zpty -r editor output '*ready*'
zpty -n -w editor {line}$'\\t'
zpty -r editor output '*done*'
print -r -- $output
"""


@pytest.fixture
def complete(shell: str, script: Path) -> Complete:
    """Completes a line at its end, among the files."""

    def in_bash(line: str) -> set[str]:
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith((" ", "=")) else [])
        code = BASH.format(script=shlex.quote(str(script)), words=" ".join(map(shlex.quote, words)))
        return set(run(["bash", "--norc", "-c", code]).splitlines()) - {""}

    def in_fish(line: str) -> set[str]:
        code = f"source {shlex.quote(str(script))}; complete -C {shlex.quote(line)}"
        found = {each.partition("\t")[0] for each in run(["fish", "--no-config", "-c", code]).splitlines()}
        return {each.rpartition("=")[2] for each in found}

    def in_zsh(line: str) -> set[str]:
        code = ZSH.format(script=script, line=shlex.quote(line))
        return set(re.findall(r"<([^<>]+?)=?>", run(["zsh", "-f", "-c", code])))

    def run(command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=script.parent / "files",
            env={**os.environ, "HOME": str(script.parent), "TERM": "dumb"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stderr == "", done.stderr
        return done.stdout

    return {"bash": in_bash, "fish": in_fish, "zsh": in_zsh}[shell]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("netcore ", {"run", "doctor", "top", "completion"}),
        ("netcore comp", {"completion"}),
        ("netcore completion ", set(SHELLS)),
        ("netcore doctor --pl", {"--platforms"}),
        ("netcore run --pol", {"--poller"}),
        ("netcore run app:Echo tcp://:9000 --poller ", set(poller_names())),
        ("netcore run --poller=", set(poller_names())),
        ("netcore run --poller s", {"select"}),
        ("netcore run --lb ", set(balancer_names())),
        ("netcore run --log-level=w", {"warning"}),
        ("netcore run --config ", {"app.toml", "key.pem", "key two.pem"}),
        ("netcore run --tls-key k", {"key.pem", "key two.pem"}),
        ("netcore run --no-mul", {"--no-multicore"}),
        ("netcore run --idle-timeout ", set()),
    ],
)
def test_what_is_proposed(complete: Complete, line: str, expected: set[str]) -> None:
    found = {each.replace("\\ ", " ") for each in complete(line)}
    names = {name for name in found if name in expected or not name.startswith("-")}
    assert names == expected


def test_all_flags_are_proposed(complete: Complete) -> None:
    assert {setting.flag for setting in run_settings()} | {"--config"} <= complete("netcore run --")


def test_new_commands_come_in_by_themselves() -> None:
    parser = make_parser()
    itself, *commands = describe(parser)
    assert set(itself.words) == {command.name for command in commands}
    assert all(command.help and all(flag.help for flag in command.flags) for command in commands)


def test_a_tab_in_bash(tmp_path: Path) -> None:
    """The script as users have it: by eval, in an interactive shell, and the key pressed."""
    command = f"{shlex.quote(sys.executable)} -m netcore"
    (tmp_path / "rc").write_text(
        f'netcore() {{ {command} "$@"; }}\neval "$(netcore completion bash)"\nPS1="rea""dy"\n'
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(
            "bash",
            ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"],
            {**os.environ, "TERM": "dumb"},
        )
    with open(terminal, "r+b", buffering=0) as screen:

        def see(marker: bytes) -> None:
            seen = b""
            while marker not in seen:
                seen += screen.read(1024)

        see(b"ready")
        screen.write(b"netcore run --pol\tsel\t")
        see(b"netcore run --poller select ")
        screen.write(b"\x15exit\n")
        with contextlib.suppress(OSError):  # EIO is the end
            while screen.read(1024):
                pass
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
