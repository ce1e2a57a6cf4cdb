"""``netcore run`` by processes, which a supervisor looks after."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from netcore._loading import load_balancer
from netcore.address import Address
from netcore.cli.configuration import Configuration
from netcore.cli.usage import UsageError, message_of
from netcore.errors import NetcoreError

__all__ = ["supervise"]


def supervise(configuration: Configuration, addresses: Sequence[Address]) -> int:
    """Supervises until a signal ends it; returns the exit status.

    The handler is imported by the processes only, and so is a load balancer of the user's own.

    Raises:
        UsageError: An option or an address is wrong or not to be had, or there are no processes here.
    """
    values = configuration.values
    own_balancer = ":" in values.lb
    options = configuration.options(load_balancer="round-robin" if own_balancer else load_balancer(values.lb))
    # Loaded here, for those who use it only.
    supervisor_class = import_module("netcore.supervisor").Supervisor
    try:
        supervisor = supervisor_class(
            values.handler,
            *addresses,
            processes=1 if values.processes is None else values.processes,
            configure=values.configure,
            hang_timeout=values.hang_timeout,
            drain_timeout=values.drain_timeout,
            reload=values.reload,
            listeners=values.listeners,
            balancer=values.lb if own_balancer else "",
            log_level=values.log_level,
            log_format=values.log_format,
            options=options,
        )
    except (NetcoreError, OSError) as error:
        raise UsageError(message_of(error)) from None
    return int(supervisor.run())
