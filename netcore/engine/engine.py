"""The engine: listeners, loops and a balancer put together, started and stopped as one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from netcore._durations import seconds
from netcore._machine import current
from netcore.address import Address
from netcore.engine.assembly import EMPTY, assemble
from netcore.engine.binding import socket_options
from netcore.engine.choices import Choices, check_address, chosen
from netcore.engine.company import Company
from netcore.engine.given import GivenListener, source_of, sources_of
from netcore.engine.greeting import greet
from netcore.engine.guests import check_asyncio, give_guests, with_asyncio
from netcore.engine.handlers import check_handler, warn_of_handler
from netcore.engine.hangs import Hang, hangs, report
from netcore.engine.lifecycle import Lifecycle, Phase
from netcore.engine.process import track
from netcore.engine.rebalancing import rebalance
from netcore.engine.secured import Secured
from netcore.engine.threads import LoopThreads
from netcore.errors import (
    EngineNotRunningError,
    InvalidAddressError,
    OptionsError,
    UnsupportedOperationError,
)
from netcore.eventloop import Loop, Shared
from netcore.handler import Action, Conn, EngineView, EventHandler, Metrics, Timings
from netcore.options import Options
from netcore.proxy import ProxyHeader

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Unpack

    from netcore.overrides import OptionOverrides

__all__ = ["Engine"]

_T = TypeVar("_T")

_DRAIN_LOOK = 0.01
"""Seconds between two looks at the connection count while draining."""

_LATE = "the engine has not ended in its time"

_GRACE = 1.0
"""Seconds beyond ``shutdown_timeout`` until a loop that has not ended counts as one that hangs."""


class Engine(EngineView):
    """Serves a handler on one or more addresses, on threads of its own. Also a context manager.

    An engine runs once. Its methods may be called on any thread, in signal handlers and in finalizers, too.

    Args:
        handler: The application: an ``EventHandler``, or anything that has all its callbacks.
        addresses: Where to listen, as text or as ``Address``, or a socket that does as ``GivenListener``.
        options: How; the defaults if None.
        overrides: Fields of ``Options`` that replace those of ``options``.

    Raises:
        TypeError: The handler is a class, lacks a callback, or has one that is no plain method; or the
            options are no ``Options``.
        OptionsError: An option is unknown, has a bad value, or contradicts another one.
        PollerUnavailableError: The option ``poller`` names none.
        InvalidAddressError: An address is none, or there is no address.
        UnsupportedProtocolError: An address has a scheme that cannot be served.
        OSError: The file ``Options.log_path`` cannot be written.

    Attributes:
        measured: Whether turns and callbacks are measured, for ``timings``: at first, whether
            ``Options.admin`` is set. It can be set as long as the engine has not been started.
        ended_by: The first exception of a callback that is no ``Exception``, such as the SystemExit of
            ``sys.exit()``, and so has stopped the engine; None if there was none. ``run`` raises it.
    """

    def __init__(
        self,
        handler: EventHandler,
        *addresses: str | Address | GivenListener,
        options: Options | None = None,
        **overrides: Unpack[OptionOverrides],
    ) -> None:
        if not addresses:
            raise InvalidAddressError("an engine needs at least one address to listen on")
        self._prepare(handler, addresses, chosen(options, overrides))

    @classmethod
    def without_listeners(cls, handler: EventHandler, options: Options) -> Engine:
        """Makes an engine that only dials; see ``Client``."""
        engine = cls.__new__(cls)
        engine._prepare(handler, (), options)
        return engine

    def _prepare(
        self, handler: EventHandler, addresses: Sequence[str | Address | GivenListener], options: Options
    ) -> None:
        check_handler(handler)
        options = with_asyncio(handler, options)
        self.options: Options = options
        self._wanted, self._sources = sources_of(addresses)
        check_asyncio(handler, options, self._wanted)
        self._choices = Choices.from_options(self.options, self._wanted)
        self._secured = Secured(self.options)
        self._handler = handler
        self._company = Company(self.options)
        self._logger = self._company.logger
        self._machine = current()
        self._life = Lifecycle(self._machine)
        self._assembly = EMPTY
        self._threads = self._machine.make(LoopThreads)
        self._hosted: list[Loop] = []
        self._stops_accepting = False
        self._opened = False
        self.measured: bool = bool(options.admin)
        self._booting: int | None = None
        self._booted = False
        self.ended_by: BaseException | None = None

    def __enter__(self) -> Engine:
        """Starts the engine, unless it is running."""
        if not self.running:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the engine and waits for its end; hosted loops of this thread are closed at once."""
        self.stop()
        self.end_hosted()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(map(str, self.addresses))}: {self._life.state}>"

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the engine listens, with real ports once it has been started."""
        return self._assembly.listeners.addresses if self.loops else self._wanted

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The event loops; none before the start."""
        return self._assembly.loops

    @property
    def connection_count(self) -> int:
        """Connections of all loops together."""
        return self._steadily(lambda: sum(loop.connection_count for loop in self.loops))

    def _steadily(self, look: Callable[[], _T]) -> _T:
        """Looks at one loop after the other, and misses no connection that changes its loop meanwhile."""
        return self.loops[0].shared.moves.steadily(look) if self.loops else look()

    @property
    def running(self) -> bool:
        """Whether the engine has started and not begun to stop, before which ``shutdown_delay`` passes."""
        return self._life.phase is Phase.RUNNING

    @property
    def accepting(self) -> bool:
        """Whether it wants connections: from when ``on_boot`` has returned until it is told to stop that.

        In ``Options.shutdown_delay`` it takes those that come all the same.
        """
        return self._opened and self.running and not (self._stops_accepting or self.leaving)

    @property
    def stopping(self) -> bool:
        """Whether it has begun to stop, or has ended."""
        return self._life.phase in (Phase.STOPPING, Phase.STOPPED)

    @property
    def admin_address(self) -> Address | None:
        """Where ``Options.admin`` is served, with the real port from the start on; None without."""
        return self._company.admin_address

    @property
    def leaving(self) -> bool:
        """Whether it was asked to stop, and still serves for ``Options.shutdown_delay``."""
        return self.running and self._life.leaving_since is not None

    def metrics(self) -> Metrics:
        """Returns the numbers of all loops added up; each loop has a ``metrics`` of its own.

        Before the start all of them are zero, and after the end they stay as they were last.
        """
        return self._steadily(lambda: Metrics.total(loop.metrics() for loop in self.loops))

    def timings(self) -> Timings | None:
        """Returns how long turns and callbacks take, on all loops together; each loop has ``timings``, too.

        Returns:
            None unless that is measured, and before the start.
        """
        parts = [part for loop in self.loops if (part := loop.timings()) is not None]
        return Timings.total(parts) if parts else None

    def stuck_for(self) -> float:
        """Returns for how many seconds the turn is known to last of the loop that is worst off.

        0.0 while all loops wait, or are merely busy; neither ``on_boot`` nor ``on_shutdown`` counts. A turn
        counts from the first time that it was looked at: see ``EventLoop.stuck_for``.
        """
        return max((loop.stuck_for() for loop in self.loops), default=0.0)

    def get(self, conn_id: int) -> Conn | None:
        """Returns the open connection with this id, or None."""
        found = self._steadily(lambda: [conn for loop in self.loops if (conn := loop.find(conn_id))])
        return found[0] if found else None

    def connections(self) -> list[Conn]:
        """Returns the open connections of all loops, dialled ones included."""
        found = self._steadily(lambda: [conn for loop in self.loops for conn in loop.connections()])
        return list(dict.fromkeys(found))  # one that changes its loop may be seen at both

    def rebalance(self) -> int:
        """Has crowded loops give idle connections to those that have fewer, until they differ by one at most.

        Each loop does so in its next turns. A connection keeps everything but ``conn.loop``: its number, its
        descriptor, its context, its deadlines, and the order of what comes and of what is written. What any
        thread asks of it reaches it as ever.

        Idle is a stream that is open both ways and is neither paused nor congested, with nothing that is
        unread, unsent, or asked for and not carried out, such as an asynchronous write or a ``wake``. Others
        stay, as do connections with TLS, those of the poller io_uring, and those of loops of asyncio.

        A handler must not rely then on two connections having one loop, and what it has given to
        ``conn.loop.execute`` or ``schedule`` runs on the loop that this was at the time.

        Returns:
            How many are to move, if so many are idle.

        Raises:
            EngineNotRunningError: The engine is not running.
        """
        self._life.check_running("rebalance")
        return rebalance(self.loops)

    def start(self, hosted: bool = False) -> None:
        """Binds, starts the loops, calls ``on_boot`` and begins to accept.

        Args:
            hosted: Whether the loops are given their turns by the caller, on this thread, rather than each
                have a thread of its own. He calls ``turn`` of each until it is ``finished``, and
                ``end_hosted`` in the end.

        Whatever it raises, nothing is left open then, no thread runs on, and the sockets that were given are
        the caller's again. ``on_shutdown`` is called if ``on_boot`` was.

        Raises:
            OptionsError: Loops of asyncio are asked for, and the loops are hosted; nothing is started.
            OSError: An address cannot be bound, that of ``Options.admin`` included, or a given socket does
                not listen.
            PollerUnavailableError: This machine cannot run the poller.
            UnsupportedOperationError: This machine lacks something the options ask for, or cannot serve
                sockets of the kind that is given.
            RuntimeError: The engine has been started before, or the system has no thread left for a loop.
            BaseException: What ``on_boot`` has raised.
        """
        if hosted and self.options.asyncio:
            text = "hosted loops have no threads for loops of asyncio: let tasks run where the host is"
            raise OptionsError(f"option asyncio is True: {text}", option="asyncio")
        mark = object()
        try:
            self._life.begin(mark)
            self._company.open_log()
            warn_of_handler(self._handler, self.options.ticker, self._logger)
            shared = Shared.from_options(
                self._handler,
                self.options,
                self._logger,
                socket_options(self.options),
                shutdown=self.request_stop,
                loop_ended=self._loop_ended,
                exiting=self._exiting,
                measured=self.measured,
                access_log=self._company.access_log,
            )
            self._company.show(self)
            wanted = tuple(zip(self._wanted, self._sources, strict=True))
            self._assembly = assemble(shared, self.options, self._choices, wanted, self._secured)
            self._life.expect(len(self.loops))
            give_guests(self.loops, self.options)
            self._machine.make(track, self, self._company.logs)
            self._company.note_down()
            if hosted:
                self._hosted = list(self.loops)
                for loop in self.loops:
                    loop.claim()
            else:
                self._threads.start(self.loops, self._choices.cpus)
            self._company.watch(self.loops)
            self._life.started()
            self._boot()
        except BaseException:
            if self._life.was_begun(mark) and self._life.phase is not Phase.FORKED:
                self._undo()
            raise

    def _boot(self) -> None:
        self._booting = self._machine.thread_id()
        self._booted = True
        action: object = self._handler.on_boot(self)
        self._booting = None
        if self._life.phase is Phase.FORKED:  # which would serve with no loops, and never end
            self._life.check_running("start()")
        if action is not None and not isinstance(action, Action):
            self._logger.error("on_boot returned %r, which is no Action and counts as None", action)
        # Before anything is accepted, which would get a number of standard input or output. What follows asks
        # the loops for something and cannot fail.
        self._assembly.takings.keep()
        if action is Action.SHUTDOWN or self._life.stop_asked:
            self._stop_loops()
            self.stop()
            return
        self._opened = True  # before anybody can be accepted
        for loop in self.loops:
            loop.post(loop.start_accepting)
        self._company.attend(self, self.loops, self._handler, lambda: self.running)

    def _undo(self) -> None:
        """Ends what a start that has failed has begun."""
        self._booting = None
        deadline = self._machine.monotonic() + self._patience()
        try:
            self._life.begin_stopping(although_starting=True)
            if self.loops:
                self._life.expect(len(self.loops))
                self._threads.end(
                    self.loops, lambda loop: loop.post(loop.stop, self.options.shutdown_timeout)
                )
                if not self._life.wait(deadline - self._machine.monotonic()):
                    self.report_hangs(_LATE)
                self._threads.join(deadline)
        finally:
            self._assembly.takings.give_back()
            if not self.loops:
                self._finish()

    def _patience(self) -> float:
        """Seconds after which an engine that stops has ended, or hangs."""
        return self.options.shutdown_timeout + _GRACE

    def stop(self, timeout: float | None = None) -> bool:
        """Stops accepting, closes the connections gracefully and waits. Idempotent.

        With ``Options.shutdown_delay`` that begins so much later: see there.

        Args:
            timeout: Seconds to wait; None for a second beyond ``Options.shutdown_delay`` and
                ``Options.shutdown_timeout`` at most.

        Returns:
            Whether everything has ended. If a callback hangs it has not, and the log says which. On a loop's
            thread, which the end must not wait for, False at once.

        Raises:
            TypeError: The timeout is no int or float; nothing is stopped.
            ValueError: It is negative or not a number; likewise.
        """
        if timeout is not None:
            timeout = seconds(timeout, "a timeout")
        if self._life.give_up():
            self._finish()
        self.request_stop()
        if self._on_own_thread():
            return False
        if timeout is not None:
            return self._life.wait(timeout)
        if self._life.wait(self._delay_left() + self._patience()):
            return True
        self.report_hangs(_LATE)
        return False

    def stop_in_time(self) -> bool:
        """Waits as ``stop`` does, but only for what is left since it began to stop, and says nothing."""
        since = self._stopping_since()
        if since is None or self._on_own_thread():
            return False
        return self._life.wait(max(since + self._patience() - self._machine.monotonic(), 0))

    def request_stop(self) -> None:
        """Begins what ``stop`` does, without waiting."""
        delays = self.options.shutdown_delay > 0 and self.accepting and self.addresses
        if delays and self._life.begin_leaving():
            for loop in self.loops:  # each: one may hang
                loop.schedule(self.options.shutdown_delay, self._stop_loops)
        elif not self.leaving:
            self._stop_loops()

    def _stop_loops(self) -> None:
        if self._life.begin_stopping():
            for loop in self.loops:
                loop.post(loop.stop, self.options.shutdown_timeout)

    def _stopping_since(self) -> float | None:
        """When it began to stop, or is going to."""
        leaving = self._life.leaving_since
        later = None if leaving is None else leaving + self.options.shutdown_delay
        return self._life.stopping_since or later

    def _delay_left(self) -> float:
        """Seconds until it begins to stop."""
        return max((self._stopping_since() or 0) - self._machine.monotonic(), 0)

    def stop_now(self) -> None:
        """Stops and resets all connections at once, without waiting."""
        self._stop_loops()
        for loop in self.loops:
            loop.post(loop.stop_now)

    def end_hosted(self) -> None:
        """Closes the loops that this thread hosts, whatever is left on them; see ``start``."""
        for loop in self._hosted:
            if loop.in_loop():
                loop.close()

    def abandon(self) -> None:
        """Makes the engine inert in a forked child: it lives on in the parent, and only there."""
        if self._life.abandon():
            self._company.abandon()
            for loop in self.loops:
                loop.abandon()

    def join(self, timeout: float | None = None) -> bool:
        """Waits for the engine's end.

        Args:
            timeout: Seconds to wait; None for as long as it takes.

        Returns:
            Whether it has ended. On a loop's thread, which would wait for itself, False at once.

        Raises:
            TypeError: The timeout is no int or float.
            ValueError: It is negative or not a number.
        """
        if timeout is not None:
            timeout = seconds(timeout, "a timeout")
        return False if self._on_own_thread() else self._life.wait(timeout)

    def wait_leaving(self, timeout: float) -> bool:
        """Waits until it was asked to stop, or has ended, so many seconds at most; returns whether it was."""
        return self._life.wait_leaving(timeout)

    def listen(self, source: str | Address | GivenListener) -> Address:
        """Listens on one address more, or on a socket that is given.

        Everything is as with what the engine was made with: TLS, PROXY headers, several loops. The system
        queues connections from when this returns, and the loops accept them from their next turn on, or from
        when ``on_boot`` has returned. It waits for no loop, so callbacks may call it, too.

        Args:
            source: Where; see ``Engine``. What is given is the engine's from then on, as with ``start``.

        Returns:
            The address with its real port.

        Raises:
            EngineNotRunningError: The engine is not running, or has stopped accepting.
            InvalidAddressError: It is no address, or one of several inherited sockets.
            UnsupportedProtocolError: It has a scheme that cannot be served.
            OptionsError: It is one with TLS, and ``Options.tls`` has no context of a server's.
            OSError: It cannot be bound, or the given socket does not listen; that stays the caller's.
            UnsupportedOperationError: This machine lacks something the options ask for, or cannot serve such
                a socket; likewise.
        """
        self._life.check_running("listen")
        if self._stops_accepting:
            raise EngineNotRunningError(
                "listen needs an engine that accepts, and this one has stopped accepting"
            )
        wanted, made_from = source_of(source)
        check_address(wanted, self.options)
        check_asyncio(self._handler, self.options, (wanted,))
        listener = self._assembly.open(made_from, wanted)
        if self.has_booted:  # else it is started with the others
            listener.start()
        return listener.address

    def stop_listening(self, address: str | Address | GivenListener) -> None:
        """Closes one listener, on all loops; the others and all connections go on.

        The engine goes on even if that was its last. What the system has queued for the listener, and nobody
        has accepted, is reset, unless a duplicate of it is open somewhere.

        It waits until the loops have closed it, so that the address is free; for a callback that hangs no
        longer than ``stop`` does. On a loop's thread, which must not wait, it returns at once, and each loop
        closes the listener in its next turn.

        Args:
            address: One of ``addresses``, or as it was given to the engine. Of several such listeners it is
                the one that was opened last; the ``GivenListener`` that one was made from tells them apart.

        Raises:
            EngineNotRunningError: The engine is not running.
            ValueError: The engine does not listen there.
        """
        self._life.check_running("stop_listening")
        which = address if isinstance(address, GivenListener) else Address.parse(address)
        closing = self._assembly.listeners.close(which)
        if not self._on_own_thread() and not closing.wait(self._patience()):
            self.report_hangs(f"{closing.address} has not been closed in its time")

    def stop_accepting(self) -> None:
        """Closes the listeners for good, and at once; connections go on.

        Raises:
            EngineNotRunningError: The engine is not running.
        """
        self._life.check_running("stop_accepting")
        self._stops_accepting = True
        for loop in self.loops:
            loop.post(loop.stop_accepting)

    def drain(self, timeout: float) -> bool:
        """Waits for the connections to end by themselves, up to their ``on_close`` and closed descriptor.

        Those that are not open yet count, too: accepted, dialled or enrolled, and whatever they wait for.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether none is left. On a loop's thread, which may not wait, that is answered at once.

        Raises:
            TypeError: The timeout is no int or float.
            ValueError: It is negative or not a number.
            EngineNotRunningError: The engine is not running.
        """
        timeout = seconds(timeout, "a timeout")
        self._life.check_running("drain")
        deadline = self._machine.monotonic() + (0 if self._on_own_thread() else timeout)
        while (left := self._unfinished()) and self._machine.monotonic() < deadline:
            if self._life.wait(_DRAIN_LOOK):
                break
        return not left or not self._unfinished()

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
        """Connects to an address, on the loop that the balancer picks; see ``EventLoop.dial``.

        Raises:
            EngineNotRunningError: The engine is not running.
            Exception: See there.
        """
        self._life.check_running("dial")
        target = Address.parse(address)
        return self._assembly.picker.pick(target).dial(
            target,
            context,
            timeout,
            tls=tls,
            server_hostname=server_hostname,
            tls_session=tls_session,
            proxy=proxy,
        )

    def enroll(self, sock: socket.socket, context: object = None) -> Future[Conn]:
        """Takes a connected socket over, on the loop that the balancer picks; see ``EventLoop.enroll``.

        Raises:
            EngineNotRunningError: The engine is not running.
            UnsupportedOperationError: It is no socket that can be served; it stays the caller's.
            OSError: It is not connected; it stays the caller's.
        """
        self._life.check_running("enroll")
        return self._assembly.picker.pick(None).enroll(sock, context)

    def dup_listener(self, address: str | Address | None = None) -> int:
        """Duplicates the descriptor of a listener, for a successor to take over as ``GivenListener``.

        The file of a Unix socket stays from then on if somebody still listens there when this engine stops.

        Args:
            address: One of ``addresses``, or as it was given to the engine; None for the first.

        Returns:
            The new descriptor, which the caller closes.

        Raises:
            EngineNotRunningError: The engine is not running.
            ValueError: The engine does not listen there.
            OSError: The listener has been closed, or no descriptor is left.
        """
        self._life.check_running("dup_listener")
        wanted = None if address is None else Address.parse(address)
        return self._assembly.listeners.find(wanted).dup()

    def replace_tls(self, context: ssl.SSLContext) -> None:
        """Takes another context for listeners with TLS: for handshakes that begin from now on.

        Connections that are there keep theirs, and ``options`` says what it said. Unlike with a certificate
        that is loaded into the context in use, authorities can be withdrawn so, and no session of before is
        resumed.

        Args:
            context: A server's.

        Raises:
            EngineNotRunningError: The engine is not running.
            TypeError: It is no ``ssl.SSLContext``.
            ValueError: It is a client's.
            UnsupportedOperationError: The engine has no listener with TLS.
        """
        self._life.check_running("replace_tls")
        if not any(address.is_tls for address in self.addresses):
            raise UnsupportedOperationError("replace_tls: this engine has no listener with TLS")
        self._secured.replace(context)

    def _unfinished(self) -> int:
        """Counts the connections that are not over, those that change their loop meanwhile among them."""
        return self._steadily(self._count_unfinished)

    def _count_unfinished(self) -> int:
        """Counts the connections that are not over, in the order in which they move from loop to loop.

        One that is under way all the time is met in one place at least: it is looked for in the next only
        after the one before. Listeners that are about to close may still accept.
        """
        listening = self._stops_accepting and any(loop.listening for loop in self.loops)
        closing = self._assembly.listeners.closing
        placing = sum(loop.placing for loop in self.loops)
        return listening + closing + placing + sum(loop.unfinished for loop in self.loops)

    def _on_own_thread(self) -> bool:
        """Whether the calling thread would wait for itself."""
        return (
            any(loop.holds_up_here() for loop in self.loops)
            or self._assembly.picker.holds_up_here()
            or self._life.on_own_thread()
        )

    def _exiting(self, error: BaseException) -> None:
        """Notes what the application ends the engine by."""
        if self.ended_by is None:
            self.ended_by = error
        self._machine.exiting(error)

    def overdue(self) -> bool:
        """Whether the engine should have ended by now, but for a callback that hangs.

        ``on_shutdown`` has as much time of its own as everything before it.
        """
        since = self._life.ending_since or self._stopping_since()
        late = since is not None and self._machine.monotonic() - since > self._patience()
        return late and not self._life.wait(0)

    @property
    def has_booted(self) -> bool:
        """Whether ``on_boot`` has returned, after which nothing that is the application's keeps ``start``."""
        return self._booted and self._booting is None

    def hangs(self) -> list[Hang]:
        """Tells where its threads are that have not ended; see ``netcore.engine.hangs``."""
        steps = (("the engine's start", self._booting), ("the engine's end", self._life.holds_up()))
        return list(hangs(self.loops, steps))

    def greet(self) -> None:
        """Says where it listens, as ``run`` does."""
        greet(self.addresses, self._logger)

    def report_hangs(self, why: str) -> None:
        """Logs where its threads are that have not ended."""
        report(self._logger, why, self.hangs())

    def _loop_ended(self) -> None:
        if self.leaving:  # one has failed: the others do not stay
            self._stop_loops()
        if not self._life.loop_ended():
            return
        try:
            if self._booted:
                self._handler.on_shutdown(self)
        except BaseException as error:
            if not isinstance(error, Exception):
                self._exiting(error)
            self._logger.exception("on_shutdown failed")
        finally:
            self._finish()

    def _finish(self) -> None:
        try:
            self._company.end()
        finally:
            self._life.finish()
