"""A lease in Redis that three workers want, in a simulated world: redis.asyncio against the Redis example.

python examples/simulated_lease.py --seed 7
python examples/simulated_lease.py --seed 7 --clocks

Minutes of partitions and crashes pass in a moment, the same ones for the same seed. At most one of the
workers may believe that the lease is its own. Where clocks go wrong as well one believes it for too long,
and the simulation says when. It needs the packages redis and hiredis.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

if not __package__:
    # Run as a script. Here the file redis.py would hide the package of that name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.needed import needed

with needed("redis[hiredis]>=5"):
    from redis.asyncio import Redis as Client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

    from examples.redis import Redis

from netcore.testing import Simulation
from netcore.testing.simulation import ClockJump, ClockSkew, Crash, Host, LinkChange, Partition

LEASE = 10
"""Seconds for which the lease is given."""

DURATION = 300.0
"""Virtual seconds that everything takes, of which the net is bad in all but the last minute."""

FAULTS = (Partition, LinkChange, Crash)
WRONG_CLOCKS = (ClockSkew, ClockJump)


class Worker:
    """Wants the lease again and again, and has it for as long as its own clock says."""

    def __init__(self, simulation: Simulation, host: Host) -> None:
        self.simulation = simulation
        self.host = host
        self._until = 0.0

    @property
    def believes(self) -> bool:
        """Whether it takes the lease for its own."""
        return self.host.clock() < self._until

    async def work(self) -> None:
        """Runs on the host, and anew when that has crashed: then it remembers nothing."""
        self._until = 0.0
        client = Client(host="redis", socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
        async with client:
            while True:
                begun = time.monotonic()  # not later: what the answer takes is gone already
                try:
                    if await client.set("lease", self.host.name, nx=True, ex=LEASE):
                        self._until = begun + LEASE
                        self.say("has the lease")
                        await asyncio.sleep(self._until - time.monotonic())
                except (RedisError, OSError) as error:
                    self.say(type(error).__name__)
                await asyncio.sleep(1)

    def say(self, what: str) -> None:
        """Prints something with the virtual time."""
        print(f"{self.simulation.now:8.3f} s  {self.host.name}  {what}")


def simulate(seed: int, clocks: bool = False) -> Simulation:
    """Runs the world.

    Args:
        seed: Decides what happens in it.
        clocks: Whether clocks go wrong, too.

    Raises:
        AssertionError: Two of them believe that the lease is theirs.
    """
    simulation = Simulation(seed)
    with simulation.host("redis") as server:
        server.engine(Redis(), "tcp://:6379")
    workers = [Worker(simulation, simulation.host(name)) for name in ("a", "b", "c")]
    for worker in workers:
        worker.host.program(worker.work)

    def at_most_one() -> None:
        believers = [worker.host.name for worker in workers if worker.believes]
        assert len(believers) < 2, f"{' and '.join(believers)} have the lease"

    simulation.invariant(at_most_one)
    simulation.chaos(DURATION - 60, kinds=(*FAULTS, *WRONG_CLOCKS) if clocks else FAULTS)
    simulation.run(until=DURATION)
    return simulation


def main() -> None:
    """Runs one world, and says what it has come to."""
    parser = argparse.ArgumentParser(description="Simulates a lease in Redis that three workers want.")
    parser.add_argument("--seed", type=int, default=7, help="what decides everything (default: 7)")
    parser.add_argument("--clocks", action="store_true", help="have clocks go wrong, too")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    try:
        simulation = simulate(arguments.seed, arguments.clocks)
    except AssertionError as error:
        sys.exit(f"simulated_lease: {error}")
    took = time.perf_counter() - begun
    print(f"{DURATION:.0f} s in {took:.1f} s, {simulation.trace.count} events, {simulation.trace.digest()}")


if __name__ == "__main__":
    main()
