"""Runs a unittest suite on asyncio's loop and on netcore's, and tells where they differ."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["Comparison", "Outcomes", "compare"]

LOOPS = ("stock", "netcore")
RUNNER = Path(__file__).with_name("run_unittest.py")
PATIENCE = 600.0
"""Seconds for the tests of a module; one that hangs is ended much sooner, by its own process."""

Outcomes = dict[str, tuple[str, str]]
"""How each test has ended: in a word, and in detail."""


@dataclass
class Comparison:
    """How a suite has ended on both loops."""

    stock: Outcomes
    netcore: Outcomes
    explained: dict[str, str] = field(default_factory=dict)
    """Tests that end otherwise here, and why that is no fault."""
    unexplained: list[str] = field(default_factory=list)

    def counts(self, loop: str) -> Counter[str]:
        """Counts how many tests have passed, failed, were skipped."""
        return Counter(outcome for outcome, _ in getattr(self, loop).values())

    def __str__(self) -> str:
        lines = [f"{len(self.stock)} tests, {len(self.explained)} differ and are explained"]
        lines += [f"  {loop}: {dict(self.counts(loop))}" for loop in LOOPS]
        lines += [f"explained: {test}: {why}" for test, why in self.explained.items()]
        for test in self.unexplained:
            for loop in LOOPS:
                outcome, details = getattr(self, loop).get(test, ("absent", ""))
                lines.append(f"UNEXPLAINED: {test}: {loop}: {outcome}\n{details[-2000:]}")
        return "\n".join(lines)


def compare(
    names: Sequence[str],
    differences: Mapping[str, str],
    *,
    python: str = sys.executable,
    path: Iterable[str] = (),
    cwd: str | None = None,
    also: str | None = None,
) -> Comparison:
    """Runs a suite on both loops, each module in processes of its own, two at a time.

    Tests that ended differently are run again, alone: on a busy machine some fail now and then on any loop.

    Args:
        names: The modules.
        differences: Why tests end otherwise on netcore's loop; the names may be patterns (``fnmatch``).
        python: The interpreter.
        path: What is put on its path.
        cwd: Where it runs.
        also: Another loop (see ``stand_in``): what ends on it as on netcore's is explained.
    """

    def run(loop: str, name: str) -> Outcomes:
        return _run(python, loop, name, path, cwd)

    with ThreadPoolExecutor(2) as pool:
        pairs = list(itertools.product(names, LOOPS))
        ended = list(pool.map(lambda pair: run(pair[1], pair[0]), pairs))
    found: dict[str, Outcomes] = {loop: {} for loop in LOOPS}
    for (_, loop), outcomes in zip(pairs, ended, strict=True):
        found[loop].update(outcomes)
    comparison = Comparison(found["stock"], found["netcore"])
    for test in sorted(comparison.stock.keys() | comparison.netcore.keys()):
        for _ in range(3):
            if _word(comparison.stock, test) == _word(comparison.netcore, test):
                break
            for loop in LOOPS:
                found[loop].pop(test, None)
                found[loop].update(run(loop, test))
        else:
            why = [text for pattern, text in differences.items() if fnmatchcase(test, pattern)]
            if not why and also and _word(run(also, test), test) == _word(comparison.netcore, test):
                why = [f"it ends the same on {also}'s loop in this place"]
            if why:
                comparison.explained[test] = why[0]
            else:
                comparison.unexplained.append(test)
    return comparison


def _word(outcomes: Outcomes, test: str) -> str:
    return outcomes.get(test, ("absent", ""))[0]


def _run(python: str, loop: str, name: str, path: Iterable[str], cwd: str | None) -> Outcomes:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        results.touch()
        search = os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            done = subprocess.run(
                [python, RUNNER, loop, results, name],
                env={**os.environ, "PYTHONPATH": search, "NETCORE_SUITES_LOOP": loop},
                cwd=cwd or folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
            )
            said = done.stderr if done.returncode else ""
        except subprocess.TimeoutExpired:
            said = "it did not end"
        outcomes: Outcomes = {}
        for line in results.read_text().splitlines():
            test, *rest = json.loads(line)
            outcomes[test] = (rest[0], rest[1]) if rest else ("ended the process", said)
        if said and not outcomes:
            outcomes[name] = ("did not begin", said)
        return outcomes
