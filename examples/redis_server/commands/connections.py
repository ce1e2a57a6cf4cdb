"""What a client says about its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DB_OUT_OF_RANGE, SYNTAX, CommandError, Disconnect, wrong_arity
from ..identity import COMPATIBLE_WITH
from ..numeric import parse_integer, parse_within
from ..table import Group
from ..wire import EMPTY_ARRAY, OK, RESP2, RESP3, bulk, integer

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("connection")

_ALWAYS = "noscript loading stale fast no_auth allow_busy"
_PONG = b"+PONG\r\n"
_USER = b"default"
_INT_MAX = (1 << 31) - 1
_NAME_BYTES = frozenset(range(ord("!"), ord("~") + 1))


@GROUP.add("ping", -1, "fast", since="1.0.0", syntax="[message]")
def ping(session: Session, request: list[bytes]) -> bytes:
    """Returns PONG, or the message."""
    if len(request) == 1:
        return _PONG
    if len(request) > 2:
        raise wrong_arity("ping")
    return bulk(request[1])


@GROUP.add("echo", 2, "loading stale fast", since="1.0.0", syntax="message")
def echo(session: Session, request: list[bytes]) -> bytes:
    """Returns the message."""
    return bulk(request[1])


@GROUP.add("select", 2, "loading stale fast", since="1.0.0", syntax="index")
def select(session: Session, request: list[bytes]) -> bytes:
    """Chooses the database; there is only number 0."""
    if parse_within(request[1], -_INT_MAX - 1, _INT_MAX) != 0:
        raise CommandError(DB_OUT_OF_RANGE)
    return OK


@GROUP.add("auth", -2, _ALWAYS, since="1.0.0", syntax="[username] password")
def auth(session: Session, request: list[bytes]) -> bytes:
    """Logs in; the only user is "default", who needs no password."""
    if len(request) > 3:
        raise CommandError(SYNTAX)
    if len(request) == 2:
        raise CommandError(
            b"ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?"
        )
    _log_in(request[1])
    return OK


@GROUP.add(
    "hello",
    -1,
    _ALWAYS,
    since="6.0.0",
    syntax="[protover [AUTH username password] [SETNAME clientname]]",
)
def hello(session: Session, request: list[bytes]) -> bytes:
    """Chooses the version of the protocol and tells about the server."""
    wire = session.wire
    if len(request) > 1:
        if request[1] not in (b"2", b"3"):
            parse_integer(request[1], b"ERR Protocol version is not an integer or out of range")
            raise CommandError(b"NOPROTO unsupported protocol version")
        wire = RESP3 if request[1] == b"3" else RESP2
    user, name = _hello_options(request[2:])
    if user is not None:
        _log_in(user)
    if name is not None:
        session.name = check_name(name, b"Client names")
    session.wire = wire
    return wire.mapping(
        [
            ("server", bulk(b"redis")),
            ("version", bulk(COMPATIBLE_WITH.encode())),
            ("proto", integer(wire.version)),
            ("id", integer(session.number)),
            ("mode", bulk(b"standalone")),
            ("role", bulk(b"master")),
            ("modules", EMPTY_ARRAY),
        ]
    )


@GROUP.add("quit", -1, _ALWAYS, since="1.0.0")
def quit_(session: Session, request: list[bytes]) -> bytes:
    """Closes the connection."""
    raise Disconnect(OK)


@GROUP.add("reset", 1, _ALWAYS, since="6.2.0")
def reset(session: Session, request: list[bytes]) -> bytes:
    """Brings the connection into the state it started in."""
    session.reset()
    return b"+RESET\r\n"


def check_name(name: bytes, what: bytes) -> bytes:
    """Return a name that can be shown in a list; CommandError for one that cannot."""
    if not _NAME_BYTES.issuperset(name):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % what)
    return name


def _log_in(user: bytes) -> None:
    if user != _USER:
        raise CommandError(b"WRONGPASS invalid username-password pair or user is disabled.")


def _hello_options(words: list[bytes]) -> tuple[bytes | None, bytes | None]:
    """The user and the name of the connection."""
    user = name = None
    while words:
        option = words[0].upper()
        if option == b"AUTH" and len(words) > 2:
            user, words = words[1], words[3:]
        elif option == b"SETNAME" and len(words) > 1:
            name, words = words[1], words[2:]
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % words[0])
    return user, name
