"""Making admin servers, for who looks this module up when he is asked for one."""

from __future__ import annotations

import logging

from netcore.address import Address
from netcore.admin.engine_source import Shown, engine_source
from netcore.admin.server import AdminServer
from netcore.admin.source import Source

__all__ = ["open_admin", "open_overview"]


def open_admin(engine: Shown, address: str | Address, logger: logging.Logger) -> AdminServer:
    """Makes the admin server of an engine, and starts it; see ``AdminServer.start``."""
    return open_overview(engine_source(engine), address, logger)


def open_overview(source: Source, address: str | Address, logger: logging.Logger) -> AdminServer:
    """Makes an admin server that shows what a source says, and starts it; see ``AdminServer.start``."""
    server = AdminServer(address, source, logger)
    server.start()
    return server
