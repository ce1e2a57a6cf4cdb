"""How commands are described and found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import CommandError, Disconnect, wrong_arity
from .wire import array, status

if TYPE_CHECKING:
    from .session import Session

# Gets the whole request, the command's name first, and returns the encoded reply.
Handler = Callable[["Session", list[bytes]], bytes]
KeyRange = tuple[int, int, int]

# Where a command's arguments are keys: first, last (negative: from the end), and the step between them.
NO_KEYS = (0, 0, 0)
ONE_KEY = (1, 1, 1)
TWO_KEYS = (1, 2, 1)
ALL_KEYS = (1, -1, 1)

_MAX_QUOTED = 128
_MAX_DISPATCHED = 1024
_HTTP = (b"post", b"host:")


@dataclass(frozen=True, slots=True)
class Command:
    """What there is to know about a command.

    Attributes:
        name: in lower case; a subcommand's is ``container|name``.
        arity: how many arguments, the name included; negative: at least so many.
        flags: as COMMAND INFO gives them.
        keys: which arguments are keys.
        categories: the classes of commands that access control lists know.
        group: what the documentation lists it under.
        since: the version of Redis that introduced it.
        syntax: its arguments, in the notation of Redis' documentation.
        summary: one sentence.
        run: executes it; None if it has nothing but subcommands.
        subcommands: by name in lower case.
    """

    name: str
    arity: int
    flags: tuple[str, ...]
    keys: KeyRange
    categories: tuple[str, ...]
    group: str
    since: str
    syntax: str
    summary: str
    run: Handler | None
    subcommands: dict[bytes, Command] = field(default_factory=dict)

    def accepts(self, count: int) -> bool:
        """Whether a request of so many words fits the arity."""
        return count == self.arity if self.arity > 0 else count >= -self.arity


class Group:
    """Collects the commands of one module.

    Args:
        name: the group in the documentation.
        category: the group's category, if it is not called like the group.
    """

    def __init__(self, name: str, category: str | None = None) -> None:
        self.name = name
        self.category = name if category is None else category
        self.commands: list[Command] = []

    def add(
        self,
        name: str,
        arity: int,
        flags: str = "",
        *,
        since: str,
        keys: KeyRange = NO_KEYS,
        syntax: str = "",
        category: str | None = None,
        dangerous: bool = False,
    ) -> Callable[[Handler], Handler]:
        """A decorator that makes a function a command; the docstring's first line is its summary.

        ``category`` and ``dangerous`` are for commands that are not in the category of their group, or
        in "dangerous" without being for administrators.
        """

        def register(handler: Handler) -> Handler:
            words = tuple(flags.split())
            classes = _categories(words, self.category if category is None else category, dangerous)
            summary = (handler.__doc__ or "").partition("\n")[0]
            self._place(
                Command(name, arity, words, keys, classes, self.name, since, syntax, summary, handler)
            )
            return handler

        return register

    def container(self, name: str, summary: str, *, since: str) -> None:
        """Declare a command that is nothing without one of its subcommands, which are added after it."""
        classes = _categories((), "", dangerous=False)
        self._place(Command(name, -2, (), NO_KEYS, classes, self.name, since, "", summary, None))

    def add_help(self, name: str, *, since: str) -> None:
        """Add the subcommand that lists the subcommands."""
        children = self._find(name).subcommands

        @self.add(f"{name}|help", 2, "loading stale", since=since)
        def show_help(session: Session, request: list[bytes]) -> bytes:
            """Prints this help."""
            lines = [f"{name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
            for child in children.values():
                own_name = child.name.partition("|")[2].upper()
                lines += [f"{own_name} {child.syntax}".rstrip(), f"    {child.summary}"]
            return array([status(line) for line in lines])

    def _find(self, name: str) -> Command:
        return next(command for command in self.commands if command.name == name)

    def _place(self, command: Command) -> None:
        container, _, child = command.name.partition("|")
        if child:
            self._find(container).subcommands[child.encode()] = command
        else:
            self.commands.append(command)


def _categories(flags: tuple[str, ...], group: str, dangerous: bool) -> tuple[str, ...]:
    admin = "admin" in flags
    members = (
        ("keyspace", group == "keyspace"),
        ("read", "readonly" in flags),
        ("write", "write" in flags),
        (group, group not in ("", "keyspace", "connection")),
        ("admin", admin),
        ("fast", "fast" in flags),
        ("slow", "fast" not in flags),
        ("dangerous", dangerous or admin),
        ("connection", group == "connection"),
    )
    return tuple(name for name, member in members if member)


class CommandTable:
    """All commands.

    Attributes:
        dispatch: for each number of words in a request, the handlers of the commands that take so many, by
            their names in capitals and in small letters. Two lookups with what has been received find what
            nearly every request asks for, and have checked its arity.
    """

    def __init__(self, *groups: Group) -> None:
        self._commands = {command.name.encode(): command for group in groups for command in group.commands}
        longest = max(abs(command.arity) for command in self) + 1
        by_count = [self._accepting(count) for count in range(longest + 1)]
        # From there on the commands are the same ones for every number.
        self.dispatch = by_count + by_count[-1:] * (_MAX_DISPATCHED - len(by_count))

    def _accepting(self, count: int) -> dict[bytes, Handler]:
        """The handlers of the commands that take so many words and have no subcommands."""
        return {
            spelled: command.run
            for name, command in self._commands.items()
            for spelled in (name, name.upper())
            if command.run is not None and not command.subcommands and command.accepts(count)
        }

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __len__(self) -> int:
        return len(self._commands)

    def get(self, name: bytes) -> Command | None:
        """The command of this name, in any case; a subcommand's is ``container|name``."""
        container, _, child = name.lower().partition(b"|")
        command = self._commands.get(container)
        return command.subcommands.get(child) if command is not None and child else command

    def resolve(self, request: list[bytes]) -> Handler:
        """The handler for a request.

        Raises:
            CommandError: there is no such command or subcommand, or the number of words is wrong.
            Disconnect: this is a browser, tricked into sending commands in what it posts to us.
        """
        name = request[0].lower()
        command = self._commands.get(name)
        if command is None:
            if name in _HTTP:
                raise Disconnect(b"")
            raise _unknown(request)
        if command.subcommands and len(request) > 1:
            child = command.subcommands.get(request[1].lower())
            if child is None:
                raise CommandError(
                    b"ERR unknown subcommand '%b'. Try %b HELP."
                    % (request[1][:_MAX_QUOTED], command.name.upper().encode())
                )
            command = child
        if command.run is None or not command.accepts(len(request)):
            raise wrong_arity(command.name)
        return command.run


def _unknown(request: list[bytes]) -> CommandError:
    """The error that quotes the request, but not all of it if it is long."""
    quoted = b""
    for argument in request[1:]:
        if len(quoted) >= _MAX_QUOTED:
            break
        quoted += b"'%b' " % argument[: _MAX_QUOTED - len(quoted)]
    name = request[0][:_MAX_QUOTED]
    return CommandError(b"ERR unknown command '%b', with args beginning with: %b" % (name, quoted))
