"""The conformance check for pollers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netcore.poll import Poller
from netcore.testing.conformance.descriptor_rules import DESCRIPTOR_RULES
from netcore.testing.conformance.poller_bench import PollerBench
from netcore.testing.conformance.readiness_rules import KERNEL_READINESS_RULES, READINESS_RULES
from netcore.testing.conformance.resting_rules import KERNEL_RESTING_RULES, RESTING_RULES
from netcore.testing.conformance.rules import put_to_test, run_rules
from netcore.testing.conformance.waiting_rules import (
    KERNEL_WAITING_RULES,
    WAITING_RULES,
    looks_without_waiting,
)

__all__ = ["check_poller"]

_KERNEL_RULES: Final = (*KERNEL_READINESS_RULES, *KERNEL_WAITING_RULES, *KERNEL_RESTING_RULES)
_RULES: Final = (
    looks_without_waiting,
    *READINESS_RULES,
    *WAITING_RULES,
    *KERNEL_READINESS_RULES,
    *KERNEL_WAITING_RULES,
    *DESCRIPTOR_RULES,
    *RESTING_RULES,
    *KERNEL_RESTING_RULES,
)
"""Looking comes first, since all others rely on it and would hang."""


def check_poller(factory: Callable[[], Poller]) -> None:
    """Checks that what ``factory`` makes keeps the contract of ``Poller``.

    It works on real sockets, except where the poller has a method ``open_pair`` that opens a ``Wire``
    (see the module ``wires``); such a poller is taken to have nothing to do with the kernel. One with a
    ``fileno`` is watched by that as well. It tolerates what a loop must tolerate: spurious readiness,
    and waits that end for no reason, as long as that does not go on. That a signal ends a wait is
    checked on the main thread only.

    In the block of a simulated host it works on the host's sockets, in virtual time, and other threads are
    events of the world::

        with Simulation(seed=1).host("a"):
            check_poller(open_poller)

    Args:
        factory: Called without arguments, any number of times; opens a new poller.

    Raises:
        AssertionError: It does not; the message is a sentence that says what is wrong.
    """

    def run(rule: Callable[[PollerBench], None]) -> None:
        try_on(PollerBench(factory()), rule)
        poller = factory()
        if hasattr(poller, "wait_columns"):
            try_on(PollerBench(poller, by_columns=True), rule)
        else:
            poller.close()

    def try_on(bench: PollerBench, rule: Callable[[PollerBench], None]) -> None:
        if _applies(rule, bench):
            put_to_test(rule, bench)
        else:
            bench.close()

    run_rules("poller", _RULES, run)


def _applies(rule: Callable[[PollerBench], None], bench: PollerBench) -> bool:
    if rule in DESCRIPTOR_RULES:
        return bench.fileno is not None
    return bench.on_kernel or rule not in _KERNEL_RULES
