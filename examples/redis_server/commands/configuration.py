"""CONFIG: the server's parameters and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import wrong_arity
from ..table import Group
from ..wire import OK

if TYPE_CHECKING:
    from ..session import Session

GROUP = Group("server", "")

_ADMIN = "admin noscript loading stale"

GROUP.container("config", "Reads and changes the server's parameters.", since="2.0.0")


@GROUP.add("config|get", -3, _ADMIN, since="2.0.0", syntax="parameter [parameter ...]")
def config_get(session: Session, request: list[bytes]) -> bytes:
    """Returns the parameters that match any of the patterns, and their values."""
    return session.wire.map_of(session.server.config.matching(request[2:]))


@GROUP.add("config|set", -4, _ADMIN, since="2.0.0", syntax="parameter value [parameter value ...]")
def config_set(session: Session, request: list[bytes]) -> bytes:
    """Changes parameters, all of them or none."""
    if len(request) % 2:
        raise wrong_arity("config|set")
    session.server.config.update(list(zip(request[2::2], request[3::2], strict=True)))
    return OK


@GROUP.add("config|resetstat", 2, _ADMIN, since="2.0.0")
def config_resetstat(session: Session, request: list[bytes]) -> bytes:
    """Sets the statistics to zero."""
    session.server.reset_statistics()
    return OK


GROUP.add_help("config", since="5.0.0")
