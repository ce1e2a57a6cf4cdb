"""What the build takes from its environment."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

build = pytest.importorskip("netcore._native.build", reason="the build needs cffi")


def test_libraries_are_linked_behind_the_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCORE_LIBURING", "0")
    monkeypatch.setenv("LDFLAGS", "-L/opt/lib -lkqueue -Wl,-z,now")
    monkeypatch.setenv("LIBS", "'/a b/libmore.a' -lother")
    facts = runpy.run_path(build.__file__)
    assert facts["LIBRARIES"] == ["-lkqueue", "/a b/libmore.a", "-lother"]


def test_cffi_is_given_no_preprocessor_lines() -> None:
    assert "nc_kqueue_open" in build.declarations()
    assert not any(line.startswith("#") for line in build.declarations().splitlines())


def test_nothing_is_asked_of_the_headers_that_older_pythons_do_otherwise() -> None:
    """One build is for every Python: see hot.h."""
    hot = Path(build.__file__).parent / "hot"
    for source in hot.glob("*.[ch]"):
        text = re.sub(r"/\*.*?\*/", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "Py_RETURN_" not in text, source.name
        assert not re.search(r'"[^"\n%]*[syz]#[^"\n]*"', text), source.name
    assert list(hot.glob("*.c"))
