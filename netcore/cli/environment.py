"""The settings of ``netcore run`` that are in the environment, as ``NETCORE_IDLE_TIMEOUT`` is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netcore._guessing import did_you_mean
from netcore.cli.given import Given, give
from netcore.cli.setting import Setting, variable_of

__all__ = ["OTHERS", "misspelt", "read_environment"]

OTHERS = frozenset(
    {
        "NETCORE_ANNOUNCE",
        "NETCORE_CODEC",
        "NETCORE_HOT",
        "NETCORE_LIBURING",
        "NETCORE_NATIVE",
        "NETCORE_SOCKETS",
    }
)
"""What netcore itself, or its build, reads from the environment, and which is no setting."""

_NEAR = 0.85
"""How alike an unknown variable is to a known one (``difflib``) if it is taken for that, misspelt."""


def read_environment(settings: tuple[Setting, ...], environment: Mapping[str, str]) -> dict[str, Given]:
    """Returns the settings that are there, by their names; a variable that is empty says nothing.

    Raises:
        UsageError: A value is of no use.
    """
    given: dict[str, Given] = {}
    for setting in settings:
        for variable in map(variable_of, setting.names):
            if text := environment.get(variable):
                give(given, setting, variable, text, setting.kind.read)
    return given


def misspelt(settings: tuple[Setting, ...], environment: Mapping[str, str]) -> Iterator[str]:
    """Says which variables look like one of a setting, and are not.

    Others that begin with ``NETCORE_`` are let alone: the program may have its own, and Kubernetes makes some
    for a service of that name.
    """
    known = {variable_of(name) for setting in settings for name in setting.names}
    for variable in sorted(environment):
        if not variable.startswith("NETCORE_") or variable in known | OTHERS:
            continue
        if guess := did_you_mean(variable, known, _NEAR):
            yield f"{variable} in the environment is no setting{guess}"
