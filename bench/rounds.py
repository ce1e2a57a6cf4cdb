"""The method: every peer once per round, in a random order of its own."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench import process
from bench.process import Cpus, RunError
from bench.registry import Peer
from bench.workload import Sample, StreamEcho


@dataclass
class Outcome:
    """What became of one peer; its samples are by round, and a reason says why there are no more."""

    missing: str | None = None
    failed: str | None = None
    samples: dict[int, Sample] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.missing is not None:
            return "missing"
        return "measured" if self.failed is None else "failed"


def run_rounds(
    peers: Sequence[Peer],
    workload: StreamEcho,
    cpus: Cpus,
    rounds: int,
    order: random.Random,
    report: Callable[[str], None],
) -> Mapping[str, Outcome]:
    """Measures `peers` in `rounds` rounds and returns an outcome for each, in the given order.

    Machine noise comes in stretches longer than one window. Interleaving lets each stretch meet all
    peers alike, and the random order keeps a peer from always following the same neighbour.
    A peer that fails once is not measured again; the others go on.
    """
    outcomes = {peer.name: Outcome(missing=peer.missing()) for peer in peers}
    for number in range(1, rounds + 1):
        standing = [peer for peer in peers if outcomes[peer.name].status == "measured"]
        order.shuffle(standing)
        for peer in standing:
            line = _measure(peer, workload, cpus, outcomes[peer.name], number)
            report(f"round {number}/{rounds}  {peer.name:<12} {line}")
    return outcomes


def _measure(peer: Peer, workload: StreamEcho, cpus: Cpus, outcome: Outcome, number: int) -> str:
    try:
        with process.serving(peer, cpus.server) as server:
            sample = workload.measure(server, cpus)
    except RunError as error:
        outcome.failed = f"round {number}: {error}"
        return f"failed: {error}"
    outcome.samples[number] = sample
    return f"{sample.cpu_us_per_message:8.2f} us/msg {sample.messages_per_second:10,.0f} msg/s"
