"""The conformance check for batched socket I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from netcore.sockets import Sockets
from netcore.testing.conformance.accept_rules import ACCEPT_RULES
from netcore.testing.conformance.connect_rules import CONNECT_RULES
from netcore.testing.conformance.datagram_rules import DATAGRAM_RULES
from netcore.testing.conformance.ending_rules import ENDING_RULES
from netcore.testing.conformance.lifetime_rules import LIFETIME_RULES
from netcore.testing.conformance.receive_rules import RECEIVE_RULES
from netcore.testing.conformance.rules import put_to_test, run_rules
from netcore.testing.conformance.send_rules import SEND_RULES
from netcore.testing.conformance.sendfile_rules import SENDFILE_RULES
from netcore.testing.conformance.sockets_bench import SocketsBench

__all__ = ["check_sockets"]

_RULES: Final = LIFETIME_RULES + RECEIVE_RULES + SEND_RULES + SENDFILE_RULES + ACCEPT_RULES + ENDING_RULES


def check_sockets(factory: Callable[[], Sockets]) -> None:
    """Checks that what ``factory`` makes keeps the contract of ``Sockets``, on the machine's sockets.

    It opens some hundred sockets, and for a moment lowers the process's limit of open descriptors, so
    nothing else should be opening files meanwhile.

    A backend of streams alone, without ``receive_datagrams``, is not asked about datagrams, and one without
    ``connect`` not about connecting.

    In the block of a simulated host the sockets are the host's, and it is the host's limit that is lowered::

        with Simulation(seed=1).host("a"):
            check_sockets(PureSockets)

    Args:
        factory: Called without arguments, any number of times; makes new sockets.

    Raises:
        AssertionError: It does not; the message is a sentence that says what is wrong.
    """

    def run(rule: Callable[[SocketsBench], None]) -> None:
        put_to_test(rule, SocketsBench(factory()))

    def run_singly(rule: Callable[[SocketsBench], None]) -> None:
        put_to_test(rule, SocketsBench(factory(), singly=True))

    abilities = factory()
    run_rules("sockets", _RULES, run)
    if hasattr(abilities, "receive_one"):
        run_rules("sockets", _RULES, run_singly)
    if hasattr(abilities, "receive_datagrams"):
        run_rules("sockets", DATAGRAM_RULES, run)
    if hasattr(abilities, "connect"):
        run_rules("sockets", CONNECT_RULES, run)
