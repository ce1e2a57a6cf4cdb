"""What a run of tox has found, and what a second look at it has: for the last lines of .ci/run.

    looks.py failed RESULTS              the environments in which a test failed, with commas
    looks.py broken RESULTS              those that failed otherwise
    looks.py keep WORK_DIR FIRST         what tests failed in each environment, into a file
    looks.py few FIRST                   ends well if so few failed that a second look is worth its time
    looks.py late FIRST SECOND           what is in one of pytest's caches of failures and not in another
    looks.py tell RESULTS AGAIN WORK_DIR FIRST     a line for each environment, the defects, and what failed

RESULTS is tox's --result-json, and AGAIN that of the environments that were made anew; empty where none
was. A test that failed at first and passed at the second look is a defect of the test or of netcore: the
kernel and the clock are shared with other programs, and a test has to bear that. Wine has a second look of
its own (tests/wine/run), whose defects wait in a file called late. What made the run fail is told last,
for whoever sees only the end of its output.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_FEW = 20  # tests of an environment: more that fail at once is no matter of the kernel's or the clock's
_LAST = 15  # lines of what an environment said before it failed: enough for an error of most programs
_SUMMARY = re.compile(r"^=+ (.*(?:passed|failed|error|skipped).* in .*?) =+$", re.MULTILINE)


def environments(results: Path) -> dict[str, dict[str, object]]:
    """Reads what tox says of each environment that has run; those that only build packages have no result."""
    text = results.read_text(encoding="utf-8")
    said = json.loads(text)["testenvs"] if text else {}
    return {name: env for name, env in said.items() if "result" in env}


def failing(results: Path, of_tests: bool) -> list[str]:
    """Returns the environments that failed: those in which a test did, or the others."""
    return [
        name
        for name, env in environments(results).items()
        if not env["result"]["success"] and failed_in_tests(env) == of_tests
    ]


def failed_tests(work_dir: Path) -> dict[str, list[str]]:
    """Returns the tests that failed when they last ran in each environment, as pytest's caches have them."""
    found = {}
    for cache in sorted(work_dir.glob("*/cache*/v/cache/lastfailed")):
        _, _, poller = cache.parents[2].name.partition("-")
        found[cache.parents[3].name + (poller and f", {poller}")] = failures(cache)
    return found


def failures(cache: Path) -> list[str]:
    """Returns the tests in a cache of pytest's."""
    return sorted(json.loads(cache.read_text(encoding="utf-8"))) if cache.exists() else []


def are_few(first: dict[str, list[str]]) -> bool:
    """Whether what has failed may be a matter of chance in every environment."""
    return all(len(tests) <= _FEW for tests in first.values())


def minutes(env: dict[str, object]) -> str:
    """Returns how long an environment took, set-up included, in minutes and seconds."""
    whole, seconds = divmod(round(env["result"]["duration"]), 60)
    return f"{whole}:{seconds:02}"


def summaries(env: dict[str, object]) -> Iterator[str]:
    """Returns the last lines of pytest, one for each command that ran it."""
    for command in env.get("test", ()):
        yield from _SUMMARY.findall(command.get("output", ""))


def reason(envs: dict[str, dict[str, object]], line: str) -> str:
    """Returns a line on a test with why it failed, where pytest has said so.

    Args:
        envs: As `environments` reads them.
        line: The environment, a colon, the test.
    """
    where, _, test = line.partition(": ")
    title = re.escape(test.partition("::")[2].replace("::", "."))
    # Up to the title of the next one; in a group of exceptions a bar stands before each line.
    until, error = r"(?:(?!^_+ [^_]).)*?", r"^(?:[ |]+)?E +([^\n]*)"
    why = re.compile(rf"^_+ (?:ERROR at \w+ of )?{title} _+${until}{error}", re.MULTILINE | re.DOTALL)
    for name, env in envs.items():
        if where.startswith(name):  # Wine's caches have longer names than its environment
            for command in env.get("test", ()):
                if found := why.search(command.get("output", "")):
                    return f"{line}: {found[1]}"
    return line


def last_words(env: dict[str, object]) -> list[str]:
    """Returns the end of what the last command of an environment said."""
    said = [command.get("output", "") + command.get("err", "") for command in env.get("test", ())[-1:]]
    return said[0].splitlines()[-_LAST:] if said else ["no command was run"]


def failed_in_tests(env: dict[str, object]) -> bool:
    """Whether pytest has found in an environment what failed there."""
    return any(re.search(r"failed|error", summary) for summary in summaries(env))


def defects(first: dict[str, list[str]], second: dict[str, list[str]]) -> list[str]:
    """Returns what failed at first and no longer does."""
    return [
        f"{name}: {test}"
        for name, tests in first.items()
        for test in tests
        if test not in second.get(name, ())
    ]


def told(
    results: Path, again: Path, first: dict[str, list[str]], second: dict[str, list[str]], early: list[str]
) -> Iterator[str]:
    """Writes the last lines: how each environment did at first, the defects, what failed for good.

    Args:
        results: Of the first look.
        again: Of the environments that were made anew for the second.
        first: What failed at the first look.
        second: What fails now.
        early: Defects that an environment has found by a second look of its own.
    """
    envs, anew = environments(results), environments(again)
    yield "+ in short"
    for name, env in sorted(envs.items(), key=lambda item: not item[1]["result"]["success"]):
        verdict = "ok" if env["result"]["success"] else "FAILED"
        yield f"  {name:<14} {verdict:<7} {minutes(env):>5}  {'; '.join(summaries(env))}".rstrip()
    late = early + defects(first, second)
    if late:
        yield f"+ {len(late)} passed only at the second look, each a DEFECT of the test or of netcore"
        yield from (f"  DEFECT {reason(envs, line)}" for line in late)
    still = [f"{name}: {test}" for name, tests in second.items() for test in tests]
    if still:
        yield f"+ {len(still)} failed at the last look"
        yield from (f"  FAILED {reason(envs, line)}" for line in still)
    for name in failing(results, of_tests=False):
        last, how = anew.get(name, envs[name]), "failed, not in a test:"
        if last["result"]["success"]:
            last, how = envs[name], "went well only when it was made anew: at first"
        yield f"+ {name} {how}"
        yield from (f"    {line}" for line in last_words(last))


def main() -> None:
    """Does what the arguments say."""
    match sys.argv[1:]:
        case ["failed", results]:
            print(",".join(failing(Path(results), of_tests=True)))
        case ["broken", results]:
            print(",".join(failing(Path(results), of_tests=False)))
        case ["keep", work_dir, first]:
            Path(first).write_text(json.dumps(failed_tests(Path(work_dir))), encoding="utf-8")
        case ["few", first]:
            sys.exit(not are_few(json.loads(Path(first).read_text(encoding="utf-8"))))
        case ["late", first, second]:
            for test in failures(Path(first)):
                if test not in failures(Path(second)):
                    print(test)
        case ["tell", results, again, work_dir, first]:
            before = Path(first).read_text(encoding="utf-8")
            kept: dict[str, list[str]] = json.loads(before) if before else {}
            early = [
                f"{late.parent.name}: {test}"
                for late in sorted(Path(work_dir).glob("*/late"))
                for test in late.read_text(encoding="utf-8").splitlines()
            ]
            print("\n".join(told(Path(results), Path(again), kept, failed_tests(Path(work_dir)), early)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
