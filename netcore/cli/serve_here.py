"""``netcore run`` in this process."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from netcore._loading import load_balancer, load_handler
from netcore.address import Address
from netcore.cli.configuration import Configuration
from netcore.cli.reloading import Reloading
from netcore.cli.tls_files import load_tls
from netcore.engine import Engine, run
from netcore.errors import NetcoreError
from netcore.handler import Action, EventHandler

__all__ = ["serve_here"]

_logger = logging.getLogger("netcore")


def serve_here(configuration: Configuration, addresses: Sequence[Address]) -> int:
    """Serves until a signal or the application ends it; returns the exit status 0.

    Raises:
        UsageError: The handler cannot be loaded, an option or an address is wrong or not to be had.
    """
    values = configuration.values
    handler = load_handler(values.handler)
    balancer = load_balancer(values.lb)
    reloading = Reloading(partial(load_tls, values)) if values.tls_certificate else None
    options = configuration.options(
        load_balancer=balancer, tls=load_tls(values) if values.tls_certificate else None
    )
    boot = _Boot(handler, reloading)
    try:
        with reloading.at_hangup() if reloading is not None else nullcontext():
            run(handler, *addresses, options=options)
    except (NetcoreError, OSError) as error:
        if boot.reached:
            raise  # not the arguments are at fault, but what came later: show where
        raise configuration.explain(error) from None
    _logger.info("stopped")
    return 0


class _Boot:
    """Comes before a handler's ``on_boot``, and notes that the engine has come so far.

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
        vars(handler)["on_boot"] = self._boot

    def _boot(self, engine: Engine) -> Action | None:
        self.reached = True
        if self._reloading is not None:
            self._reloading.begin(engine)
        return self._on_boot(engine)
