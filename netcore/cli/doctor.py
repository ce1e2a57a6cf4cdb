"""``netcore doctor``: a report of what this machine offers to netcore."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from netcore.cli.findings import Finding, Probe, Status, fail
from netcore.cli.output import say
from netcore.cli.platforms import markdown_table, text_table
from netcore.cli.probes import PROBES

__all__ = ["doctor", "examine", "render"]

_SUBJECT_WIDTH = 18


def doctor(arguments: argparse.Namespace) -> int:
    """Prints the report; returns the exit status, 1 if something that should work does not.

    With ``--platforms`` it is the table of what is known of each platform, in Markdown, and nothing is tried.
    """
    if arguments.platforms:
        say(markdown_table())
        return 0
    failed = 0
    for finding in examine(PROBES):
        # At once, since a later probe may take its time on a machine that is broken.
        say(render(finding))
        failed += finding.status is Status.FAIL
    say(f"\nWhat each platform does:\n\n{text_table()}")
    say(f"\n{failed} of the above should work and do not" if failed else "\nall that should work does")
    return 1 if failed else 0


def examine(probes: Mapping[str, Probe]) -> Iterator[Finding]:
    """Runs the probes, in order.

    Args:
        probes: By the subject that a failure of the probe itself is reported under.
    """
    for subject, probe in probes.items():
        try:
            yield from probe()
        except Exception as error:
            yield fail(subject, f"the check itself failed: {type(error).__name__}: {error}")


def render(finding: Finding) -> str:
    """Makes the line of a finding."""
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return f"{finding.status.value:<5} {finding.subject:<{_SUBJECT_WIDTH}} {finding.text}{remedy}"
