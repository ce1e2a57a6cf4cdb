"""The settings of ``netcore run`` that are in a file: TOML, https://toml.io/en/v1.0.0.

The keys are the settings' names. A table stands for the first part of names: ``certificate`` in ``[tls]`` is
``tls_certificate``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import cast

from netcore._extras import missing
from netcore._guessing import did_you_mean
from netcore.cli.given import Given, give
from netcore.cli.setting import Setting
from netcore.cli.usage import UsageError

__all__ = ["read_file"]


def read_file(settings: tuple[Setting, ...], path: str) -> dict[str, Given]:
    """Returns the settings that a file has, by their names.

    Raises:
        UsageError: The file cannot be read, or a key or a value in it is of no use.
    """
    known = {name: setting for setting in settings for name in setting.names}
    given: dict[str, Given] = {}
    for shown, name, value in _flat(_load(path)):
        if name not in known:
            raise UsageError(f"{path}: there is no setting {shown!r}{did_you_mean(name, known)}")
        give(given, known[name], f"{path}: {shown}", value, known[name].kind.take)
    return given


def _flat(
    table: Mapping[str, object], shown: str = "", prefix: str = ""
) -> Iterator[tuple[str, str, object]]:
    """Yields each value with its key, as it is written and as a setting's name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{shown}{key}.", f"{prefix}{key}_")
        else:
            yield f"{shown}{key}", f"{prefix}{key}", value


def _load(path: str) -> dict[str, object]:
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as error:
        raise UsageError(missing(f"{path}: TOML before Python 3.11", error, "config")) from None
    try:
        with open(path, "rb") as file:
            return cast("dict[str, object]", toml.load(file))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: that is no text in UTF-8") from None
    except ValueError as error:  # toml.TOMLDecodeError is one
        raise UsageError(f"{path}: {error}") from None
