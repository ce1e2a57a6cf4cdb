"""A value that somebody has given a setting, and where, so that what is wrong with it can be said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netcore.cli.setting import Setting
from netcore.cli.usage import UsageError

__all__ = ["Given", "give"]


@dataclass(frozen=True, slots=True)
class Given:
    """A value.

    Attributes:
        value: As the setting's kind has it.
        where: What to begin a complaint with, such as ``NETCORE_LOOPS``.
    """

    value: object
    where: str


def give(
    given: dict[str, Given], setting: Setting, where: str, said: object, read: Callable[..., object]
) -> None:
    """Notes what a source says of a setting.

    Args:
        given: What it has said before, by the settings' names.
        setting: Which.
        where: See ``Given``.
        said: The value as the source has it.
        read: Makes the setting's value of it, or raises ``ValueError``.

    Raises:
        UsageError: It is no value of such, or the setting was given before, by its other name.
    """
    if setting.name in given:
        raise UsageError(f"{where}: that is said already by {given[setting.name].where}")
    try:
        given[setting.name] = Given(read(said), where)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
