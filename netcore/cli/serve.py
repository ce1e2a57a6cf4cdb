"""``netcore run``: serves a handler that is named on the command line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import nullcontext
from functools import partial

from netcore._loading import load_balancer, load_handler
from netcore.address import Address
from netcore.cli.output import survive_unread
from netcore.cli.reloading import Reloading
from netcore.cli.tls_files import check_tls, load_tls
from netcore.cli.usage import UsageError
from netcore.engine import Engine, run
from netcore.errors import NetcoreError
from netcore.handler import Action, EventHandler
from netcore.options import Options

__all__ = ["serve"]

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_logger = logging.getLogger("netcore")


def serve(arguments: argparse.Namespace) -> int:
    """Serves until a signal or the application ends it; returns the exit status 0.

    Raises:
        UsageError: The handler cannot be loaded, an option or an address is wrong or not to be had.
    """
    logging.basicConfig(level=arguments.log_level.upper(), format=_FORMAT, stream=sys.stderr)
    survive_unread()
    # The installed script has its own directory at the front of the path instead of the current one.
    sys.path.insert(0, os.getcwd())
    if arguments.proxy_from and not arguments.proxy_protocol:
        raise UsageError("argument --proxy-from: it needs --proxy-protocol")
    handler = load_handler(arguments.handler)
    balancer = load_balancer(arguments.lb)
    reloading = Reloading(partial(load_tls, arguments)) if arguments.tls_certificate else None
    boot = _Boot(handler, reloading)
    try:
        addresses = [Address.parse(text) for text in arguments.addresses]
        check_tls(arguments, addresses)
        options = Options(
            num_event_loops=arguments.loops,
            multicore=arguments.multicore,
            poller=arguments.poller,
            load_balancer=balancer,
            reuse_port=arguments.reuse_port,
            ticker=arguments.ticker,
            edge_triggered=arguments.edge_triggered,
            idle_timeout=arguments.idle_timeout,
            max_connections=arguments.max_connections,
            proxy_protocol=arguments.proxy_protocol,
            proxy_protocol_from=tuple(arguments.proxy_from),
            tls=load_tls(arguments) if arguments.tls_certificate else None,
        )
        with reloading.at_hangup() if reloading is not None else nullcontext():
            run(handler, *addresses, options=options)
    except (NetcoreError, OSError) as error:
        if boot.reached:
            raise  # not the arguments are at fault, but what came later: show where
        raise UsageError(_message(error)) from None
    _logger.info("stopped")
    return 0


class _Boot:
    """Comes before a handler's ``on_boot``: logs where the engine listens, and notes that it does.

    Args:
        handler: Whose.
        reloading: What begins then; None for nothing.

    Attributes:
        reached: Whether everything is bound.
    """

    def __init__(self, handler: EventHandler, reloading: Reloading | None) -> None:
        self.reached = False
        self._reloading = reloading
        self._on_boot = handler.on_boot
        # In the instance, where it hides the method; other callbacks cost nothing more, as a wrapper would.
        vars(handler)["on_boot"] = self._announce

    def _announce(self, engine: Engine) -> Action | None:
        self.reached = True
        if self._reloading is not None:
            self._reloading.begin(engine)
        _logger.info("listening on %s", ", ".join(map(str, engine.addresses)))
        return self._on_boot(engine)


def _message(error: Exception) -> str:
    """Returns an error's text; an ``OSError``'s without its number."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
