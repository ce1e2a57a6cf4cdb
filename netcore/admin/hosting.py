"""The admin server of an engine, which looks this module up when it is asked for one."""

from __future__ import annotations

import logging

from netcore.address import Address
from netcore.admin.engine_source import Shown, engine_source
from netcore.admin.server import AdminServer

__all__ = ["open_admin"]


def open_admin(engine: Shown, address: str | Address, logger: logging.Logger) -> AdminServer:
    """Makes the admin server of an engine, and starts it; see ``AdminServer.start``."""
    server = AdminServer(address, engine_source(engine), logger)
    server.start()
    return server
