"""The command line's arguments."""

import argparse
import random
import shlex
import sys
from pathlib import Path

from bench.catalogue import PROFILES, peer_names
from bench.registry import Registry

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"


def parse(line: list[str]) -> argparse.Namespace:
    """Reads the arguments; a wrong one ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="netcore beside its peers, server and load on a CPU of their own.",
        epilog="Lists are separated by commas. What is not given comes from the profile.",
    )
    add = parser.add_argument
    add("--profile", choices=PROFILES, default="quick", help="how much to measure (default: quick)")
    add("--workloads", type=_names, help="names or groups, as --list shows them (default: the profile's)")
    add("--peers", type=_names, help="names (default: of quick those that the goals need, of full all)")
    add("--baseline", help="the peer that ratios refer to (default: a workload's first)")
    add("--rounds", type=_Positive(int), help="windows per peer")
    add("--seconds", type=_Positive(float), help="length of a window")
    add("--warmup", type=_Positive(float), help="seconds of load before it")
    add("--sizes", type=_numbers, help="bytes per message of the stream echo")
    add("--connections", type=_numbers, help="connections of the stream echo")
    add(
        "--depth", type=_Positive(int), default=1, help="messages under way per connection of it (default: 1)"
    )
    add("--python", default=sys.executable, metavar="PATH", help="interpreter of the Python peers")
    add("--other", default="", metavar="TREE", help="source tree of another netcore, a peer as netcore-other")
    add(
        "--pythons",
        type=_interpreters,
        default=(),
        metavar="NAME=PATH,...",
        help="other interpreters, peers too",
    )
    add("--seed", type=int, default=random.randrange(1 << 16), help="decides the order in each round")
    add("--json", type=Path, metavar="FILE", help="write every sample here")
    add("--compare", type=Path, metavar="FILE", help="an earlier --json to show regressions against")
    add(
        "--worse",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=DOCUMENTS / "result.json",
        help="print nothing but what got worse since an earlier --json (default: what docs/benchmarks shows)",
    )
    add("--load", type=Path, metavar="FILE", help="measure nothing: report an earlier --json")
    add(
        "--write",
        type=Path,
        metavar="DIRECTORY",
        nargs="?",
        const=DOCUMENTS,
        help="write report, data and plots here (default: docs/benchmarks)",
    )
    add("--list", action="store_true", help="show the profile's workloads and their peers, and end")
    arguments = parser.parse_args(line)
    if arguments.worse and arguments.compare:
        parser.error("--worse compares by itself: leave out --compare")
    _check_peers(parser, arguments)
    return arguments


def _check_peers(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    known = peer_names(Registry(arguments.python, arguments.other, arguments.pythons))
    for name in [*(arguments.peers or ()), *([arguments.baseline] if arguments.baseline else ())]:
        if name not in known:
            parser.error(f"unknown peer {name!r}; there are {', '.join(known)}")
    if arguments.baseline and arguments.peers and arguments.baseline not in arguments.peers:
        parser.error(f"the baseline {arguments.baseline!r} is not among the peers")


def spell(line: list[str]) -> str:
    """Returns the command as it can be repeated elsewhere: of paths only the last part."""
    words = (Path(word).name if word.startswith("/") else word for word in line)
    return shlex.join(["python", "-m", "bench", *words])


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(text.split(",")))


def _interpreters(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name and path for name, _, path in pairs):
        raise ValueError
    return tuple((name, path) for name, _, path in pairs)


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


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
