r"""A load balancer of one's own: the less loaded of two loops chosen at random.

python examples/custom_load_balancer.py tcp://127.0.0.1:9000 --loops 4
netcore run examples.custom_load_balancer:Where tcp://127.0.0.1:9000 --loops 4 \
    --lb examples.custom_load_balancer:TwoChoices
nc 127.0.0.1 9000

Two random choices come close to the best of all, without looking at all (Mitzenmacher, "The Power of Two
Choices in Randomized Load Balancing", 1996).
"""

import argparse
import random
import sys
from collections.abc import Sequence

import netcore
from netcore.lb import LoopT


class TwoChoices:
    """Takes the one with fewer connections of two loops chosen at random."""

    def __init__(self) -> None:
        self._random = random.Random()

    def pick(self, loops: Sequence[LoopT], remote: netcore.Address | None) -> LoopT:
        """Chooses a loop for a new connection; any object with this method is a load balancer."""
        candidates = self._random.sample(loops, min(2, len(loops)))
        return min(candidates, key=lambda loop: loop.connection_count)


class Where(netcore.EventHandler):
    """Tells each connection which loop it is on, and sends back what it says."""

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("where on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Tells the choice that was made."""
        conn.write(f"loop {conn.loop.index}\n".encode())

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Sends back what comes."""
        conn.write(conn.read())


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Spreads connections with a load balancer of its own.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=4, metavar="N", help="event loops (default: 4)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            Where(), *arguments.addresses, num_event_loops=arguments.loops, load_balancer=TwoChoices()
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"where: {error}")


if __name__ == "__main__":
    main()
