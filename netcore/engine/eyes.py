"""The admin server, for those who want one.

``netcore.admin`` stands on the engine, and needs packages that not everybody has: here it is looked up by its
name, and nowhere else.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Protocol, cast

from netcore._extras import missing
from netcore.address import Address
from netcore.errors import OptionsError
from netcore.options import Options

__all__ = ["Eyes", "check_admin", "open_eyes", "open_overview"]

_MODULE = "netcore.admin.hosting"


class Eyes(Protocol):
    """An admin server."""

    address: Address

    def close(self) -> None:
        """Ends it, and removes what it has left in the file system."""

    def abandon(self) -> None:
        """Closes its copies of descriptors in a forked child."""


class _Hosting(Protocol):
    """What is asked of that module."""

    def open_admin(self, engine: object, address: str | Address, logger: logging.Logger) -> Eyes:
        """Binds, and shows the engine from then on."""

    def open_overview(self, source: object, address: str | Address, logger: logging.Logger) -> Eyes:
        """Binds, and shows from then on what a ``netcore.admin.Source`` says."""


def _hosting() -> _Hosting:
    return cast("_Hosting", import_module(_MODULE))


def check_admin(options: Options) -> None:
    """Raises OptionsError if there is to be an admin server and what it is made of is not installed."""
    if options.admin:
        try:
            _hosting()
        except ImportError as error:
            raise OptionsError(missing("option admin", error, "admin"), option="admin") from None


def open_eyes(engine: object, options: Options, logger: logging.Logger) -> Eyes | None:
    """Opens the admin server that the options ask for; None if they ask for none.

    Raises:
        OSError: Its address cannot be bound.
        UnsupportedProtocolError: This platform cannot serve it.
        RuntimeError: The system has no thread left.
    """
    return _hosting().open_admin(engine, options.admin, logger) if options.admin else None


def open_overview(source: object, address: str | Address, logger: logging.Logger) -> Eyes:
    """Opens an admin server that shows more than one engine.

    Args:
        source: A ``netcore.admin.Source``.
        address: Where.
        logger: Where it is said what goes wrong.

    Raises:
        OSError: Its address cannot be bound.
        UnsupportedProtocolError: This platform cannot serve it.
        RuntimeError: The system has no thread left.
    """
    return _hosting().open_overview(source, address, logger)
