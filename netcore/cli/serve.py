"""``netcore run``: serves a handler that is named, in this process or by processes under a supervisor."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from netcore.address import Address
from netcore.cli.configuration import Configuration, all_settings, gather
from netcore.cli.environment import misspelt
from netcore.cli.output import survive_unread
from netcore.cli.serve_here import serve_here
from netcore.cli.supervise import supervise
from netcore.cli.tls_files import check_tls
from netcore.errors import NetcoreError
from netcore.logs import configure

__all__ = ["serve"]

_logger = logging.getLogger("netcore")


def serve(arguments: argparse.Namespace) -> int:
    """Serves until a signal or the application ends it; returns the exit status.

    Raises:
        UsageError: The handler cannot be loaded, an option or an address is wrong or not to be had.
    """
    configuration = gather(arguments, os.environ)
    configure(configuration.values.log_level, configuration.values.log_format)
    for suspicion in misspelt(all_settings(), os.environ):
        _logger.warning("%s", suspicion)
    survive_unread()
    # The installed script has its own directory at the front of the path instead of the current one.
    sys.path.insert(0, os.getcwd())
    configuration.check()
    addresses = _addresses(configuration)
    check_tls(configuration.values, addresses)
    return (supervise if configuration.supervised else serve_here)(configuration, addresses)


def _addresses(configuration: Configuration) -> list[Address]:
    try:
        return [Address.parse(text) for text in configuration.values.addresses]
    except NetcoreError as error:
        raise configuration.blame("addresses", error) from None
