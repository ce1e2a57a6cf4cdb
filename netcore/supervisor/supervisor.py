"""The supervisor: it binds, keeps processes that serve, and does as signals say."""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from netcore._machine import current
from netcore._seeking import refuse_while_seeking
from netcore._tls_files import TlsFiles
from netcore.address import Address
from netcore.engine.choices import chosen
from netcore.engine.eyes import check_admin
from netcore.engine.given import GivenListener, warn_of_unserved
from netcore.engine.greeting import check_wish, greet
from netcore.errors import InvalidAddressError, OptionsError, UnsupportedOperationError
from netcore.options import Options
from netcore.service import Notifier
from netcore.supervisor.channel import Message
from netcore.supervisor.checks import check_all, check_extras, checked_seconds, checked_size
from netcore.supervisor.errors import BootError
from netcore.supervisor.fleet import Fleet
from netcore.supervisor.hearing import Hearing
from netcore.supervisor.herald import Herald
from netcore.supervisor.launch import Launch, plain_options
from netcore.supervisor.limits import raise_open_files
from netcore.supervisor.listeners import Listeners
from netcore.supervisor.orders import Orders
from netcore.supervisor.processes import Processes
from netcore.supervisor.showing import Showing
from netcore.supervisor.succession import Succession
from netcore.supervisor.takeover import Predecessor
from netcore.supervisor.watching import FileWatch
from netcore.supervisor.yard import Pace

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from netcore.overrides import OptionOverrides, ProcessOverrides

__all__ = ["Supervisor"]

_GRACE = 2.0
"""Seconds beyond ``shutdown_timeout`` in which a process ends by itself: ``on_shutdown`` has one of them."""

_LAST_GRACE = 1.0
"""Seconds beyond that until a process without a supervisor is killed."""

_WORDS = 4
"""How often within ``hang_timeout`` a process says how its loops are."""

_LOOK = 0.4
"""Seconds between two looks at files that were imported."""

_ASLEEP = 1.0
"""Seconds by which a wait that lasts too long tells that this process was not running."""

_INQUIRY = "inquiry"
"""What wakes the supervisor when processes are to be asked something; among the names of signals."""

_LISTENERS = ("", "own", "shared")

_logger = logging.getLogger("netcore")


