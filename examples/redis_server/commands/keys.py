"""What can be done to a key whatever its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..encoding import encoding_of
from ..errors import DB_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX, CommandError
from ..glob import compile_glob
from ..numeric import parse_integer
from ..table import ALL_KEYS, ONE_KEY, TWO_KEYS, Group
from ..values import copy_of, type_name
from ..wire import OK, ONE, ZERO, bulk, bulks, integer, status

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("generic", "keyspace")
SERVER_GROUP = Group("server", "keyspace")

_ARGUMENT_KEY = (2, 2, 1)


@GROUP.add("unlink", -2, "write fast", keys=ALL_KEYS, since="4.0.0", syntax="key [key ...]")
@GROUP.add("del", -2, "write", keys=ALL_KEYS, since="1.0.0", syntax="key [key ...]")
def delete(session: Session, request: list[bytes]) -> bytes:
    """Deletes keys."""
    return integer(sum(map(session.keyspace.remove, request[1:])))


@GROUP.add("touch", -2, "readonly fast", keys=ALL_KEYS, since="3.2.1", syntax="key [key ...]")
@GROUP.add("exists", -2, "readonly fast", keys=ALL_KEYS, since="1.0.0", syntax="key [key ...]")
def exists(session: Session, request: list[bytes]) -> bytes:
    """Counts how many of the keys exist."""
    return integer(sum(session.keyspace.lookup(key) is not None for key in request[1:]))


@GROUP.add("type", 2, "readonly fast", keys=ONE_KEY, since="1.0.0", syntax="key")
def type_(session: Session, request: list[bytes]) -> bytes:
    """Returns the type of a key's value."""
    return status(type_name(session.keyspace.lookup(request[1])))


@GROUP.add("keys", 2, "readonly", since="1.0.0", syntax="pattern", dangerous=True)
def keys(session: Session, request: list[bytes]) -> bytes:
    """Returns all keys that match a pattern."""
    match = compile_glob(request[1]).match
    peek = session.keyspace.peek
    found = [key for key in list(session.keyspace.values) if match(key)]
    return bulks([key for key in found if peek(key) is not None])


@GROUP.add("rename", 3, "write", keys=TWO_KEYS, since="1.0.0", syntax="key newkey")
def rename(session: Session, request: list[bytes]) -> bytes:
    """Gives a key another name."""
    _rename(session, request[1], request[2], replace=True)
    return OK


@GROUP.add("renamenx", 3, "write fast", keys=TWO_KEYS, since="1.0.0", syntax="key newkey")
def renamenx(session: Session, request: list[bytes]) -> bytes:
    """Gives a key another name, provided that there is no such key yet."""
    return ONE if _rename(session, request[1], request[2], replace=False) else ZERO


@GROUP.add("randomkey", 1, "readonly", since="1.0.0")
def randomkey(session: Session, request: list[bytes]) -> bytes:
    """Returns a key at random."""
    keyspace = session.keyspace
    while keyspace.values:
        key = keyspace.values.random_key()
        if keyspace.peek(key) is not None:
            return bulk(key)
    return session.wire.null


@GROUP.add(
    "copy",
    -3,
    "write denyoom",
    keys=TWO_KEYS,
    since="6.2.0",
    syntax="source destination [DB destination-db] [REPLACE]",
)
def copy(session: Session, request: list[bytes]) -> bytes:
    """Copies the value of a key to another key."""
    keyspace = session.keyspace
    _, source, destination, *words = request
    replace = False
    rest = iter(words)
    for word in rest:
        option = word.upper()
        if option == b"REPLACE":
            replace = True
        elif option == b"DB" and (number := next(rest, None)) is not None:
            if parse_integer(number) != 0:
                raise CommandError(DB_OUT_OF_RANGE)
        else:
            raise CommandError(SYNTAX)
    if source == destination:
        raise CommandError(b"ERR source and destination objects are the same")
    value = keyspace.lookup(source)
    if value is None or (not replace and keyspace.peek(destination) is not None):
        return ZERO
    deadline = keyspace.deadlines.get(source)
    keyspace.put(destination, copy_of(value))
    if deadline is not None:
        keyspace.set_deadline(destination, deadline)
    return ONE


GROUP.container("object", "Looks at how values are stored.", since="2.2.3")


@GROUP.add("object|encoding", 3, "readonly", keys=_ARGUMENT_KEY, since="2.2.3", syntax="key")
def object_encoding(session: Session, request: list[bytes]) -> bytes:
    """Returns the name of the representation that Redis would have chosen for a value."""
    value = session.keyspace.peek(request[2])
    if value is None:
        return session.wire.null
    return bulk(encoding_of(value, session.server.config).encode())


GROUP.add_help("object", since="6.2.0")


@SERVER_GROUP.add("dbsize", 1, "readonly fast", since="1.0.0")
def dbsize(session: Session, request: list[bytes]) -> bytes:
    """Counts the keys."""
    return integer(len(session.keyspace.values))


@SERVER_GROUP.add("flushdb", -1, "write", since="1.0.0", syntax="[ASYNC | SYNC]", dangerous=True)
@SERVER_GROUP.add("flushall", -1, "write", since="1.0.0", syntax="[ASYNC | SYNC]", dangerous=True)
def flush(session: Session, request: list[bytes]) -> bytes:
    """Deletes all keys."""
    if len(request) > 2 or (len(request) == 2 and request[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(SYNTAX)
    session.keyspace.clear()
    return OK


def _rename(session: Session, old: bytes, new: bytes, replace: bool) -> bool:
    """Move a value and its deadline; False if the new name is taken and not to be replaced."""
    keyspace = session.keyspace
    value = keyspace.peek(old)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if not replace and keyspace.peek(new) is not None:
        return False
    if old != new:
        deadline = keyspace.deadlines.get(old)
        keyspace.remove(old)
        keyspace.put(new, value)
        if deadline is not None:
            keyspace.set_deadline(new, deadline)
    return True
