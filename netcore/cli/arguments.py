"""What the parsers of all commands have in common: a mistake is one line, and each switch two flags."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from netcore._guessing import did_you_mean
from netcore.cli.kinds import Kind
from netcore.cli.output import say

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["Parser", "SwitchAction", "reader"]


class Parser(argparse.ArgumentParser):
    """Answers a wrong argument with one line instead of the usage and a line.

    Flags are not to be abbreviated: what is short for one today is short for two when there is another.

    Attributes:
        hints: What to say of flags that there are not, and that others have; goes on after the flag.
        words: For completion: what the values of an argument may be, by the argument's ``dest``.
        take_rest: Takes the words for which argparse has no place, as those behind flags; None to refuse
            them.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **options)  # type: ignore[arg-type]
        self.hints: dict[str, str] = {}
        self.words: dict[str, tuple[str, ...]] = {}
        self.take_rest: Callable[[argparse.Namespace, list[str]], None] | None = None

    def parse_known_args(  # type: ignore[override]  # of all namespaces there may be, it is argparse's here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """See ``ArgumentParser``; also what argparse calls for the arguments of a command.

        Nothing is left over then: argparse would blame the program for what a command does not know.
        """
        parsed, left = super().parse_known_args(args, namespace)
        for word in left:
            if word.startswith("-") and word != "-":
                flag = word.partition("=")[0]
                known = self._option_string_actions
                self.error(f"there is no flag {flag}{self.hints.get(flag) or did_you_mean(flag, known)}")
        if self.take_rest is not None:
            self.take_rest(parsed, left)
        elif left:
            self.error(f"unexpected argument {left[0]!r}")
        return parsed, []

    def error(self, message: str) -> NoReturn:
        """Ends the process with status 2 and a line."""
        self.exit(2, f"netcore: {message} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:  # argparse itself would not tell that nobody reads it
            say(message, end="")
        else:
            with suppress(OSError):  # the status tells, too; argparse does this itself from Python 3.11 on
                super()._print_message(message, file)


class SwitchAction(argparse.Action):
    """A flag that switches something on, with another one that switches it off."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: object) -> None:
        flags = [*option_strings, *(f"--no-{flag.removeprefix('--')}" for flag in option_strings)]
        super().__init__(flags, dest, nargs=0, **options)  # type: ignore[arg-type]

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Notes which of the two it was."""
        setattr(namespace, self.dest, not str(option_string).startswith("--no-"))


class _Formatter(argparse.HelpFormatter):
    """Shows a switch's two flags as one, and never half a flag at the end of a line."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, SwitchAction):
            return action.option_strings[0].replace("--", "--[no-]", 1)
        return super()._format_action_invocation(action)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def reader(kind: Kind) -> Callable[[str], object]:
    """Makes an argparse type of a kind of value."""

    def read(text: str) -> object:
        try:
            return kind.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
