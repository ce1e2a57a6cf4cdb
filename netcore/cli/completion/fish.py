"""Completion in fish: complete(1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netcore.cli.completion.described import Command, Flag

__all__ = ["write_fish"]


def write_fish(commands: Sequence[Command]) -> str:
    """Writes the script."""
    return "\n".join(_lines(commands)) + "\n"


def _lines(commands: Sequence[Command]) -> Iterator[str]:
    yield "# Completion of netcore for fish: save it as ~/.config/fish/completions/netcore.fish"
    yield "complete -c netcore -f"
    for command in commands:
        if command.name:
            yield f"complete -c netcore -n __fish_use_subcommand -a {command.name} -d {_quote(command.help)}"
        where = f"'__fish_seen_subcommand_from {command.name}'" if command.name else "__fish_use_subcommand"
        if command.name and command.words:
            yield f"complete -c netcore -n {where} -a {_quote(' '.join(command.words))}"
        for flag in command.flags:
            yield f"complete -c netcore -n {where} {_flag(flag)} -d {_quote(flag.help)}"


def _flag(flag: Flag) -> str:
    text = f"-l {flag.name.removeprefix('--')}"
    if not flag.metavar:
        return text
    if flag.is_file:
        return f"{text} -r -F"
    return f"{text} -x" + (f" -a {_quote(' '.join(flag.words))}" if flag.words else "")


def _quote(text: str) -> str:
    """Quotes as fish does: in single quotes a backslash stands before a backslash and a quote."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
