"""The arguments of ``netcore run``, made of its settings."""

from __future__ import annotations

import argparse

from netcore.cli.arguments import Parser, SwitchAction, reader
from netcore.cli.kinds import Names, Switch
from netcore.cli.serve import serve
from netcore.cli.setting import GROUPS, Setting, flag_of
from netcore.cli.settings import ADDRESSES, CONFIG, HANDLER, run_settings

__all__ = ["add_run"]

_DESCRIPTION = (
    "Serves a handler until SIGINT or SIGTERM; a second signal resets what is left. Every flag has a "
    "variable in the environment, which holds where the flag is not given, and a key in the file of "
    "--config, which holds where neither is: NETCORE_IDLE_TIMEOUT and idle_timeout for --idle-timeout. "
    "Variables that are lists have commas in between. The names that Options has for all that are "
    "understood, too."
)

_ADDRESS_ELSEWHERE = ("--bind", "--fd", "--host", "--listen", "--port", "--uds")

_ADDRESS_HERE = ": where to listen is an argument, such as tcp://127.0.0.1:9000"


def add_run(parser: Parser) -> None:
    """Adds the arguments."""
    parser.description = _DESCRIPTION
    parser.usage = "netcore run [FLAG ...] MODULE:HANDLER ADDRESS ..."
    parser.set_defaults(command=serve)
    parser.take_rest = _take_words
    parser.hints = dict.fromkeys(_ADDRESS_ELSEWHERE, _ADDRESS_HERE)
    for setting, nargs, default in ((HANDLER, "?", None), (ADDRESSES, "*", ())):
        about = _help(setting)
        parser.add_argument(
            setting.name, metavar=setting.kind.metavar, nargs=nargs, default=default, help=about
        )
    _add_flag(parser, parser, CONFIG)
    groups = {title: parser.add_argument_group(title) for title in GROUPS}
    for setting in run_settings():
        _add_flag(parser, groups[setting.group], setting)


def _add_flag(parser: Parser, group: argparse._ActionsContainer, setting: Setting) -> None:
    parser.words[setting.name] = setting.kind.words
    about = _help(setting)
    for name in setting.names:
        if isinstance(setting.kind, Switch):
            group.add_argument(
                flag_of(name), action=SwitchAction, dest=setting.name, default=argparse.SUPPRESS, help=about
            )
        else:
            group.add_argument(
                flag_of(name),
                action="extend" if isinstance(setting.kind, Names) else "store",
                type=reader(setting.kind),
                dest=setting.name,
                default=argparse.SUPPRESS,
                metavar=setting.kind.metavar,
                help=about,
            )
        about = argparse.SUPPRESS


def _take_words(parsed: argparse.Namespace, words: list[str]) -> None:
    """Tells the handler, which may be said elsewhere, from addresses, which may also stand behind flags."""
    named = vars(parsed)
    handler, addresses = named.pop(HANDLER.name), named.pop(ADDRESSES.name)
    positional = [*([handler] if handler else []), *addresses, *words]
    if positional and "://" not in positional[0]:
        named[HANDLER.name] = positional.pop(0)
    if positional:
        named[ADDRESSES.name] = tuple(positional)


def _help(setting: Setting) -> str:
    """Writes what a setting does, what it is by itself, and its variable."""
    default = "on" if setting.default is True else setting.default
    if default and "(default: " not in setting.help:
        plain = int(default) if isinstance(default, float) and default.is_integer() else default
        return f"{setting.help} (default: {plain}) [{setting.variable}]".replace("%", "%%")
    return f"{setting.help} [{setting.variable}]".replace("%", "%%")
