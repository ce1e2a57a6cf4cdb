"""What a probe of ``netcore doctor`` finds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Finding", "Probe", "Status", "fail", "missing", "ok"]


class Status(enum.Enum):
    """How a finding is marked."""

    OK = "ok"
    MISSING = "--"
    """This machine or this build does not have it, which is no fault."""
    FAIL = "FAIL"
    """It should work and does not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        status: The mark.
        subject: What was looked at.
        text: What was found.
    """

    status: Status
    subject: str
    text: str


Probe = Callable[[], Iterable[Finding]]
"""Looks at one part of the machine. An exception counts as a failed finding."""


def ok(subject: str, text: str) -> Finding:
    """Makes the finding that something works."""
    return Finding(Status.OK, subject, text)


def missing(subject: str, text: str) -> Finding:
    """Makes the finding that there is no such thing here."""
    return Finding(Status.MISSING, subject, text)


def fail(subject: str, text: str) -> Finding:
    """Makes the finding that something should work and does not."""
    return Finding(Status.FAIL, subject, text)