class Supervisor:
    """Serves a handler in several processes, each an engine of its own, with one set of listeners.

    Args:
        target: "module:handler", which is imported in each process: an ``EventHandler``, its class, or a
            function that returns one.
        addresses: Where to listen, as text or as ``Address``.
        processes: How many; 0 for one per usable CPU.
        configure: "module:function", called in each process with its ``Options``; what it returns counts.
        hang_timeout: Seconds after which a process is ended of which a callback does not return, or that says
            nothing at all; 0 for never. Neither its boot nor idleness counts.
        drain_timeout: Seconds for which a process that is replaced lets its connections end by themselves.
        reload: Replace the processes when a file that they have imported changes; for development.
        listeners: ``"own"``: each process has one for each address, between which the kernel spreads
            connections (SO_REUSEPORT); ``"shared"``: all accept from the same. Empty for own ones where they
            balance. Unix sockets and those that were passed are shared always.
        balancer: "module:class" of a load balancer for the loops of each process.
        tls_files: The certificates of ``tls://`` addresses, loaded in each process.
        log_level: What each process logs to standard error, as a level of ``logging``; 0 to leave that alone.
        log_format: "text" or "json".
        options: Of each process; the defaults if None.
        overrides: Fields of ``Options`` that replace those of ``options``.

    Raises:
        OptionsError: An option is unknown, has a bad value, or cannot cross to another process.
        InvalidAddressError: An address is none, or there is no address.
        UnsupportedProtocolError: An address has a scheme that cannot be served.
        UnsupportedOperationError: This platform cannot pass sockets to processes (Windows).
    """

    def __init__(
        self,
        target: str,
        *addresses: str | Address | GivenListener,
        processes: int = 0,
        configure: str = "",
        hang_timeout: float = 0,
        drain_timeout: float = 30,
        reload: bool = False,
        listeners: str = "",
        balancer: str = "",
        tls_files: TlsFiles | None = None,
        log_level: int = 0,
        log_format: str = "text",
        options: Options | None = None,
        **overrides: Unpack[ProcessOverrides],
    ) -> None:
        if not hasattr(signal, "pthread_sigmask") or os.name == "nt":
            raise UnsupportedOperationError(
                "this platform has no supervisor: sockets cannot be passed to processes nor signals taken; "
                "serve with several loops in one process, by num_event_loops"
            )
        if not addresses:
            raise InvalidAddressError("a supervisor needs at least one address to listen on")
        options = chosen(options, cast("OptionOverrides", overrides))
        self._size = checked_size(processes)
        hang = checked_seconds(hang_timeout, "hang_timeout") or math.inf
        if listeners not in _LISTENERS:
            raise OptionsError(f"listeners is {listeners!r}: it must be 'own', 'shared' or empty")
        wanted = [one if isinstance(one, GivenListener) else Address.parse(one) for one in addresses]
        check_extras(reload, balancer, tls_files, log_level, log_format)
        check_all(target, configure, options, tls_files, wanted)
        check_admin(options)
        stop = options.shutdown_delay + options.shutdown_timeout + _GRACE
        self._launch = Launch(
            target=target,
            configure=configure,
            balancer=balancer,
            options=plain_options(options),
            tls_files=tls_files,
            log_level=log_level,
            log_format=log_format,
            asks=0.0 if hang == math.inf else hang / _WORDS,
            watches=reload,
            measures=bool(options.admin),
            grace=stop + _LAST_GRACE,
        )
        self._listeners = Listeners(wanted, options, listeners != "shared", _logger)
        self._processes = Processes(self._launch, self._listeners, _logger)
        pace = Pace(
            hang=hang,
            drain=checked_seconds(drain_timeout, "drain_timeout"),
            stop=stop,
        )
        self._fleet = Fleet(self._size, self._processes, pace, time.monotonic, _logger)
        self._pace = pace
        self._orders = Orders()
        self._watch = FileWatch() if reload else None
        self._showing = Showing(
            options.admin,
            self._fleet,
            lambda: self._orders.give(_INQUIRY),
            time.monotonic,
            _logger,
            options.shutdown_delay,
        )
        self._selector: selectors.BaseSelector
        self._hearing: Hearing
        self._herald: Herald
        self._succession: Succession
        self._announced = False
        self._stops = 0
        self._acts: dict[str, Callable[[], object]] = {
            "SIGTERM": self._stop,
            "SIGINT": self._stop,
            "SIGHUP": self._replace,
            "SIGTTIN": self._grow,
            "SIGTTOU": self._fleet.shrink,
            "SIGUSR2": lambda: self._succession.upgrade(),
            _INQUIRY: lambda: self._showing.pass_on(self._fleet.members, self._processes.ask),
            "SIGCHLD": lambda: None,  # it has woken the supervisor, which looks in any case
        }

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where it listens, with real ports once it runs. Any thread."""
        return self._listeners.addresses

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes that serve now, in the order of their places. Any thread."""
        return tuple(member.pid for member in self._fleet.serving())

    @property
    def admin_address(self) -> Address | None:
        """Where ``Options.admin`` is served, with the real port once it runs; None without. Any thread."""
        return self._showing.address

    def run(self) -> None:
        """Binds, starts the processes, and blocks until they have ended.

        On the main thread it takes signals: SIGTERM and SIGINT stop all, a second one ends them at once;
        SIGHUP replaces every process, one after the other; SIGTTIN and SIGTTOU make it one more and one less;
        SIGUSR2 starts a new supervisor, which takes the listeners over.

        Where it listens is told as by ``netcore.run``.

        Raises:
            OptionsError: NETCORE_ANNOUNCE is neither 0 nor 1.
            OSError: An address cannot be bound.
            BootError: No process has ever booted.
            RuntimeError: One of its processes imports the module that calls this, for the handler in it.
        """
        refuse_while_seeking("Supervisor.run")
        current().serve_until_signalled("Supervisor.run")
        check_wish()
        with self._orders, self._orders.taken(self._acts), selectors.DefaultSelector() as self._selector:
            self._selector.register(self._orders, selectors.EVENT_READ)
            raise_open_files(_logger)
            try:
                predecessor = Predecessor.find()
            except EOFError:
                _logger.error("the supervisor that this one was to follow has ended: so does this one")
                return
            if predecessor is not None:
                self._listeners.inherit(predecessor.take_kept())
                self._showing.follow(predecessor.shown)
            self._listeners.open(self._size)
            warn_of_unserved(_logger)
            with Notifier.from_environment() as notifier:
                try:
                    self._serve(predecessor, notifier)
                finally:
                    self._processes.kill_all()  # there are none but after an exception
                    self._listeners.close()
        if self._fleet.failure:
            raise BootError(self._fleet.failure)
        _logger.info("stopped")

    def stop(self) -> None:
        """Does what SIGTERM does. Any thread."""
        self._orders.give("SIGTERM")

    def replace(self) -> None:
        """Does what SIGHUP does. Any thread."""
        self._orders.give("SIGHUP")

    def _serve(self, predecessor: Predecessor | None, notifier: Notifier) -> None:
        self._herald = Herald(notifier, self._fleet, time.monotonic)
        self._hearing = Hearing(self._processes, self._selector, self._listen_to)
        self._succession = Succession(
            predecessor,
            self._fleet,
            self._listeners,
            lambda: self._showing.address,
            self._herald,
            self._pace.drain + self._pace.stop,
            self._selector,
            self._stop,
            _logger,
        )
        try:
            if predecessor is None:
                self._showing.open()
            self._fleet.start()
            while not (self._fleet.over and self._succession.over):
                self._turn()
        finally:
            self._succession.close()
            self._showing.close()

    # One turn: wait, hear, obey, bury, and do what is due.

    def _turn(self) -> None:
        self._hearing.follow()
        self._herald.look()
        self._wait()
        for name in self._orders.take():
            self._acts[name]()
        for pid, status in self._processes.ended():
            self._fleet.exited(pid, status, self._hearing.bury(pid))
            self._showing.gone(pid)
        if self._watch is not None and (changed := self._watch.changed()):
            _logger.info("%s has changed", ", ".join(changed))
            self._replace()
        self._fleet.step()
        self._succession.step()
        if self._succession.handed_over:
            self._showing.close()
        elif self._succession.has_taken_over:
            self._showing.open_again()

    def _wait(self) -> None:
        """Waits for what happens, no longer than until something is due, and hears it."""
        due = min(self._fleet.next_due(), self._herald.due, self._hearing.due, self._succession.due)
        if self._succession.has_taken_over:
            due = min(due, self._showing.due)
        timeout = due - time.monotonic()
        if self._watch is not None:
            timeout = min(timeout, _LOOK)
        before = time.monotonic()
        ready = self._selector.select(None if timeout == math.inf else max(timeout, 0))
        if time.monotonic() - before > max(timeout, 0) + _ASLEEP:
            # It was stopped, by Ctrl+Z say, and the processes with it: their silence means nothing.
            for pid in list(self._fleet.members):
                self._fleet.heard(pid)
        for key, _ in ready:
            if key.data is not None:
                key.data()

    def _listen_to(self, pid: int, message: Message) -> None:
        if message.get("ready"):
            self._fleet.ready(pid)
            if self._fleet.count:  # and not one that has been told to stop meanwhile
                self._announce()
        elif "stuck" in message:
            self._fleet.heard(pid, float(message["stuck"]), str(message.get("where", "")))
        elif "answer" in message:
            self._showing.answered(pid, message)
        elif "files" in message and self._watch is not None:
            self._watch.add(message["files"])

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            greet(self.addresses, _logger)

    # What signals do.

    def _stop(self) -> None:
        self._stops += 1
        self._succession.stop()
        if self._stops == 1:
            _logger.info("stopping")
            self._fleet.stop()
        else:
            self._fleet.stop_now()

    def _grow(self) -> None:
        if self._succession.over:
            self._fleet.grow()
        else:  # which has what this one listened on when it was started: the rest would be lost with this one
            _logger.warning("there is no process more: a new supervisor is about to take over")

    def _replace(self) -> None:
        if not self._fleet.ending:
            _logger.info("replacing every process")
            self._fleet.replace_all()
