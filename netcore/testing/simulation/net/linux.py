"""The kernel that is simulated, which is Linux whatever it runs on, in numbers.

An option has the number by which the standard library knows it here, so that programs can set it. What has
no name here has a number of its own, which nothing else has.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from netcore._facts import Facts, facts_of
from netcore._platform import option_number
from netcore._platforms import platform_of

__all__ = ["FACTS", "named", "option_called"]

_RELEASE = (6, 13)

_SAME = {"TCP_KEEPIDLE": "TCP_KEEPALIVE"}
"""What macOS calls otherwise."""

_own = itertools.count(0x5EED_0000)
_numbers: dict[str, int] = {}


def option_called(name: str) -> int:
    """Returns the number of an option, given its name."""
    found = _numbers.get(name)
    if found is None:
        found = option_number(name)
        if found is None and name in _SAME:
            found = option_number(_SAME[name])
        found = _numbers[name] = next(_own) if found is None else int(found)
    return found


def named(level: int, **values: int) -> dict[tuple[int, int], int]:
    """Options by name, with the value that they begin with."""
    return {(level, option_called(name)): value for name, value in values.items()}


FACTS: Facts = replace(
    facts_of(platform_of("linux"), _RELEASE, lambda name: option_called(name) if name else None),
    pass_rights=None,  # no descriptors are passed
)
"""What netcore has to know of it."""
