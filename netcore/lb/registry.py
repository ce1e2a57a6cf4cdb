"""The load balancers by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from netcore.lb.balancers import LeastConnections, RoundRobin, SourceAddressHash
from netcore.lb.protocol import LoadBalancer

__all__ = ["balancer_names", "make_balancer"]

_factories: dict[str, Callable[[], LoadBalancer]] = {
    "round-robin": RoundRobin,
    "least-connections": LeastConnections,
    "source-address-hash": SourceAddressHash,
}


def balancer_names() -> tuple[str, ...]:
    """Returns the names that ``make_balancer`` knows."""
    return tuple(_factories)


def make_balancer(choice: str | LoadBalancer) -> LoadBalancer:
    """Makes the balancer of a name; a balancer is returned as it is.

    Raises:
        ValueError: It is neither a known name nor an object with ``pick``.
    """
    if isinstance(choice, str):
        if choice not in _factories:
            raise ValueError(
                f"there is no load balancer {choice!r}: use {', '.join(_factories)}, or an object"
            )
        return _factories[choice]()
    if isinstance(choice, type):
        raise ValueError(f"{choice!r} is a class: give an object, such as {choice.__name__}()")
    pick = getattr(choice, "pick", None)
    if not callable(pick):
        raise ValueError(f"{choice!r} is no load balancer: it has no method pick(loops, remote)")
    if inspect.iscoroutinefunction(pick):
        raise ValueError(f"{choice!r} is no load balancer: its pick is an async def function")
    return choice
