"""What accompanies the loops of an engine: its logs, and who watches them, shows them or gives them work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from netcore._machine import current
from netcore.address import Address
from netcore.engine.eyes import Eyes, check_admin, open_eyes
from netcore.engine.logs import open_log
from netcore.engine.rebalancing import Rebalancer
from netcore.engine.ticker import Ticker
from netcore.engine.watchdog import Watchdog
from netcore.eventloop import AccessLog, GuardedLogger, Loop, access_logger
from netcore.handler import EngineView, EventHandler
from netcore.options import Options

__all__ = ["Company"]


class Company:
    """As many of them as the options ask for, begun and ended with the engine.

    Args:
        options: The engine's.

    Attributes:
        logger: The engine's.
        access_log: Where connections are noted down; None for nowhere.

    Raises:
        OptionsError: What an admin server is made of is not installed.
        OSError: The file ``Options.log_path`` cannot be written.
    """

    def __init__(self, options: Options) -> None:
        check_admin(options)
        self._options = options
        logger, self._log_file = open_log(options)
        self.logger = GuardedLogger(logger)
        self.access_log = current().make(AccessLog, access_logger(logger)) if options.access_log else None
        self._eyes: Eyes | None = None
        self._watchdog: Watchdog | None = None

    @property
    def logs(self) -> list[GuardedLogger | AccessLog]:
        """What is written on threads of its own, which may be in the midst of it when the process ends."""
        return [self.logger, *([self.access_log] if self.access_log is not None else [])]

    @property
    def admin_address(self) -> Address | None:
        """Where the admin server is, with the real port once it is there; None without."""
        if self._eyes is not None:
            return self._eyes.address
        return Address.parse(self._options.admin) if self._options.admin else None

    def open_log(self) -> None:
        """Opens the log's file, before there is anything to be told.

        Raises:
            OSError: It cannot be opened any more.
        """
        if self._log_file is not None:
            self._log_file.open()

    def show(self, engine: EngineView) -> None:
        """Begins to show an engine, before it has anything else.

        Raises:
            OSError: The admin server's address cannot be bound.
            UnsupportedProtocolError: This platform cannot serve it.
            RuntimeError: The system has no thread left.
        """
        self._eyes = open_eyes(engine, self._options, self.logger)

    def note_down(self) -> None:
        """Begins the access log, before there are connections."""
        if self.access_log is not None:
            self.access_log.start()

    def watch(self, loops: Sequence[Loop]) -> None:
        """Begins to watch loops that have their threads.

        Raises:
            RuntimeError: The system has no thread left.
        """
        if 0 < self._options.watchdog < math.inf:
            self._watchdog = current().make(Watchdog, loops, self._options.watchdog, self.logger)
            self._watchdog.start()

    def attend(
        self, engine: EngineView, loops: Sequence[Loop], handler: EventHandler, running: Callable[[], bool]
    ) -> None:
        """Gives the loops of an engine that has booted their regular work."""
        if self._options.rebalance_interval and len(loops) > 1:
            Rebalancer(loops, self._options.rebalance_interval, running).start()
        if self._options.ticker:
            Ticker(handler, engine, loops[0], self.logger).start()

    def abandon(self) -> None:
        """Makes all of them inert in a forked child."""
        self.logger.abandon()
        if self.access_log is not None:
            self.access_log.abandon()
        if self._eyes is not None:
            self._eyes.abandon()

    def end(self) -> None:
        """Ends all of them, the log behind what was logged."""
        if self._eyes is not None:
            self._eyes.close()
        if self._watchdog is not None:
            self._watchdog.end()
        if self.access_log is not None:
            self.access_log.finish()
        if self._log_file is not None:
            self.logger.last(self._log_file.close)
