"""Putting an engine together: loops with their pollers and sockets, and listeners spread over them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from netcore._machine import current
from netcore._native import MISSING
from netcore.address import Address
from netcore.engine.choices import Choices, check_opened
from netcore.engine.given import Source
from netcore.engine.listening import Opener
from netcore.engine.open_listeners import OpenListener, OpenListeners
from netcore.engine.picker import Picker
from netcore.engine.secured import Secured
from netcore.engine.taking import Takings
from netcore.errors import OptionsError
from netcore.eventloop import Loop, Shared
from netcore.handler import EventHandler
from netcore.lb import RoundRobin
from netcore.options import Options
from netcore.poll import Poller, open_with
from netcore.sockets import open_sockets

__all__ = ["EMPTY", "Assembly", "assemble"]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of an engine.

    Attributes:
        loops: Not running yet.
        listeners: What it listens on.
        opener: Opens more of that.
        picker: Chooses a loop for a peer's address, or for a socket whose peer does not matter. Any thread.
        takings: The descriptors that were given, to be kept when nothing can fail any more, or given back.
    """

    loops: tuple[Loop, ...]
    listeners: OpenListeners
    opener: Opener
    picker: Picker
    takings: Takings

    def open(self, source: Source, wanted: Address) -> OpenListener:
        """Opens one listener more, while the loops run, without accepting yet; see ``Opener.open``.

        What is given is kept, and the caller's again if this raises. Any thread.
        """
        takings = Takings()
        try:
            takings.begin([source])
            listener = self.opener.open(source, wanted, takings)
        except BaseException:
            takings.give_back()
            raise
        self.listeners.add(listener)
        takings.keep()
        return listener


EMPTY = Assembly(
    (),
    OpenListeners(),
    Opener(Options(), (), None, Secured(Options()), logging.getLogger("netcore")),
    Picker(RoundRobin(), (), Shared(EventHandler())),
    Takings(),
)
"""What an engine has before its start."""


def assemble(
    shared: Shared,
    options: Options,
    choices: Choices,
    wanted: Sequence[tuple[Address, Source]],
    secured: Secured,
) -> Assembly:
    """Opens pollers, makes loops and listeners; nothing stays open of that if any of it fails.

    Args:
        shared: What the loops have in common.
        options: The engine's.
        choices: What they choose by name.
        wanted: What to listen on, with the addresses under which it was asked for.
        secured: What listeners with TLS have for it.

    Raises:
        OSError: An address cannot be bound, or a socket that is given does not listen.
        PollerUnavailableError: This machine cannot run the poller.
        UnsupportedOperationError: This machine lacks something the options ask for, or a socket that is given
            is of a kind that cannot be served.
    """
    _report_missing_native_part(shared.logger)
    machine = current()
    loops: list[Loop] = []
    pollers: list[Poller] = []  # as they are opened: an interrupt may come between any two lines
    takings = Takings()
    try:
        takings.begin(source for _, source in wanted)
        while len(loops) < len(choices.cpus):
            pollers.append(machine.make(open_with, choices.open_poller))
            poller = pollers[-1]
            check_opened(poller)
            if any(poller is loop.poller for loop in loops):
                raise OptionsError(f"option poller: it opened {poller!r} twice, and each loop needs its own")
            _check_edges(poller, options)
            sockets = machine.make(open_sockets, options.read_buffer_cap, poller)
            loops.append(Loop(len(loops), shared, poller, sockets))
        picker = Picker(choices.balancer, tuple(loops), shared)
        accept_pick = picker.pick if choices.balances else None
        opener = Opener(options, tuple(loops), accept_pick, secured, shared.logger)
        listeners = OpenListeners(opener.open(source, address, takings) for address, source in wanted)
        return Assembly(opener.loops, listeners, opener, picker, takings)
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
            f"option edge_triggered is True: the poller {poller.name!r} is level-triggered only",
            option="edge_triggered",
        )


_reported = False


def _report_missing_native_part(logger: logging.Logger) -> None:
    global _reported
    if MISSING and not _reported:
        _reported = True
        from netcore._native.remedy import remedy  # which takes its time, and memory

        text = "%s: running on the standard library, several times slower; to mend it: %s"
        logger.warning(text, MISSING, remedy())
