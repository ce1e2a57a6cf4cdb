"""The options as keywords: a ``TypedDict`` has the fields of ``Options``, neither more nor others."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable

import pytest

from netcore import Client, Engine, OptionOverrides, Options, run
from netcore.supervisor import ProcessOverrides, Supervisor

FIELDS = {field.name: str(field.type) for field in dataclasses.fields(Options)}


def described(kind: type) -> dict[str, str]:
    """The keys of a TypedDict with their types, as they are written."""
    return {
        name: getattr(reference, "__forward_arg__", reference)
        for name, reference in inspect.get_annotations(kind).items()
    }


def test_they_are_the_fields_with_their_types() -> None:
    assert described(OptionOverrides) == FIELDS
    assert OptionOverrides.__optional_keys__ == set(FIELDS)


def test_for_other_processes_they_are_those_that_can_cross() -> None:
    cannot = {"log_path", "logger", "tls"}
    its_own = set(inspect.signature(Supervisor).parameters) & set(FIELDS)
    assert its_own == {"log_level"}
    changed = {"load_balancer": "str", "poller": "str | None"}
    expected = {name: kind for name, kind in FIELDS.items() if name not in cannot | its_own}
    assert described(ProcessOverrides) == {**expected, **changed}
    assert ProcessOverrides.__optional_keys__ == set(expected)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (run, OptionOverrides),
        (Engine, OptionOverrides),
        (Client, OptionOverrides),
        (Options.replace, OptionOverrides),
        (Supervisor, ProcessOverrides),
    ],
)
def test_signatures_name_them(function: Callable[..., object], kind: type) -> None:
    overrides = list(inspect.signature(function).parameters.values())[-1]
    assert str(overrides) == f"**overrides: 'Unpack[{kind.__name__}]'"
