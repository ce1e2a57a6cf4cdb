"""Completion in bash, from 3.2 on: complete -F, see "Programmable Completion" in bash(1)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from netcore.cli.completion.described import Command

__all__ = ["write_bash"]

_HEAD = """\
# Completion of netcore for bash. In ~/.bashrc: eval "$(netcore completion bash)"
_netcore() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= word
    COMPREPLY=()
    # To bash, --flag=value is three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            %s) command=$word; break ;;
        esac
    done
"""

# With "-o default" nothing is completed as a file's name. compopt, which came with bash 4, has nothing stay
# nothing; before that all that is not said here is a file's name, too.
_TAIL = """\
    compopt +o default 2>/dev/null || :
}
complete -o default -F _netcore netcore
"""


def write_bash(commands: Sequence[Command]) -> str:
    """Writes the script."""
    names = "|".join(command.name for command in commands if command.name)
    return _HEAD % names + "".join(f"    {line}\n" for line in _body(commands)) + _TAIL


def _body(commands: Sequence[Command]) -> Iterator[str]:
    yield "case $command,$previous in"
    for command in commands:
        files = [f"{command.name},{flag.name}" for flag in command.flags if flag.is_file]
        if files:
            yield f"    {'|'.join(files)}) return ;;"
        for flag in command.flags:
            if flag.words:
                yield f"    {command.name},{flag.name})"
                yield f"        {_reply(flag.words)}"
                yield _NO_FILES
        others = [
            f"{command.name},{flag.name}"
            for flag in command.flags
            if flag.metavar and not flag.words and not flag.is_file
        ]
        if others:
            yield f"    {'|'.join(others)}) compopt +o default 2>/dev/null || :; return ;;"
    yield "esac"
    yield "case $command,$current in"
    for command in commands:
        yield f"    {command.name},-*) {_reply([flag.name for flag in command.flags])} ;;"
        if command.words:
            yield f"    {command.name},*) {_reply(command.words)} ;;"
    yield "esac"


_NO_FILES = "        compopt +o default 2>/dev/null || :; return ;;"


def _reply(words: Sequence[str]) -> str:
    return f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(words))} -- "$current"))'
