"""Taking connections from a listener and spreading them over the loops."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from netcore._complaints import Complaints
from netcore._native import error as system_error
from netcore._native import error_text
from netcore.address import Address
from netcore.eventloop.connections import Doorkeeper
from netcore.eventloop.phases import Phase
from netcore.eventloop.reserve import EXHAUSTED, Reserve
from netcore.eventloop.site import Site
from netcore.handler import Timer
from netcore.poll import Interest, Readiness
from netcore.sockets import duplicate, take_errors, unpack_name

__all__ = ["Acceptor", "Destination", "Listener"]

_ERROR = int(Readiness.ERROR)

_READ = int(Interest.READ)
_ALONE = int(Interest.READ | Interest.EXCLUSIVE)
"""Several processes that wait for the same listener are not all woken by one connection."""

_PER_TURN = 64
"""Connections accepted in one turn, so that a flood of them does not starve those already served."""

_TURNED_AWAY = 64
"""Connections that are turned away in one turn for want of a descriptor."""

_RETRY = 0.1
"""Seconds until accepting is tried again when the system is out of descriptors or memory."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound and listening socket, and what goes with it.

    Attributes:
        fd: The non-blocking descriptor, attached to the sockets of the loop that accepts from it.
        address: Where it listens, with the real port.
        network: "tcp" or "unix".
        local: The local address of every connection; None where it differs between them.
        cleanup: To be called after the descriptor has been closed.
        phases: Makes what has to pass before a connection of the peer with this packed name opens, in order
            and maybe nothing; None if nothing ever has to.
        was_open: Whether it has listened before it came here, so that peers may have had their way with what
            waited in its backlog; see ``take_passed``.
        shared: Whether other processes may accept from it at the same time.
    """

    fd: int
    address: Address
    network: str
    local: Address | None
    cleanup: Callable[[], object]
    phases: Callable[[bytes], Sequence[Phase]] | None = None
    was_open: bool = False
    shared: bool = False

    @property
    def opens_at_once(self) -> bool:
        """Whether what is accepted needs nothing more to open."""
        return self.phases is None and not self.was_open


class Destination(Protocol):
    """Where accepted connections go: a loop."""

    def admit(self, accepted: list[tuple[int, bytes]], listener: Listener) -> None:
        """Takes in descriptors that it has accepted itself, with their peers' packed names. In its turn."""

    def take_in(self, listener: Listener, limit: int) -> tuple[int, int]:
        """Accepts, and takes in, up to so many. In its turn.

        Returns:
            How many were accepted, and the second result of ``Sockets.accept``.
        """

    def open_door(self, listener: Listener, acceptor: Doorkeeper) -> None:
        """Says that ``take_in`` may be done without a call of the acceptor; see ``Connections.open_door``."""

    def close_door(self, listener: Listener) -> None:
        """Ends what ``open_door`` began."""

    def complain(self, errors: Sequence[BaseException], listener: Listener) -> None:
        """Reports why some of those accepted are no connections."""

    def hand_over(self, fd: int, name: bytes, listener: Listener) -> None:
        """Gives it what another loop has accepted, to be taken in in a turn of its own. Any thread."""


