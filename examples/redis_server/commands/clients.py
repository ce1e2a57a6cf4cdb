"""CLIENT: looking at the connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SYNTAX, CommandError
from ..numeric import parse_integer
from ..table import Group
from ..wire import OK, bulk, integer
from .connections import check_name

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("connection")

_OWN = "noscript loading stale"
_ADMIN = f"admin {_OWN}"
_TYPES = (b"normal", b"master", b"replica", b"slave", b"pubsub")

GROUP.container("client", "Looks at connections.", since="2.4.0")


@GROUP.add("client|id", 2, _OWN, since="5.0.0")
def client_id(session: Session, request: list[bytes]) -> bytes:
    """Returns the connection's number."""
    return integer(session.number)


@GROUP.add("client|setname", 3, _OWN, since="2.6.9", syntax="connection-name")
def client_setname(session: Session, request: list[bytes]) -> bytes:
    """Gives the connection a name."""
    session.name = check_name(request[2], b"Client names")
    return OK


@GROUP.add("client|getname", 2, _OWN, since="2.6.9")
def client_getname(session: Session, request: list[bytes]) -> bytes:
    """Returns the connection's name."""
    return bulk(session.name) if session.name else session.wire.null


@GROUP.add("client|setinfo", 4, _OWN, since="7.2.0", syntax="<LIB-NAME libname | LIB-VER libver>")
def client_setinfo(session: Session, request: list[bytes]) -> bytes:
    """Tells the name or the version of the client's library."""
    attribute = request[2].lower().decode("latin-1")
    if attribute not in session.library:
        raise CommandError(b"ERR Unrecognized option '%b'" % request[2])
    session.library[attribute] = check_name(request[3], attribute.encode())
    return OK


@GROUP.add("client|info", 2, _OWN, since="6.2.0")
def client_info(session: Session, request: list[bytes]) -> bytes:
    """Describes the connection."""
    session.last_command = b"client|info"
    return session.wire.verbatim(_describe(session))


@GROUP.add(
    "client|list",
    -2,
    _ADMIN,
    since="2.4.0",
    syntax="[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
)
def client_list(session: Session, request: list[bytes]) -> bytes:
    """Describes connections."""
    session.last_command = b"client|list"
    sessions = session.server.sessions
    option, values = b"".join(request[2:3]).upper(), request[3:]
    chosen = list(sessions.values())
    if option == b"TYPE" and len(values) == 1:
        if values[0].lower() not in _TYPES:
            raise CommandError(b"ERR Unknown client type '%b'" % values[0])
        if values[0].lower() != b"normal":
            chosen = []
    elif option == b"ID" and values:
        numbers = [parse_integer(value, b"ERR Invalid client ID") for value in values]
        chosen = [sessions[number] for number in numbers if number in sessions]
    elif option:
        raise CommandError(SYNTAX)
    return session.wire.verbatim("".join(map(_describe, chosen)))


@GROUP.add("client|no-evict", 3, _ADMIN, since="7.0.0", syntax="<ON | OFF>")
def client_no_evict(session: Session, request: list[bytes]) -> bytes:
    """Protects the connection from being closed when memory is short, which it never is."""
    return _switch(session, request, "e")


@GROUP.add("client|no-touch", 3, _OWN, since="7.2.0", syntax="<ON | OFF>")
def client_no_touch(session: Session, request: list[bytes]) -> bytes:
    """Lets the connection's commands leave the keys' access times alone, which nobody keeps."""
    return _switch(session, request, "T")


GROUP.add_help("client", since="5.0.0")


def _switch(session: Session, request: list[bytes], flag: str) -> bytes:
    mode = request[2].upper()
    if mode == b"ON":
        session.flags.add(flag)
    elif mode == b"OFF":
        session.flags.discard(flag)
    else:
        raise CommandError(SYNTAX)
    return OK


def _describe(session: Session) -> str:
    """The connection's line in CLIENT LIST, as far as its fields have a meaning here."""
    now = session.server.time
    fields = {
        "id": session.number,
        "addr": session.address,
        "laddr": session.local_address,
        "fd": session.descriptor,
        "name": session.name.decode("ascii"),
        "age": int(now - session.created),
        "idle": int(now - session.active),
        "flags": "".join(sorted(session.flags)) or "N",
        "db": 0,
        "sub": 0,
        "psub": 0,
        "ssub": 0,
        "multi": -1,
        "qbuf": session.buffered,
        "qbuf-free": 0,
        "events": "r",
        "cmd": session.last_command.lower().decode("latin-1"),
        "user": "default",
        "redir": -1,
        "resp": session.wire.version,
        **{name: value.decode("ascii") for name, value in session.library.items()},
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()) + "\n"
