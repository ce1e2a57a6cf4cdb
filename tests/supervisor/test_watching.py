"""Which files an application consists of, and which of them have changed."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

import netcore.engine
from netcore.supervisor.imported import imported_files
from netcore.supervisor.watching import FileWatch


def module(monkeypatch: pytest.MonkeyPatch, name: str, file: object) -> None:
    made = ModuleType(name)
    made.__file__ = file  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, name, made)


def test_an_applications_files_and_no_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = str(tmp_path / "mine.py")
    module(monkeypatch, "mine", mine)
    module(monkeypatch, "mine_again", mine)
    found = imported_files()
    assert found.count(mine) == 1 and found == sorted(found)
    for other in (json.__file__, netcore.engine.__file__, hypothesis.__file__):
        assert other not in found


def test_what_begins_like_a_folder_of_pythons_is_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{sysconfig.get_path('stdlib')}-of-mine{os.sep}mine.py"
    module(monkeypatch, "beside", path)
    assert path in imported_files()


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_what_is_installed_is_left_out_wherever_that_is(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.join(os.sep, "home", "me", "lib", folder, "theirs.py")
    module(monkeypatch, "theirs", path)
    assert path not in imported_files()


@pytest.mark.parametrize("file", [None, 7, "<string>", "<frozen importlib._bootstrap>"])
def test_a_module_without_a_file(file: object, monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "odd", file)
    assert file not in imported_files()


@pytest.fixture
def watched(tmp_path: Path) -> tuple[FileWatch, Path]:
    path = tmp_path / "app.py"
    path.write_text("1")
    watch = FileWatch()
    watch.add([str(path)])
    return watch, path


def test_what_changes_is_told_once(watched: tuple[FileWatch, Path]) -> None:
    watch, path = watched
    assert watch.changed() == []
    path.write_text("22")
    assert watch.changed() == [str(path)]
    assert watch.changed() == []


def test_the_same_size_at_another_time(watched: tuple[FileWatch, Path]) -> None:
    watch, path = watched
    stamp = path.stat()
    path.write_text("2")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000))
    assert watch.changed() == [str(path)]


def test_another_file_of_the_same_time_and_size(watched: tuple[FileWatch, Path], tmp_path: Path) -> None:
    watch, path = watched
    stamp = path.stat()
    other = tmp_path / "new"
    other.write_text("2")
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(path)
    assert watch.changed() == [str(path)]


def test_a_file_that_is_gone_for_a_while(watched: tuple[FileWatch, Path]) -> None:
    watch, path = watched
    path.unlink()
    assert watch.changed() == []
    assert watch.changed() == []
    path.write_text("1")
    assert watch.changed() == [str(path)]


def test_one_that_is_added_again_is_compared_with_the_first_look(watched: tuple[FileWatch, Path]) -> None:
    watch, path = watched
    path.write_text("333")
    watch.add([str(path)])
    assert watch.changed() == [str(path)]


def test_one_that_is_not_there_yet(tmp_path: Path) -> None:
    watch = FileWatch()
    watch.add([str(tmp_path / "later.py")])
    assert watch.changed() == []
    (tmp_path / "later.py").write_text("1")
    assert watch.changed() == [str(tmp_path / "later.py")]
