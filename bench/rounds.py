"""The method: in each round every workload, and for it every peer once, in a random order."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.figures import CPU, FIGURES, RATE, Sample
from bench.peer import Peer
from bench.process import Cpus, RunError
from bench.progress import Progress
from bench.results import Outcome
from bench.workloads import Timing, Window, Workload


@dataclass(frozen=True)
class Task:
    """A workload with those of its peers that were asked for, and what became of them."""

    workload: Workload
    peers: tuple[Peer, ...]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def probe(self) -> None:
        """Finds out who is missing."""
        here = self.workload.missing()
        for peer in self.peers:
            self.outcomes[peer.name] = Outcome(missing=here or peer.missing())

    def standing(self) -> list[Peer]:
        """Returns the peers to be measured: a peer that has failed once is not tried again."""
        return [peer for peer in self.peers if self.outcomes[peer.name].status == "measured"]


def run_rounds(
    tasks: Sequence[Task],
    cpus: Cpus,
    timing: Timing,
    rounds: int,
    order: random.Random,
    progress: Progress,
) -> None:
    """Measures all tasks in `rounds` rounds and puts the samples into their outcomes.

    Machine noise comes in stretches longer than one window. Interleaving lets each stretch meet all
    peers of a workload alike, and the random order keeps a peer from always following the same neighbour.
    An interrupt from the keyboard ends it early; what has been measured stays.
    """
    try:
        for number, task in enumerate(tasks):
            progress.preparing(task.workload.name, number, len(tasks))
            task.probe()
        progress.start(rounds * sum(len(task.standing()) for task in tasks))
        for number in range(1, rounds + 1):
            window = Window(number, cpus, timing)
            for task in tasks:
                standing = task.standing()
                order.shuffle(standing)
                for peer in standing:
                    said = _measure(task.workload, peer, window, task.outcomes[peer.name])
                    label = f"round {number}/{rounds}  {task.workload.name:<16} {peer.name:<16}"
                    progress.advance(f"{label} {said}")
    except KeyboardInterrupt:
        progress.note("interrupted; what has been measured so far:")
    finally:
        progress.stop()


def _measure(workload: Workload, peer: Peer, window: Window, outcome: Outcome) -> str:
    try:
        sample = workload.measure(peer, window)
    except (RunError, OSError) as error:
        outcome.failed = f"round {window.round}: {error}"
        return f"failed: {error}"
    outcome.samples[window.round] = sample
    return _line(sample, dict.fromkeys((*workload.compared, CPU, RATE)))


def _line(sample: Sample, names: Iterable[str]) -> str:
    shown = [(FIGURES[name], sample[name]) for name in names if name in sample]
    return "  ".join(f"{figure.style.format(value)} {figure.heading}" for figure, value in shown)
