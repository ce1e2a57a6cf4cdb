"""What a probe of ``netcore doctor`` finds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["NATIVE_PART", "Finding", "Probe", "Status", "fail", "missing", "ok"]

NATIVE_PART = "it takes the native part: see there"
"""The remedy for what comes with the native part, whose own finding says how to have that."""


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
        remedy: What to do to have it, or to do without; empty where nothing is missed.
    """

    status: Status
    subject: str
    text: str
    remedy: str = ""


Probe = Callable[[], Iterable[Finding]]
"""Looks at one part of the machine. An exception counts as a failed finding."""


def ok(subject: str, text: str) -> Finding:
    """Makes the finding that something works."""
    return Finding(Status.OK, subject, text)


def missing(subject: str, text: str, remedy: str = "") -> Finding:
    """Makes the finding that there is no such thing here, and what to do about it."""
    return Finding(Status.MISSING, subject, text, remedy)


def fail(subject: str, text: str) -> Finding:
    """Makes the finding that something should work and does not."""
    return Finding(Status.FAIL, subject, text)
