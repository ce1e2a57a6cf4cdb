"""The event loop: one thread that waits, receives, handles and sends, all in batches."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from netcore._arguments import check_function
from netcore._complaints import complain, place_of
from netcore._durations import delay_of, seconds, waitable
from netcore._locks import WatchedLock, is_held_here
from netcore._machine import current
from netcore._platform import keep_freed_memory, pin_thread
from netcore.address import Address
from netcore.buffer import BufferPool
from netcore.connection import (
    UNWATCHED,
    BaseDeadlines,
    OpenFiles,
    Payer,
    Retired,
    Settling,
)
from netcore.errors import EngineNotRunningError, UnsupportedOperationError, WrongThreadError
from netcore.eventloop.acceptor import Acceptor, Destination, Listener
from netcore.eventloop.aftermath import Aftermath
from netcore.eventloop.agenda import Agenda
from netcore.eventloop.arrivals import Arrivals
from netcore.eventloop.connections import Doorkeeper
from netcore.eventloop.datagram_listener import DatagramListener
from netcore.eventloop.debug import TimedHandler
from netcore.eventloop.departures import Departures
from netcore.eventloop.descriptors import Descriptors
from netcore.eventloop.dial_phases import phases_of_dial
from netcore.eventloop.dialer import Dialer, check_dialable
from netcore.eventloop.enroller import Enroller
from netcore.eventloop.faults import Faults
from netcore.eventloop.guarded_log import GuardedLogger
from netcore.eventloop.guest import Guest
from netcore.eventloop.halves import half_for
from netcore.eventloop.listeners import Listeners
from netcore.eventloop.moving import Moving
from netcore.eventloop.pulse import Pulse
from netcore.eventloop.reception import Reception
from netcore.eventloop.sessions import Sessions
from netcore.eventloop.shared import Shared
from netcore.eventloop.site import Site
from netcore.eventloop.thrift import Thrift
from netcore.eventloop.turn import Turn
from netcore.eventloop.watchers import Watchers
from netcore.handler import Conn, EventHandler, Metrics, Timer, Timings
from netcore.poll import Poller, Readiness
from netcore.proxy import ProxyHeader
from netcore.sockets import Sockets

if TYPE_CHECKING:
    import ssl

__all__ = ["Loop"]

_FLUSH_AT = 262144
"""Bytes in the outbox from which a writer sends it first: replies do not wait for a slow neighbour."""


class Loop(Site):
    """Serves connections on a thread of its own, or turn by turn under a test or another loop.

    It puts the parts together, and is to each of them, and to the connections, what they know of a loop.

    Args:
        index: Its position among the loops of its engine.
        shared: What it has in common with them.
        poller: Tells which sockets are ready.
        sockets: Does the batched I/O.
        clock: Seconds that never go back; None for those of the machine that it is made on.

    Attributes:
        guest: A loop of another kind that runs on this one's thread; None for none. Set before the thread.
        moving: Gives connections to other loops, and takes theirs.
        ends_at: When a loop that stops resets what is left, in seconds of the clock; infinite before that.
    """

    def __init__(
        self,
        index: int,
        shared: Shared,
        poller: Poller,
        sockets: Sockets,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.machine = current()
        if clock is None:
            clock = self.machine.monotonic
        self._here = self.machine.thread_id
        keep_freed_memory()
        self.index = index
        self.shared = shared
        self.limits = shared.limits
        self.logger: logging.Logger = GuardedLogger(shared.logger, clock)
        handler = self.machine.callbacks(shared.handler)
        self.handler: EventHandler = TimedHandler(handler, self.logger) if shared.debug else handler
        self.odd_results = shared.odd_results
        self.poller = poller
        self.sockets = sockets
        self.clock = clock
        self.time = clock()
        self.stopping = False
        self.guest: Guest | None = None
        self.ends_at = math.inf
        half = half_for(poller, sockets, shared.debug)
        self.counters = half.counters()
        if shared.measured:
            self.counters.meter = half.meter()
        self.pool = BufferPool(debug=shared.debug)
        self.inbox = half.inbox()
        self._faults = Faults(index, clock, self.counters, self.logger, self.shutdown)
        share = shared.limits.high_water
        self.outbox = half.outbox(self.counters, min(_FLUSH_AT, share), self.charge, share)
        self.open_files = OpenFiles()
        self.descriptor_lock = WatchedLock()
        self.descriptors = Descriptors(self, shared.gate)
        self.placing = 0
        self.watchers = Watchers(poller, self.charge)
        self._agenda = Agenda(
            index,
            self.now,
            self.counters,
            self.inbox,
            self.logger,
            shared.shutdown,
            shared.exiting,
            self._judge,
            self.look_again,
        )
        self._thrift = self.machine.make(Thrift, self.schedule)
        self._hosted = half.connections(self)
        self._departures = Departures(self, self._hosted)
        self._arrivals = Arrivals(self, self._hosted)
        self._sessions = Sessions(self, self._hosted, half)
        self._dialer = Dialer(self, self._hosted, self._arrivals, self._sessions)
        self._enroller = Enroller(self, self._hosted)
        self._aftermath = Aftermath(self.outbox, self._departures, self.charge)
        self._intake = half.intake(self, self._hosted.streams, self._agenda.planned)
        self._turn = Turn(self, self._agenda, self._intake, self._aftermath)
        self._pulse = Pulse(self.counters, clock)
        self._reception = Reception(self, self._hosted, self._arrivals)
        self._listeners = Listeners(self, self, half.open_port, self._sessions.listen)
        self.moving = Moving(self, self._hosted, self._aftermath, self._intake, self._put)
        self._thread_id: int | None = None
        self._forked = False
        self._closed = False
        self._in_turn = False
        self._began = False
        self._has_body = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.index}, {self.connection_count} connections>"

    # What any thread may ask.

    def in_loop(self) -> bool:
        """See ``EventLoop.in_loop``."""
        return self._here() == self._thread_id

    def holds_up_here(self) -> bool:
        """Whether the calling thread would hold this loop up by waiting for it. Any thread."""
        return self.in_loop() or is_held_here(self.descriptor_lock)

    @property
    def thread_id(self) -> int | None:
        """The thread that it runs on, by its identifier; None before and after that. Any thread."""
        return self._thread_id

    def execute(self, function: Callable[..., object], *args: object) -> None:
        """See ``EventLoop.execute``."""
        check_function(function)
        if not self._put(function, args):
            fate = self.machine.elsewhere if self._forked else "has ended"
            raise EngineNotRunningError(f"loop {self.index} {fate}: it can execute nothing more here")

    def schedule(self, delay: float, function: Callable[..., object], *args: object) -> Timer:
        """See ``EventLoop.schedule``."""
        check_function(function)
        agenda = self._agenda
        call = agenda.call_at(self.clock() + delay_of(delay), function, args)
        # While it sleeps, it is a signal handler or a finalizer that asks, and there is somebody to wake.
        if self._here() == self._thread_id and self._turn.sleep is None:
            agenda.add(call)
        else:
            self.execute(agenda.add, call)
        return call

    def dial(
        self,
        address: str | Address,
        context: object = None,
        timeout: float | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        tls_session: ssl.SSLSession | None = None,
        proxy: ProxyHeader | None = None,
    ) -> Future[Conn]:
        """See ``EventLoop.dial``; connect(2)."""
        if timeout is not None:
            timeout = seconds(timeout, "a timeout")
        target = check_dialable(Address.parse(address))
        make_phases = phases_of_dial(target, self.shared, tls, server_hostname, tls_session, proxy)
        return self._dialer.dial(target, context, timeout, make_phases)

    def enroll(self, sock: socket.socket, context: object = None) -> Future[Conn]:
        """See ``EventLoop.enroll``."""
        return self._enroller.enroll(sock, context)

    def hand_over(self, fd: int, name: bytes, listener: Listener) -> None:
        """See ``Destination.hand_over``."""
        self._reception.hand_over(fd, name, listener)

    def take_in(self, listener: Listener, limit: int) -> tuple[int, int]:
        """See ``Destination.take_in``."""
        return self._reception.take_in(listener, limit)

    def open_door(self, listener: Listener, acceptor: Doorkeeper) -> None:
        """See ``Destination.open_door``."""
        self._reception.open_door(listener, acceptor)

    def close_door(self, listener: Listener) -> None:
        """See ``Destination.close_door``."""
        self._reception.close_door(listener)

    def complain(self, errors: Sequence[BaseException], listener: Listener) -> None:
        """See ``Destination.complain``."""
        self._reception.complain(errors, listener)

    def admit(self, accepted: list[tuple[int, bytes]], listener: Listener) -> None:
        """See ``Destination.admit``."""
        self._reception.admit(accepted, listener)

    @property
    def connection_count(self) -> int:
        """See ``EventLoop.connection_count``."""
        # In the order in which one moves on, so that it is not missed between two looks.
        return len(self._hosted.arriving) + self._arrivals.count + self._hosted.count

    @property
    def unfinished(self) -> int:
        """Connections from the call that dials or enrolls one, or its hand-over, to their closed descriptor.

        Those that a listener has accepted and that are still being placed are in ``placing``. Any thread.
        """
        return self._dialer.count + self._enroller.count + self.connection_count + self._departures.count

    @property
    def dial_targets(self) -> list[Address]:
        """Where the dials lead that are under way. Any thread."""
        return self._dialer.targets

    def upcoming(self) -> list[tuple[float, Callable[..., object]]]:
        """Returns the calls that are planned: when, in seconds of the clock, and what. The loop's thread."""
        return self._agenda.upcoming()

    @property
    def listening(self) -> bool:
        """Whether any listener is open. Any thread."""
        return self._listeners.open

    @property
    def lingering(self) -> tuple[int, ...]:
        """Descriptors of connections that are gone, kept for peers that still send. Any thread."""
        return tuple(self._departures.lingering)

    def connections(self) -> list[Conn]:
        """See ``EventLoop.connections``."""
        return self._hosted.all()

    def find(self, conn_id: int) -> Conn | None:
        """Returns the open connection with this id. Any thread."""
        return self._hosted.find(conn_id)

    def exchanges_with(self, other: Loop) -> bool:
        """Whether its connections can become those of another loop. Any thread.

        Those of loops that host one of asyncio's cannot, since coroutines belong to their loop.
        """
        hosts = self.guest is not None or other.guest is not None
        return not hosts and self.moving.exchanges_with(other.moving)

    def metrics(self) -> Metrics:
        """See ``EventLoop.metrics``."""
        parts = self._hosted, self._listeners, self._sessions
        waiting = sum(part.outbound_buffered for part in parts)
        return self.counters.snapshot(
            connections=self.connection_count,
            outbound_buffered=self.outbox.size + waiting,
            tasks_pending=len(self._agenda.pending),
            timers_armed=self._agenda.armed,
        )

    def timings(self) -> Timings | None:
        """See ``EventLoop.timings``."""
        meter = self.counters.meter
        return None if meter is None else meter.timings()

    def stuck_for(self) -> float:
        """See ``EventLoop.stuck_for``."""
        turn = self.present_turn()
        return 0.0 if turn is None else turn[1]

    def present_turn(self) -> tuple[int, float] | None:
        """Returns the number of the present turn, and for how many seconds it is known to last.

        Any thread; see ``stuck_for``.

        Returns:
            None if there is none: the loop waits, has not begun, or has ended.
        """
        if self._closed or self._forked or not (self._in_turn or self._has_body):
            return None
        return self._pulse.look(self._turn)

    def _put(self, function: Callable[..., object], args: tuple[object, ...]) -> bool:
        accepted = self._agenda.put(function, args)
        if accepted and self._turn.sleep is not None:  # in another thread, or in the loop that hosts this one
            self._wake()
        return accepted

    def _wake(self) -> None:
        """Ends the wait of a loop that sleeps; once is enough for each, however many find it asleep."""
        sleep = self._turn.sleep
        if sleep is None or sleep:
            return
        try:
            self.poller.wake()
            sleep.append(None)  # second, since an interrupt may come in between
        except ValueError:  # it has ended in the meantime, and done before that what there was to do
            pass
        except Exception as error:  # what is to be done is there all the same, for the next turn
            what = "the poller of loop %d could not be woken"
            complain(self.logger, logging.ERROR, place_of(error), what, self.index, error=error)

    # What the parts and the connections ask; see ``Host`` and ``Site``.

    def post(self, function: Callable[..., object], *args: object) -> None:
        """See ``Host.post``."""
        if not self._put(function, args):
            function(*args)

    def now(self) -> float:
        """See ``Host.now``."""
        self.time = self.clock()
        return self.time

    def _judge(self) -> float:
        """The time for deadlines that are about to be met, when what this turn has written is seen to."""
        now = self.now()
        self._turn.note_stall()
        return now

    def look_again(self, due: float) -> None:
        """See ``Site.look_again``."""
        self._turn.look_again(due)

    def plan(self, deadlines: BaseDeadlines) -> None:
        """See ``Host.plan``."""
        self._agenda.watch(deadlines)

    def unplan(self, deadlines: BaseDeadlines) -> None:
        """See ``Host.unplan``."""
        self._agenda.neglect(deadlines)

    def watch(self, fd: int, before: int, interest: int) -> None:
        """See ``Host.watch``."""
        if before == UNWATCHED:
            self.poller.register(fd, interest)
        elif interest == UNWATCHED:
            self.poller.unregister(fd)
        else:
            self.poller.modify(fd, interest)

    def settle_later(self, what: Settling) -> None:
        """See ``Host.settle_later``."""
        self._aftermath.unsettled[what] = None
        if self._turn.sleep is not None:  # between two turns, or in a finalizer in the midst of one
            self._wake()

    def charge(self, payer: Payer | None, error: BaseException) -> None:
        """See ``Host.charge``."""
        self._faults.charge(payer, error)

    def freed(self, size: int) -> None:
        """See ``Host.freed``."""
        self._thrift.freed(size)

    def receive_now(self, conn: Conn) -> None:
        """See ``Host.receive_now``."""
        if conn.fd in self.watchers:
            self.watchers.tell([(conn.fd, int(Readiness.READABLE))])
        else:
            self._intake.receive_now(conn.fd)

    def settle_next_turn(self, what: Settling) -> None:
        """See ``Host.settle_next_turn``."""
        self._aftermath.postponed[what] = None

    def receive_again(self, conn: Conn) -> None:
        """See ``Host.receive_again``."""
        self._intake.again[conn] = None
        if self._turn.sleep is not None:
            self._wake()

    def receive_aside(self, fds: list[int]) -> list[int]:
        """See ``Site.receive_aside``."""
        self.outbox.flush_early()  # it may hold views of the arena
        self.inbox.renew()
        return self.sockets.receive(fds)

    def retire(self, conn: Retired) -> None:
        """See ``Host.retire``."""
        self._intake.again.pop(conn, None)
        self._departures.retire(conn)

    def shutdown(self, error: BaseException | None = None) -> None:
        """See ``Host.shutdown``."""
        if error is not None:
            self.shared.exiting(error)
        self.shared.shutdown()

    # Listeners. Before the loop runs, or on its thread, unless "Any thread" is said.

    def listen(self, listener: Listener, pick: Callable[[Address], Destination] | None) -> Acceptor:
        """Takes over a listener, without accepting yet. Any thread, if ``start_listening`` follows."""
        return self._listeners.add(listener, pick)

    def listen_for_datagrams(self, fd: int, family: int, address: Address) -> DatagramListener:
        """Takes over a bound datagram socket, without receiving yet; likewise."""
        return self._listeners.add_datagrams(fd, family, address)

    def listen_for_sessions(self, fd: int, family: int, address: Address) -> DatagramListener:
        """Takes over a bound datagram socket for sessions of KCP, without receiving yet; likewise."""
        return self._listeners.add_sessions(fd, family, address)

    def start_accepting(self) -> None:
        """Accepts from all listeners."""
        self._listeners.start()

    def stop_accepting(self) -> None:
        """Closes all listeners, and those that are still to be started."""
        self._listeners.close()

    def start_listening(self, listener: Acceptor | DatagramListener) -> None:
        """Accepts from one listener, which has come later than the others."""
        self._listeners.start_one(listener)

    def stop_listening(self, listener: Acceptor | DatagramListener) -> None:
        """Closes one listener."""
        self._listeners.close_one(listener)

    # The thread, and the turns on it.

    def claim(self) -> None:
        """Makes the calling thread the loop's own, before its first turn; for who calls ``turn`` himself.

        Raises:
            WrongThreadError: It has had turns on another thread, or runs on one of its own.
        """
        if self._began and self._thread_id not in (None, self._here()):
            raise WrongThreadError(f"loop {self.index} belongs to another thread, on which it has begun")
        self._thread_id = self._here()
        self.outbox.belong_to(self._thread_id)

    def turn(self, timeout: float | None = None) -> None:
        """Waits for what is next, and deals with all of it. The loop's thread: see ``claim``.

        Args:
            timeout: Seconds to wait at most, 0 to look without waiting; None for as long as nothing is due.
        """
        if timeout is not None:
            timeout = waitable(seconds(timeout, "a timeout"))
        if self._closed:
            raise EngineNotRunningError(f"loop {self.index} has ended: it takes no more turns")
        if not self.in_loop():
            raise WrongThreadError(f"turn of loop {self.index} was called on another thread than its own")
        if self._in_turn:
            raise RuntimeError(f"turn of loop {self.index} was called inside a turn of it")
        self._in_turn = self._began = True
        try:
            if self.outbox.size or self.outbox.producers:  # written between the turns
                self.outbox.flush_early()
                timeout = timeout or 0.0  # it was due, and this was what for
            self._turn.run(timeout)
            if not self._has_body:  # else what a guest does between its waits is a part of the turn
                self._turn.end()
        except Exception as error:
            if not self._has_body:  # else that is where it ends, behind its guest
                self._fail(error)
            raise
        except BaseException:  # of a signal's handler, in the midst of anything
            self._intake.look_everywhere()
            raise
        finally:
            self._in_turn = False

    def next_deadline(self) -> float | None:
        """Returns when a turn is due even if nothing becomes ready until then. The loop's thread.

        For another loop that hosts this one: it watches ``fileno()``, and calls ``turn(0)`` when that is
        readable or this time has come, and then asks anew. Tasks of other threads make it readable from this
        call on.

        Returns:
            Seconds of the loop's clock, by default that of ``time.monotonic``, past ones for at once; None if
            nothing is planned.
        """
        return self._turn.next_due()

    def fileno(self) -> int:
        """Returns a descriptor that is readable when a turn is due; see ``Poller``. The loop's thread.

        Raises:
            UnsupportedOperationError: The poller has none.
            EngineNotRunningError: The loop has ended.
        """
        if self._closed:
            raise EngineNotRunningError(f"loop {self.index} has ended: it has no descriptor any more")
        fileno: Callable[[], int] | None = getattr(self.poller, "fileno", None)
        if fileno is None:
            raise UnsupportedOperationError(f"the poller {self.poller.name!r} has no descriptor of its own")
        return fileno()

    @property
    def ended(self) -> bool:
        """Whether it takes no more turns: it was closed, or it belongs to a parent process. Any thread."""
        return self._closed or self._forked

    @property
    def finished(self) -> bool:
        """See ``EventLoop.finished``; only ``close`` is left then."""
        return self.stopping and not self.connection_count and not self._departures.count

    def run(self, cpu: int | None = None) -> None:
        """Runs turns until the loop is stopped and its last connection gone; the body of its thread.

        Args:
            cpu: The CPU to stay on; None for any.
        """
        self.claim()
        self._began = self._has_body = True
        self._in_turn = self.guest is None  # for callbacks, which must not take a turn within this one
        if cpu is not None and not pin_thread(cpu):
            self.logger.warning("this platform cannot pin loop %d to CPU %d", self.index, cpu)
        try:
            try:
                self._run_turns()
            except Exception:
                raise
            except BaseException as error:  # an exit where no guard was, such as in a future's callback
                self.logger.critical("loop %d ends the engine", self.index, exc_info=True)
                self.shutdown(error)
                self._run_turns()  # in order, unless it comes again
        except BaseException as error:
            self._fail(error)
        finally:
            self.close()

    def step(self) -> None:
        """Does what there is to do without waiting, and ends in order; see ``run``, whose body that is.

        For who takes the loop's turns instead of a thread, and with them those of its guest. What fails, or
        asks for the end, has the consequences that it has in ``run``.
        """
        try:
            if self.guest is None:
                self.turn(0.0)
                goes_on = not self.finished
            else:
                self._began = self._has_body = True
                goes_on = self.guest.step()
        except SystemExit as error:
            self.logger.critical("loop %d ends the engine", self.index, exc_info=True)
            self.shutdown(error)
        except Exception as error:
            if not self._closed:  # as a turn of its own does that has failed
                self._fail(error)
        else:
            if not goes_on:
                self.close()

    def next_due(self) -> float | None:
        """Returns when a step is due; see ``next_deadline``, which knows nothing of a guest."""
        return self.next_deadline() if self.guest is None else self.guest.next_due()

    def _run_turns(self) -> None:
        if self.guest is not None:
            self.guest.run()
            return
        while not (self.stopping and self.finished):
            self._turn.run(goes_on=True)

    def _fail(self, error: BaseException) -> None:
        """Ends the loop for an error of its own, or of its poller, and the engine with it."""
        self.logger.critical("loop %d failed and ends; its engine stops", self.index, exc_info=True)
        self.shutdown(None if isinstance(error, Exception) else error)
        self.close()

    def stop(self, timeout: float) -> None:
        """Closes listeners and connections gracefully and then ends the loop. The loop's thread.

        Args:
            timeout: Seconds after which the connections left are reset.
        """
        if not self.stopping:
            self.stopping = True
            self.ends_at = self.clock() + timeout
            self.stop_accepting()
            self._turn_away(f"loop {self.index} is stopping")
            self._hosted.turn_away()
            self._departures.hurry()
            self.schedule(timeout, self.stop_now, TimeoutError("the engine's shutdown_timeout has passed"))

    def stop_now(self, error: Exception | None = None) -> None:
        """Resets all connections and ends the loop. The loop's thread.

        Args:
            error: What their ``on_close`` is told.
        """
        self.stopping = True
        self.ends_at = min(self.ends_at, self.clock())
        self.stop_accepting()
        self._turn_away(f"loop {self.index} has stopped")
        self._hosted.reset_all(error)
        self._departures.end_lingering()

    def _turn_away(self, why: str) -> None:
        """Ends what is no connection yet."""
        self._dialer.fail_all(EngineNotRunningError(why))
        self._arrivals.end_all(EngineNotRunningError(why))

    def abandon(self) -> None:
        """Makes the loop inert, in a forked child, without touching what it shares with the parent.

        The child's copies of its descriptors are closed: as long as one is open, a peer gets no FIN and a
        port stays taken. That leaves the parent's alone, as an epoll_ctl(2) or a shutdown(2) would not.
        """
        self._forked = self.stopping = True
        self._thread_id = None
        self.descriptor_lock.renew()
        self._agenda.abandon()
        fds = self._listeners.abandon() + self._dialer.abandon() + self._arrivals.abandon()
        fds += self._sessions.abandon() + self._hosted.abandon() + self._departures.abandon()
        self._enroller.abandon()
        self.outbox.belong_to(0)
        self.outbox.clear()
        self._intake.forget()
        self._aftermath.clear()
        self.watchers.clear()
        self.sockets.release(fds)
        if self.guest is not None:
            self.guest.abandon()
        close_copy = getattr(self.poller, "abandon", None)  # not every poller has something to close
        if close_copy is not None:
            close_copy()

    def close(self) -> None:
        """Ends the loop and releases all that it holds, once; its own thread, or any if it never ran."""
        if self._closed:
            return
        self._closed = True
        self.claim()
        settle, end_tasks = self._aftermath.settle_all, self._agenda.end
        steps = [self.stop_now, settle, end_tasks, settle, self._departures.end_lingering, end_tasks]
        if self.guest is not None:
            steps.append(self.guest.end)
        for step in steps:
            try:
                step()
            except BaseException:
                self.logger.critical("loop %d could not end in order", self.index, exc_info=True)
        self._thread_id = None
        self.outbox.belong_to(0)
        if not self._forked:
            self._thrift.finish()
        try:
            if not self._forked:
                self.poller.close()
        except BaseException:
            self.logger.exception("the poller of loop %d could not be closed", self.index)
        self.shared.loop_ended()