class Acceptor:
    """Accepts from one listener, on the thread of one loop.

    Args:
        site: The loop that watches the listener.
        listener: What to accept from.
        here: The same loop, to which connections go unless ``pick`` says otherwise.
        pick: Chooses the loop for a peer; None if all connections stay on this one.
    """

    def __init__(
        self,
        site: Site,
        listener: Listener,
        here: Destination,
        pick: Callable[[Address], Destination] | None,
    ) -> None:
        self.listener = listener
        self._site = site
        self._here = here
        self._pick = pick
        self._watching = False
        self._closed = False
        self._retry: Timer | None = None
        self._complaints = Complaints(site.clock)
        self._reserve = site.machine.make(Reserve)
        gate = site.shared.gate
        # Not where a limit may leave a peer in the backlog: what was to wake somebody has been used up then.
        alone = self.listener.shared and (gate is None or gate.refuse)
        self._interest = _ALONE if alone else _READ

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.listener.address}>"

    def start(self) -> None:
        """Begins, or begins again, to accept."""
        if not self._closed:
            self._reserve.fill()
        if not self._closed and not self._watching:
            try:
                self._site.watchers.attend(self.listener.fd, self, self._interest)
            except OSError as error:
                self._failed(error.errno or errno.EIO)
            except BaseException as error:
                self._site.charge(self, error)
            else:
                self._watching = True
                if self._site.shared.gate is None and self._pick is None:
                    self._here.open_door(self.listener, self)

    def fault(self, error: Exception) -> None:
        """See ``Payer.fault``: leaves the listener alone for a little while."""
        self._back_off()

    def close(self) -> None:
        """Stops for good and closes the listener; connections not yet accepted are reset by the system."""
        if not self._closed:
            self._pause()
            self._closed = True
            self._reserve.spend()
            self._site.descriptors.release([self.listener.fd])  # a duplicate goes on listening
            try:
                self.listener.cleanup()
            except BaseException as error:
                self._site.charge(self, error)

    def abandon(self) -> int:
        """Lets go of the listener, in a forked child, and returns its descriptor, which is left to close.

        Returns:
            -1 if it was closed, or about to be: the number may be another descriptor's by now.
        """
        fd = -1 if self._closed else self.listener.fd
        self._here.close_door(self.listener)
        self._closed = True
        self._watching = False
        self._reserve.spend()
        return fd

    @property
    def outbound_buffered(self) -> int:
        """None: a listener sends nothing."""
        return 0

    def dup(self) -> int:
        """Duplicates the listener's descriptor. Any thread; OSError once it is closed."""
        with self._site.descriptor_lock:
            if self._closed:
                raise system_error(-errno.EBADF)
            with self._site.sockets.borrow(self.listener.fd) as sock:
                return duplicate(sock)

    def ready(self, readiness: int) -> None:
        """Takes what is waiting, within the limits of a turn and of the gate."""
        if self._closed:
            return
        gate = self._site.shared.gate
        reserves = gate is not None and not gate.refuse
        places = self._site.watchers.portion(Acceptor, _PER_TURN)
        if gate is None and self._pick is None:
            self._take_in(readiness, places)
            return
        if gate is not None and reserves:
            places = gate.take(places, self._resume)
        if not places:
            self._pause()  # the gate calls _resume
            return
        site = self._site
        site.placing = 1  # what the kernel is about to give counts already
        accepted: list[tuple[int, bytes]] = []
        try:
            accepted, error = site.sockets.accept(self.listener.fd, places)
        finally:
            site.placing = len(accepted)
            if gate is not None and reserves:
                gate.give_back(places - len(accepted))
        if gate is not None and not reserves:
            # Places only for those who are here: another loop's must not be refused for want of ours.
            places = gate.take(len(accepted), self._resume) if accepted else 0
            self._refuse(accepted[places:])
            del accepted[places:]
            site.placing = places
        if self._pick is None:
            self._admit(accepted)
            site.placing = 0
        else:
            for one in accepted:
                self._place(one, self._pick)
                site.placing -= 1
        self._conclude(len(accepted), error, readiness)

    def _take_in(self, readiness: int, places: int) -> None:
        """Takes what is waiting where nothing limits it, and nobody else is to have it."""
        self._site.placing = 1  # what the kernel is about to give counts already
        try:
            count, error = self._here.take_in(self.listener, places)
        finally:
            self._site.placing = 0
        self._conclude(count, error, readiness)

    def troubled(self, count: int, error: int, errors: Sequence[BaseException] | None) -> None:
        """See ``Doorkeeper.troubled``."""
        self._here.complain(errors or (), self.listener)
        self._conclude(count, error, 0)

    def _conclude(self, count: int, error: int, readiness: int) -> None:
        """Sees to the listener after so many were accepted, or an error."""
        if self._closed:  # by a callback of one of them, or abandoned by a fork in it
            return
        if error:
            self._failed(-error)
        elif readiness & _ERROR and not count:
            take_errors(self._site.sockets, self.listener.fd)
            self._back_off()  # nothing explains it, and the poller would repeat itself in every turn

    def _admit(self, accepted: list[tuple[int, bytes]]) -> None:
        """Keeps accepted descriptors here."""
        if accepted:
            try:
                self._here.admit(accepted, self.listener)
            except BaseException as error:
                self._site.charge(None, error)

    def _place(self, accepted: tuple[int, bytes], pick: Callable[[Address], Destination]) -> None:
        """Gives an accepted descriptor to its loop; if that cannot be found, or told, it is closed."""
        fd, name = accepted
        try:
            destination = pick(unpack_name(name))
            if destination is not self._here:
                destination.hand_over(fd, name, self.listener)
        except BaseException as error:
            self._site.descriptors.discard(fd)
            self._site.charge(None, error)
        else:
            if destination is self._here:
                self._admit([accepted])

    def _refuse(self, accepted: list[tuple[int, bytes]]) -> None:
        self._site.counters.refused += len(accepted)
        for fd, _ in accepted:
            self._site.descriptors.refuse(fd)

    def _failed(self, code: int) -> None:
        """Waits a little, since the listener stays readable and would spin the loop.

        Most often the process or the system is out of descriptors (EMFILE, ENFILE) or memory.
        """
        self._site.counters.accept_failures += 1
        turned_away = self._turn_away() if code in EXHAUSTED else 0
        if times := self._complaints.due():
            self._site.logger.error(
                "cannot accept on %s: %s (%d times, %d just turned away); trying again every %g s",
                self.listener.address,
                error_text(code),
                times,
                turned_away,
                _RETRY,
            )
        self._back_off()

    def _back_off(self) -> None:
        self._pause()
        if not self._closed and self._retry is None:
            self._retry = self._site.schedule(_RETRY, self._start_again)

    def _start_again(self) -> None:
        self._retry = None
        self.start()

    def _turn_away(self) -> int:
        """Resets who waits for a descriptor, by means of the one in reserve; returns how many they were."""
        count = 0
        if self._reserve.spend():
            while count < _TURNED_AWAY:
                accepted, _ = self._site.sockets.accept(self.listener.fd, 1)
                if not accepted:
                    break
                self._refuse(accepted)
                count += 1
        self._reserve.fill()
        return count

    def _pause(self) -> None:
        if self._watching:
            self._watching = False
            self._here.close_door(self.listener)
            self._site.watchers.neglect(self.listener.fd)

    def _resume(self) -> None:
        self._site.post(self.start)
