"""Putting an engine together: loops with their pollers and sockets, and listeners spread over them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from netcore._native import MISSING
from netcore.address import Address
from netcore.engine.choices import Choices, check_opened
from netcore.engine.given import Source
from netcore.engine.listening import Duplicable, listen
from netcore.engine.picker import Picker
from netcore.engine.secured import Secured
from netcore.engine.taking import Takings
from netcore.errors import OptionsError
from netcore.eventloop import Loop, Shared
from netcore.handler import EventHandler
from netcore.lb import RoundRobin
from netcore.options import Options
from netcore.poll import Poller
from netcore.sockets import open_sockets

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of an engine.

    Attributes:
        loops: Not running yet.
        acceptors: For each address, as bound, a listener of it.
        picker: Chooses a loop for a peer's address, or for a socket whose peer does not matter. Any thread.
        takings: The descriptors that were given, to be kept when nothing can fail any more, or given back.
    """

    loops: tuple[Loop, ...]
    acceptors: tuple[tuple[Address, Duplicable], ...]
    picker: Picker
    takings: Takings


EMPTY = Assembly((), (), Picker(RoundRobin(), (), Shared(EventHandler())), Takings())
"""What an engine has before its start."""


def assemble(
    shared: Shared, options: Options, choices: Choices, sources: tuple[Source, ...], secured: Secured
) -> Assembly:
    """Opens pollers, makes loops and listeners; nothing stays open of that if any of it fails.

    Raises:
        OSError: An address cannot be bound, or a socket that is given does not listen.
        PollerUnavailableError: This machine cannot run the poller.
        UnsupportedOperationError: This machine lacks something the options ask for, or a socket that is given
            is of a kind that cannot be served.
    """
    _report_missing_native_part(shared.logger)
    loops: list[Loop] = []
    pollers: list[Poller] = []  # as they are opened: an interrupt may come between any two lines
    takings = Takings()
    try:
        takings.begin(sources)
        while len(loops) < len(choices.cpus):
            pollers.append(choices.open_poller())
            poller = pollers[-1]
            check_opened(poller)
            if any(poller is loop.poller for loop in loops):
                raise OptionsError(f"option poller: it opened {poller!r} twice, and each loop needs its own")
            _check_edges(poller, options)
            sockets = open_sockets(options.read_buffer_cap, poller)
            loops.append(Loop(len(loops), shared, poller, sockets))
        picker = Picker(choices.balancer, tuple(loops), shared)
        accept_pick = picker.pick if choices.balances else None
        acceptors = tuple(
            listen(source, options, loops, accept_pick, takings, secured, shared.logger) for source in sources
        )
        return Assembly(tuple(loops), acceptors, picker, takings)
    except BaseException:
        for loop in loops:
            loop.close()
        for poller in pollers:
            with suppress(Exception):  # it may be no poller
                poller.close()
        takings.give_back()
        raise


def _check_edges(poller: Poller, options: Options) -> None:
    if options.edge_triggered and not poller.supports_edge:
        raise OptionsError(
            f"option edge_triggered is True: the poller {poller.name!r} is level-triggered only"
        )


_reported = False


def _report_missing_native_part(logger: logging.Logger) -> None:
    global _reported
    if MISSING and not _reported:
        _reported = True
        logger.warning("%s: running on the standard library, several times slower", MISSING)
