"""``netcore run`` by processes, which a supervisor looks after."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from netcore._loading import load_balancer
from netcore._tls_files import TlsFiles
from netcore.address import Address
from netcore.cli.configuration import Configuration
from netcore.cli.tls_files import tls_files
from netcore.errors import NetcoreError

__all__ = ["supervise"]

_logger = logging.getLogger("netcore")


def supervise(configuration: Configuration, addresses: Sequence[Address]) -> int:
    """Supervises until a signal ends it; returns the exit status: 1 if no process has ever booted.

    The handler is imported by the processes only, and so is a load balancer of the user's own.

    Raises:
        UsageError: An option or an address is wrong or not to be had, or there are no processes here.
    """
    from netcore.supervisor import BootError, Supervisor  # for those who use it only

    values = configuration.values
    own_balancer = ":" in values.lb
    options = configuration.options(load_balancer="round-robin" if own_balancer else load_balancer(values.lb))
    try:
        Supervisor(
            values.handler,
            *addresses,
            processes=1 if values.processes is None else values.processes,
            configure=values.configure,
            hang_timeout=values.hang_timeout,
            drain_timeout=values.drain_timeout,
            reload=values.reload,
            listeners=values.listeners,
            balancer=values.lb if own_balancer else "",
            tls_files=_tls_files(configuration) if values.tls_certificate else None,
            log_level=options.log_level,
            log_format=values.log_format,
            options=options,
        ).run()
    except BootError as error:
        _logger.critical("%s", error)
        return 1
    except (NetcoreError, OSError) as error:
        raise configuration.explain(error) from None
    return 0


def _tls_files(configuration: Configuration) -> TlsFiles:
    """Names the files of TLS. What is in them, the processes will see; that they are there is seen here."""
    values = configuration.values
    for name in ("tls_certificate", "tls_key", "tls_client_ca"):
        path = getattr(values, name)
        try:
            if path and not (name == "tls_client_ca" and os.path.isdir(path)):
                with open(path, "rb"):
                    pass
        except OSError as error:
            raise configuration.blame(name, f"{path}: {error.strerror}") from None
    return tls_files(values)
