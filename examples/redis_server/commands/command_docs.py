"""COMMAND: the server's commands, described for clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..glob import compile_glob
from ..table import Command, Group
from ..wire import Wire, array, bulk, bulks, integer, status

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("server", "connection")

_FLAGS = "loading stale"
_OPENING, _CLOSING = "[<", "]>"


@GROUP.add("command", -1, _FLAGS, since="2.8.13")
def command(session: Session, request: list[bytes]) -> bytes:
    """Describes all commands, for programs."""
    return array([_facts(each, session.wire) for each in session.server.table])


@GROUP.add("command|count", 2, _FLAGS, since="2.8.13")
def command_count(session: Session, request: list[bytes]) -> bytes:
    """Counts the commands."""
    return integer(len(session.server.table))


@GROUP.add("command|info", -2, _FLAGS, since="2.8.13", syntax="[command-name [command-name ...]]")
def command_info(session: Session, request: list[bytes]) -> bytes:
    """Describes commands, for programs."""
    table, wire = session.server.table, session.wire
    if len(request) == 2:
        return command(session, request)
    found = map(table.get, request[2:])
    return array([wire.null if each is None else _facts(each, wire) for each in found])


@GROUP.add("command|docs", -2, _FLAGS, since="7.0.0", syntax="[command-name [command-name ...]]")
def command_docs(session: Session, request: list[bytes]) -> bytes:
    """Describes commands, for people."""
    table, wire = session.server.table, session.wire
    found = map(table.get, request[2:]) if len(request) > 2 else table
    return wire.mapping([(each.name, _docs(each, wire)) for each in found if each is not None])


@GROUP.add(
    "command|list",
    -2,
    _FLAGS,
    since="7.0.0",
    syntax="[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
)
def command_list(session: Session, request: list[bytes]) -> bytes:
    """Returns the names of commands."""
    everything = [each for parent in session.server.table for each in (parent, *parent.subcommands.values())]
    wanted = _filter(request[2:])
    return bulks(each.name.encode() for each in everything if wanted(each))


GROUP.add_help("command", since="5.0.0")


def _filter(words: list[bytes]) -> Callable[[Command], bool]:
    """Translate COMMAND LIST's filter."""
    if not words:
        return lambda each: True
    if len(words) != 3 or words[0].upper() != b"FILTERBY":
        raise CommandError(SYNTAX)
    kind, value = words[1].upper(), words[2]
    if kind == b"MODULE":
        return lambda each: False
    if kind == b"ACLCAT":
        return lambda each: value.lower().decode("latin-1") in each.categories
    if kind == b"PATTERN":
        match = compile_glob(value, ignore_case=True).match
        return lambda each: match(each.name.encode()) is not None
    raise CommandError(SYNTAX)


def _facts(each: Command, wire: Wire) -> bytes:
    """A command's entry in COMMAND INFO. Hints and key specifications are for clusters, and left empty."""
    children = [_facts(child, wire) for child in each.subcommands.values()]
    nothing = wire.set_array(())
    return array(
        [
            bulk(each.name.encode()),
            integer(each.arity),
            wire.set_array([status(flag) for flag in each.flags]),
            *map(integer, each.keys),
            wire.set_array([status(f"@{category}") for category in each.categories]),
            nothing,
            nothing,
            array(children) if children else nothing,
        ]
    )


def _docs(each: Command, wire: Wire) -> bytes:
    """A command's entry in COMMAND DOCS."""
    entry = [
        ("summary", bulk(each.summary.encode())),
        ("since", bulk(each.since.encode())),
        ("group", bulk(each.group.encode())),
    ]
    if each.syntax:
        entry.append(("arguments", array([_argument(part, wire) for part in _split(each.syntax)])))
    if each.subcommands:
        children = [(child.name, _docs(child, wire)) for child in each.subcommands.values()]
        entry.append(("subcommands", wire.mapping(children)))
    return wire.mapping(entry)


def _argument(part: str, wire: Wire) -> bytes:
    """An argument, or a bracketed group of them, which is described as a whole."""
    entry = [("name", bulk(part.strip("[]").encode())), ("type", bulk(b"string"))]
    if part.startswith("["):
        entry.append(("flags", wire.set_array([status("optional")])))
    return wire.mapping(entry)


def _split(syntax: str) -> list[str]:
    """Split at the spaces outside of all brackets."""
    parts, depth = [""], 0
    for letter in syntax:
        if letter == " " and not depth:
            parts.append("")
            continue
        depth += (letter in _OPENING) - (letter in _CLOSING)
        parts[-1] += letter
    return parts
