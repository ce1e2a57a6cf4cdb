"""Asking the load balancer."""

from __future__ import annotations

import logging

from netcore._complaints import complain, place_of, plain
from netcore._locks import is_held_here, make_lock
from netcore.address import Address
from netcore.eventloop import Loop, Shared
from netcore.lb import LoadBalancer

__all__ = ["Picker"]


class Picker:
    """Asks the balancer, and does without when it fails: a connection should not pay for that. Any thread.

    Args:
        balancer: Is asked by one thread at a time, and never inside a call of its own.
        loops: What there is to pick from; none before the engine's start.
        shared: Where its faults are reported.
    """

    def __init__(self, balancer: LoadBalancer, loops: tuple[Loop, ...], shared: Shared) -> None:
        self._balancer = balancer
        self._loops = loops
        self._shared = shared
        self._lock = make_lock()  # the accepting loop and any thread that dials
        self._asking = False

    def pick(self, remote: Address | None) -> Loop:
        """Picks a loop for a peer's address, or for a socket whose peer does not matter."""
        with self._lock:
            if self._asking:  # a signal handler or a finalizer dials, on the thread that is in the balancer
                return min(self._loops, key=lambda loop: loop.connection_count)
            self._asking = True
            try:
                return self._ask(remote)
            finally:
                self._asking = False

    def holds_up_here(self) -> bool:
        """Whether the calling thread is in here, and so must not wait for a loop that may want to be."""
        return is_held_here(self._lock)

    def _ask(self, remote: Address | None) -> Loop:
        logger = self._shared.logger
        try:
            loop = self._balancer.pick(self._loops, remote)
        except Exception as error:
            complain(logger, logging.ERROR, place_of(error), "the load balancer failed", error=error)
        except BaseException as error:
            if not any(loop.in_loop() for loop in self._loops):
                raise  # it is for who dials
            logger.critical("the load balancer ends the engine", exc_info=True)
            self._shared.exiting(error)
            self._shared.shutdown()
        else:
            if loop in self._loops:
                return loop
            what = plain(repr(loop))
            complain(
                logger, logging.ERROR, Picker, "the load balancer picked %s, which is none of the loops", what
            )
        return self._loops[0]
