"""Runs a unittest suite on netcore's loop, and what fails there on asyncio's; tells where they differ."""

from __future__ import annotations

import json
import os
import re
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

ENDED = "ended the process"

Outcomes = dict[str, tuple[str, str]]
"""How each test has ended: in a word, and in detail."""


@dataclass
class Comparison:
    """How a suite has ended on netcore's loop, and on the stock one what has not passed there."""

    stock: Outcomes
    netcore: Outcomes
    explained: dict[str, str] = field(default_factory=dict)
    """Tests that end otherwise here, and why that is no fault."""
    unexplained: list[str] = field(default_factory=list)

    def counts(self, loop: str) -> Counter[str]:
        """Counts how many tests have passed, failed, were skipped."""
        return Counter(outcome for outcome, _ in getattr(self, loop).values())

    def __str__(self) -> str:
        lines = [f"{len(self.netcore)} tests, {len(self.explained)} differ and are explained"]
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
    """Runs a suite, each module in processes of its own, two at a time.

    What passes on netcore's loop needs no other to say what is right: on the stock one goes the rest, which
    it skips or fails as well. Tests that ended differently are run again, alone: on a busy machine some fail
    now and then on any loop.

    Args:
        names: The modules.
        differences: Why tests end otherwise on netcore's loop; the names may be patterns (``fnmatch``).
        python: The interpreter.
        path: What is put on its path.
        cwd: Where it runs.
        also: Another loop (see ``stand_in``): what ends on it as on netcore's is explained.
    """

    def run(loop: str, *names: str) -> Outcomes:
        return _run(python, loop, names, path, cwd)

    found: dict[str, Outcomes] = {loop: {} for loop in LOOPS}
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda name: run("netcore", name), names))
        doubtful = filter(None, map(_doubtful, names, ended))
        judged = list(pool.map(lambda tests: run("stock", *tests), doubtful))
    for loop, all_outcomes in (("netcore", ended), ("stock", judged)):
        for outcomes in all_outcomes:
            found[loop].update(outcomes)
    comparison = Comparison(found["stock"], found["netcore"])
    passed = {test for test in comparison.netcore if _word(comparison.netcore, test) == "passed"}
    for test in sorted(comparison.stock.keys() | comparison.netcore.keys() - passed):
        for _ in range(3):
            if _word(comparison.stock, test) == _word(comparison.netcore, test):
                break
            for loop in LOOPS:
                found[loop].pop(test, None)
                found[loop].update(run(loop, _loadable(test)))
        else:
            why = [text for pattern, text in differences.items() if fnmatchcase(test, pattern)]
            if (
                not why
                and also
                and _word(run(also, _loadable(test)), test) == _word(comparison.netcore, test)
            ):
                why = [f"it ends the same on {also}'s loop in this place"]
            if why:
                comparison.explained[test] = why[0]
            else:
                comparison.unexplained.append(test)
    return comparison


def _word(outcomes: Outcomes, test: str) -> str:
    return outcomes.get(test, ("absent", ""))[0]


def _doubtful(name: str, outcomes: Outcomes) -> list[str]:
    """Returns what of a module has not passed; the module, if it has not come to its end."""
    if any(word == ENDED for word, _ in outcomes.values()):
        return [name]
    return list(dict.fromkeys(_loadable(test) for test in outcomes if _word(outcomes, test) != "passed"))


def _loadable(test: str) -> str:
    """Returns what unittest loads for a test: of a class or a module that could not be set up, that."""
    owner = re.search(r"\((.*)\)$", test)
    return owner[1] if owner else test


def _run(python: str, loop: str, names: Sequence[str], path: Iterable[str], cwd: str | None) -> Outcomes:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        results.touch()
        search = os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            done = subprocess.run(
                [python, RUNNER, loop, results, *names],
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
            outcomes[test] = (rest[0], rest[1]) if rest else (ENDED, said)
        if said and not outcomes:
            outcomes.update(dict.fromkeys(names, ("did not begin", said)))
        return outcomes
