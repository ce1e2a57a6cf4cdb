"""The command line: `python -m bench`."""

import argparse
import json
import random
import sys
from pathlib import Path

from bench import machine, process, toolchain
from bench.registry import stream_echo_peers
from bench.report import Result, to_json, to_markdown
from bench.rounds import run_rounds
from bench.workload import StreamEcho


def main() -> int:
    """Runs the benchmark; 0 if every peer that is not missing was measured in every round."""
    if sys.platform != "linux":
        print("bench: pinning, CPU clocks and load generator are Linux's", file=sys.stderr)
        return 1
    arguments = _parse()
    peers = stream_echo_peers(arguments.python)
    workload = StreamEcho(
        arguments.connections, arguments.size, arguments.depth, arguments.warmup, arguments.seconds
    )
    cpus = process.pick_cpus()
    process.raise_descriptor_limit()
    try:
        outcomes = run_rounds(
            [peers[name] for name in arguments.peers],
            workload,
            cpus,
            arguments.rounds,
            random.Random(arguments.seed),
            report=lambda line: print(line, file=sys.stderr),
        )
    except toolchain.CompileError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    result = Result(
        workload="stream echo",
        settings={**workload.describe(), "rounds": arguments.rounds, "seed": arguments.seed},
        machine=machine.facts(arguments.python, cpus),
        baseline=arguments.baseline,
        outcomes=outcomes,
    )
    print(to_markdown(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(to_json(result), indent=2) + "\n")
    measured = any(outcome.samples for outcome in outcomes.values())
    return 0 if measured and not any(outcome.failed for outcome in outcomes.values()) else 1


def _parse() -> argparse.Namespace:
    known = list(stream_echo_peers(sys.executable))
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Stream echo: netcore beside its peers, server and load on a CPU of their own.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--peers", type=_names, default=",".join(known), help="names, comma-separated")
    add("--baseline", help="the peer that ratios refer to; the first of --peers if not given")
    add("--connections", type=_Positive(int), default=50, help="connections")
    add("--size", type=_Positive(int), default=64, help="bytes per message")
    add("--depth", type=_Positive(int), default=1, help="messages under way per connection")
    add("--seconds", type=_Positive(float), default=2.0, help="length of the measured window")
    add("--warmup", type=_Positive(float), default=0.5, help="seconds of load before it")
    add("--rounds", type=_Positive(int), default=5, help="windows per peer")
    add("--python", default=sys.executable, metavar="PATH", help="interpreter of the Python peers")
    add("--seed", type=int, default=random.randrange(1 << 16), help="decides the order in each round")
    add("--json", type=Path, metavar="FILE", help="write every sample here")
    arguments = parser.parse_args()
    for name in arguments.peers:
        if name not in known:
            parser.error(f"unknown peer {name!r}; there are {', '.join(known)}")
    arguments.baseline = arguments.baseline or arguments.peers[0]
    if arguments.baseline not in arguments.peers:
        parser.error(f"the baseline {arguments.baseline!r} is not among the peers")
    return arguments


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(text.split(",")))


class _Positive:
    """An argparse type: an int or float above zero."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind
        self.__name__ = f"positive {kind.__name__}"  # argparse names it in its error message

    def __call__(self, text: str) -> float:
        value = self._kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value


if __name__ == "__main__":
    sys.exit(main())
