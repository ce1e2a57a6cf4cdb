"""The supervisor: it binds, keeps processes that serve, and does as signals say."""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netcore._durations import seconds
from netcore._platform import REUSE_PORT_OPTION, usable_cpus
from netcore.address import Address
from netcore.engine.choices import Choices, chosen
from netcore.engine.given import GivenListener
from netcore.errors import InvalidAddressError, OptionsError, UnsupportedOperationError
from netcore.options import Options
from netcore.service import Notifier
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.errors import BootError
from netcore.supervisor.files import TlsFiles
from netcore.supervisor.fleet import Fleet
from netcore.supervisor.herald import Herald
from netcore.supervisor.launch import Launch, plain_options
from netcore.supervisor.limits import raise_open_files
from netcore.supervisor.listeners import Listeners
from netcore.supervisor.orders import Orders
from netcore.supervisor.processes import Processes
from netcore.supervisor.takeover import Predecessor, Successor
from netcore.supervisor.watching import FileWatch
from netcore.supervisor.yard import Pace

__all__ = ["Supervisor"]

_GRACE = 2.0
"""Seconds beyond ``shutdown_timeout`` in which a process ends by itself: ``on_shutdown`` has one of them."""

_WORDS = 4
"""How often within ``hang_timeout`` a process says how its loops are."""

