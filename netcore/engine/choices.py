"""What the options choose by name: the balancer, the poller and the number of loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netcore._machine import current
from netcore.address import Address
from netcore.engine.binding import check_servable
from netcore.engine.secured import check_secured
from netcore.errors import OptionsError, PollerUnavailableError
from netcore.lb import LoadBalancer, make_balancer
from netcore.options import Options
from netcore.poll import Poller, open_poller, poller_names

if TYPE_CHECKING:
    from netcore.overrides import OptionOverrides

__all__ = ["Choices", "check_address", "check_opened", "chosen"]

_POLLER_METHODS = ("register", "modify", "unregister", "wait", "wake", "close")


def chosen(options: Options | None, overrides: OptionOverrides) -> Options:
    """Returns the options of an engine: those given, or the defaults, with other values in some fields.

    Raises:
        TypeError: They are no ``Options``.
        OptionsError: An override is unknown, has a bad value, or contradicts another one.
    """
    if options is None:
        options = Options()
    elif not isinstance(options, Options):
        raise TypeError(f"options must be an Options object, not {options!r}; single ones are keywords")
    return options.replace(**overrides)


@dataclass(frozen=True, slots=True)
class Choices:
    """The options as objects.

    Attributes:
        balancer: Picks a loop for each connection.
        open_poller: Opens a poller for a loop.
        cpus: For each loop the CPU it is pinned to, None for any.
        balances: Whether the balancer is asked at all: one of our own has no say where there is one loop.
    """

    balancer: LoadBalancer
    open_poller: Callable[[], Poller]
    cpus: tuple[int | None, ...]
    balances: bool

    @classmethod
    def from_options(cls, options: Options, addresses: tuple[Address, ...]) -> Choices:
        """Looks everything up, opening nothing.

        Raises:
            OptionsError: There is no such load balancer, the poller is neither name nor factory, or the
                context for TLS and the addresses do not fit.
            PollerUnavailableError: There is no poller of that name.
            UnsupportedProtocolError: An address cannot be served.
        """
        for address in addresses:
            check_address(address, options)
        try:
            balancer = make_balancer(options.load_balancer)
        except ValueError as error:
            raise OptionsError(f"option load_balancer: {error}", option="load_balancer") from None
        count = options.num_event_loops or (current().usable_cpu_count() if options.multicore else 1)
        usable = current().usable_cpus()
        cpus = tuple(usable[i % len(usable)] if options.cpu_affinity else None for i in range(count))
        balances = count > 1 or not isinstance(options.load_balancer, str)
        return cls(balancer, _poller_opener(options.poller), cpus, balances)


def check_address(address: Address, options: Options) -> None:
    """Raises what is wrong with an address before anything is bound; see ``Choices.from_options``."""
    check_servable(address)
    check_secured(address, options)


def _poller_opener(choice: object) -> Callable[[], Poller]:
    if choice is None:
        return open_poller
    if isinstance(choice, str):
        name = choice
        if name not in poller_names():
            raise PollerUnavailableError(
                f"there is no poller {name!r}: the pollers are {', '.join(poller_names())}"
            )
        return lambda: open_poller(name)
    if not callable(choice):
        raise OptionsError(
            f"option poller is {choice!r}: it must be a poller's name or a function that opens one",
            option="poller",
        )
    return choice


def check_opened(poller: Poller) -> None:
    """Raises OptionsError if this is something else; a factory of the application's may return anything."""
    lacking = [name for name in _POLLER_METHODS if not callable(getattr(poller, name, None))]
    if lacking or isinstance(poller, type):
        what = "it is a class" if not lacking else f"it has no {', '.join(lacking)}"
        raise OptionsError(
            f"option poller: what it opened is {poller!r}, which is no poller: {what}", option="poller"
        )
