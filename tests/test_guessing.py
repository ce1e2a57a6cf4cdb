"""What is guessed of names that others have."""

from __future__ import annotations

import dataclasses

from netcore import Options
from netcore._guessing import _ELSEWHERE, did_you_mean
from netcore.cli.settings import run_settings

FIELDS = {field.name for field in dataclasses.fields(Options)}
SETTINGS = {name for setting in run_settings() for name in setting.names}


def test_what_others_call_it_leads_to_what_there_is() -> None:
    assert set(_ELSEWHERE.values()) <= FIELDS | SETTINGS
    assert not FIELDS & _ELSEWHERE.keys()


def test_it_is_spelt_as_it_is_known() -> None:
    assert did_you_mean("--workers", ["--processes", "--no-ticker"]) == ": did you mean --processes?"
    assert did_you_mean("workers", ["processes"]) == ": did you mean processes?"


def test_what_is_not_there_is_not_offered() -> None:
    assert did_you_mean("workers", ["backlog"]) == ""
