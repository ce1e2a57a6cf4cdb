"""Completion in zsh: _arguments, see zshcompsys(1)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from netcore.cli.completion.described import Command, Flag

__all__ = ["write_zsh"]

_SCRIPT = """\
#compdef netcore
# Completion of netcore for zsh: put this in a folder of $fpath as _netcore, or in ~/.zshrc, after compinit:
# eval "$(netcore completion zsh)"
_netcore() {
    local curcontext=$curcontext state line
    local -a commands
    commands=(
%(commands)s
    )
    _arguments -C \\
%(own)s
        '1:command:->command' \\
        '*::argument:->argument'
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
%(cases)s
            esac ;;
    esac
}
if [[ $funcstack[1] == _netcore ]]; then
    _netcore "$@"
else
    compdef _netcore netcore
fi
"""


def write_zsh(commands: Sequence[Command]) -> str:
    """Writes the script."""
    itself, *others = commands
    return _SCRIPT % {
        "commands": "\n".join(
            f"        {shlex.quote(f'{each.name}:{_plain(each.help)}')}" for each in others
        ),
        "own": "\n".join(f"        {_flag(flag)} \\" for flag in itself.flags),
        "cases": "\n".join(_case(each) for each in others),
    }


def _case(command: Command) -> str:
    specifications = [_flag(flag) for flag in command.flags]
    words = f"({' '.join(command.words)})" if command.words else " "
    specifications.append(shlex.quote(f"*:argument:{words}"))
    listed = " \\\n".join(f"                        {each}" for each in specifications)
    return f"                {command.name})\n                    _arguments \\\n{listed} ;;"


def _flag(flag: Flag) -> str:
    """Writes what _arguments takes: ``*--flag=[help]:message:action``; every flag may come again."""
    text = f"*{flag.name}{'=' if flag.metavar else ''}[{_plain(flag.help)}]"
    if flag.metavar:
        action = "_files" if flag.is_file else f"({' '.join(flag.words)})" if flag.words else " "
        text += f":{_plain(flag.metavar)}:{action}"
    return shlex.quote(text)


def _plain(text: str) -> str:
    r"""Has a backslash before what would end a part of a specification."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text)