_LOOK = 0.4
"""Seconds between two looks at files that were imported."""

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
        **overrides: object,
    ) -> None:
        if not hasattr(signal, "pthread_sigmask") or os.name == "nt":
            raise UnsupportedOperationError(
                "this platform has no supervisor: sockets cannot be passed to processes nor signals taken; "
                "serve with several loops in one process, by num_event_loops"
            )
        if not addresses:
            raise InvalidAddressError("a supervisor needs at least one address to listen on")
        options = chosen(options, overrides)
        self._size = _checked_size(processes)
        hang = _checked_seconds(hang_timeout, "hang_timeout") or math.inf
        if listeners not in _LISTENERS:
            raise OptionsError(f"listeners is {listeners!r}: it must be 'own', 'shared' or empty")
        wanted = [one if isinstance(one, GivenListener) else Address.parse(one) for one in addresses]
        _check(target, configure, options, tls_files, wanted)
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
        )
        own = listeners != "shared" and REUSE_PORT_OPTION is not None
        self._listeners = Listeners(wanted, options, own, _logger)
        self._processes = Processes(self._launch, self._listeners, _logger)
        pace = Pace(
            hang=hang,
            drain=_checked_seconds(drain_timeout, "drain_timeout"),
            stop=options.shutdown_timeout + _GRACE,
        )
        self._fleet = Fleet(self._size, self._processes, pace, time.monotonic, _logger)
        self._orders = Orders()
        self._selector: selectors.BaseSelector
        self._followed: set[int] = set()
        self._heard: dict[int, Channel] = {}
        self._watch = FileWatch() if reload else None
        self._herald: Herald
        self._predecessor: Predecessor | None = None
        self._successor: Successor | None = None
        self._announced = False
        self._stops = 0
        self._acts: dict[str, Callable[[], object]] = {
            "SIGTERM": self._stop,
            "SIGINT": self._stop,
            "SIGHUP": self._replace,
            "SIGTTIN": self._fleet.grow,
            "SIGTTOU": self._fleet.shrink,
            "SIGUSR2": self._upgrade,
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

    def run(self) -> None:
        """Binds, starts the processes, and blocks until they have ended.

        On the main thread it takes signals: SIGTERM and SIGINT stop all, a second one ends them at once;
        SIGHUP replaces every process, one after the other; SIGTTIN and SIGTTOU make it one more and one less;
        SIGUSR2 starts a new supervisor, which takes the listeners over.

        Raises:
            OSError: An address cannot be bound.
            BootError: No process has ever booted.
        """
        self._selector = selectors.DefaultSelector()
        self._predecessor = Predecessor.find()
        if self._predecessor is not None:
            self._listeners.inherit(self._predecessor.take_kept())
        self._listeners.open(self._size)
        try:
            raise_open_files(_logger)
            with Notifier.from_environment() as notifier, self._orders.taken(self._acts):
                self._selector.register(self._orders, selectors.EVENT_READ)
                if self._predecessor is not None:
                    self._selector.register(self._predecessor.channel, selectors.EVENT_READ)
                self._herald = Herald(notifier, self._fleet, time.monotonic)
                self._fleet.start()
                while not self._fleet.over:
                    self._turn()
        finally:
            self._end()
        if self._fleet.failure:
            raise BootError(self._fleet.failure)
        _logger.info("stopped")

    def stop(self) -> None:
        """Does what SIGTERM does. Any thread."""
        self._orders.give("SIGTERM")

    def replace(self) -> None:
        """Does what SIGHUP does. Any thread."""
        self._orders.give("SIGHUP")

    def _end(self) -> None:
        self._processes.kill_all()  # there are none but after an exception
        if self._successor is not None:
            self._successor.close()
        if self._predecessor is not None:
            self._predecessor.close()
        self._selector.close()
        self._orders.close()
        self._listeners.close()

    # One turn: wait, hear, bury, obey, and do what is due.

    def _turn(self) -> None:
        self._follow()
        self._herald.look()
        due = min(self._fleet.next_due(), self._herald.due) - time.monotonic()
        if self._watch is not None:
            due = min(due, _LOOK)
        for key, _ in self._selector.select(None if due == math.inf else max(due, 0)):
            if isinstance(key.data, int):
                self._hear(key.data)
            elif self._predecessor is not None and key.fileobj is self._predecessor.channel:
                self._hear_predecessor()
            elif self._successor is not None and key.fileobj is self._successor.channel:
                self._hear_successor()
        for name in self._orders.take():
            self._acts[name]()
        for pid, status in self._processes.ended():
            self._fleet.exited(pid, status, self._bury(pid))
        if self._watch is not None and (changed := self._watch.changed()):
            _logger.info("%s has changed", ", ".join(changed))
            self._replace()
        self._fleet.step()
        self._look_at_successor()
        if self._predecessor is not None and self._fleet.complete:
            self._selector.unregister(self._predecessor.channel)
            self._predecessor.taken()
            self._predecessor.close()
            self._predecessor = None

    def _follow(self) -> None:
        """Listens to the processes that were started."""
        for pid, running in self._processes.running.items():
            if pid not in self._followed:
                self._followed.add(pid)
                self._heard[pid] = running.channel
                self._selector.register(running.channel, selectors.EVENT_READ, pid)

    def _bury(self, pid: int) -> str:
        """Hears what a process has said before it ended, and returns what it has left behind."""
        self._follow()
        while (channel := self._heard.get(pid)) is not None:
            if not channel.has_something():  # a fork of it lives on, and has the other end
                self._selector.unregister(channel)
                del self._heard[pid]
            self._hear(pid)
        self._followed.discard(pid)
        return self._processes.bury(pid)

    def _hear(self, pid: int) -> None:
        channel = self._heard.get(pid)
        if channel is None:
            return
        try:
            for message in channel.receive():
                self._listen_to(pid, message)
        except EOFError:  # it is about to end
            self._selector.unregister(channel)
            del self._heard[pid]

    def _listen_to(self, pid: int, message: Message) -> None:
        if message.get("ready"):
            self._fleet.ready(pid)
            self._announce()
        elif "stuck" in message:
            self._fleet.heard(pid, float(message["stuck"]), str(message.get("where", "")))
        elif "files" in message and self._watch is not None:
            self._watch.add(message["files"])

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            _logger.info("listening on %s", ", ".join(map(str, self.addresses)))

    # What signals do.

    def _stop(self) -> None:
        self._stops += 1
        if self._successor is not None:
            self._successor.give_up()
        if self._stops == 1:
            _logger.info("stopping")
            self._fleet.stop()
        else:
            self._fleet.stop_now()

    def _replace(self) -> None:
        if not self._fleet.ending:
            _logger.info("replacing every process")
            self._fleet.replace_all()

    # From this supervisor to the next.

    def _upgrade(self) -> None:
        if self._fleet.ending or self._successor is not None or self._predecessor is not None:
            _logger.warning("no new supervisor is started: this one is not the only one, or about to end")
            return
        try:
            self._successor = Successor(self._listeners.everything())
        except OSError as error:
            _logger.error("a new supervisor cannot be started, and this one stays: %s", error)
            return
        self._successor.channel.set_blocking(False)
        self._selector.register(self._successor.channel, selectors.EVENT_READ)
        _logger.info("a new supervisor (%d) is to take over", self._successor.pid)

    def _hear_successor(self) -> None:
        assert self._successor is not None
        try:
            for message in self._successor.channel.receive():
                if message.get("taken") and not self._fleet.ending:
                    _logger.info("the new supervisor (%d) serves, and this one ends", self._successor.pid)
                    self._herald.hand_on(self._successor.pid)
                    self._listeners.hand_on()
                    self._fleet.retire_all()
        except EOFError:
            self._selector.unregister(self._successor.channel)

    def _look_at_successor(self) -> None:
        successor = self._successor
        status = successor.status() if successor is not None else None
        if successor is None or status is None or self._fleet.ending:
            return
        _logger.error("the new supervisor has ended with status %d, and this one stays", status)
        with suppress(KeyError):  # it has been heard to its end
            self._selector.unregister(successor.channel)
        successor.close()
        self._successor = None

    def _hear_predecessor(self) -> None:
        assert self._predecessor is not None
        try:
            for message in self._predecessor.channel.receive():
                if message.get("give_up"):
                    self._stop()
        except EOFError:  # it has gone, and this one serves all the same
            self._selector.unregister(self._predecessor.channel)
            self._predecessor.close()
            self._predecessor = None


def _checked_size(processes: object) -> int:
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 0:
        raise OptionsError(f"processes is {processes!r}: it must be a whole number, 0 for one per usable CPU")
    return processes or len(usable_cpus())


def _checked_seconds(value: object, name: str) -> float:
    try:
        return seconds(value, name)
    except (TypeError, ValueError) as error:
        raise OptionsError(str(error)) from None


def _check(
    target: object, configure: object, options: Options, tls_files: TlsFiles | None, wanted: list[Any]
) -> None:
    """Raises what the processes would raise later."""
    for name, reference in (("target", target), ("configure", configure)):
        if not isinstance(reference, str) or (":" not in reference and (reference or name == "target")):
            raise OptionsError(f"{name} is {reference!r}: it must be of the form 'module:name'")
    if str(target).partition(":")[0] == "__main__":
        raise OptionsError(f"target is {target!r}: each process has a __main__ of its own; name a module")
    addresses = tuple(one.address if isinstance(one, GivenListener) else one for one in wanted)
    secured = [address for address in addresses if address.is_tls]
    if secured and tls_files is None and not configure:
        raise OptionsError(
            f"{str(secured[0])!r} needs a certificate: give its files, or set Options.tls by configure"
        )
    Choices.from_options(options, () if secured else addresses)
