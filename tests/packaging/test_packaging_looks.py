"""The last lines of .ci/run: what each environment has come to, and what passed only at the second look."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.packaging


@pytest.fixture
def looks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("looks", REPOSITORY / ".ci" / "looks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def env(success: bool, duration: float, *outputs: str) -> dict[str, object]:
    result = {"success": success, "duration": duration}
    return {"result": result, "test": [{"output": output} for output in outputs]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    envs = {
        "lint": env(True, 1.4, "All checks passed!"),
        "types": env(False, 9.0, "mypy begins\nTraceback\nno such module\n"),
        "py310": env(
            False,
            119.7,
            "....F\n____ ERROR at setup of test_broken ____\n    more\nE   OSError: no room\nE   more\n"
            "____ test_late ____\nE   assert 1 == 2\n"
            "===== 1 failed, 4 passed in 100.10s (0:01:40) =====\n",
        ),
        "wine": env(True, 611.0, "=== 3 passed in 9.00s ===\n", "=== 2 passed, 1 skipped in 7.00s ===\n"),
        ".pkg-native": {},
    }
    path.write_text(json.dumps({"testenvs": envs}))
    return path


def fail(work_dir: Path, env: str, *tests: str, cache: str = "cache") -> None:
    path = work_dir / env / cache / "v" / "cache" / "lastfailed"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict.fromkeys(tests, True)))


def tell(looks: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["looks.py", *map(str, arguments)])
    looks.main()


def test_what_failed_is_named_last(
    looks: ModuleType,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = tmp_path / "first"
    fail(tmp_path, "py310", "tests/a.py::test_late", "tests/a.py::test_broken")
    fail(tmp_path, "wine-windows", "tests/b.py::test_late", cache="cache-select")
    tell(looks, monkeypatch, "failed", results)
    assert capsys.readouterr().out == "py310\n"
    tell(looks, monkeypatch, "broken", results)
    assert capsys.readouterr().out == "types\n"
    tell(looks, monkeypatch, "keep", tmp_path, first)
    fail(tmp_path, "py310", "tests/a.py::test_broken")
    fail(tmp_path, "wine-windows", cache="cache-select")
    (tmp_path / "wine-windows" / "late").write_text("tests/c.py::test_race\n")
    again = tmp_path / "again.json"
    again.write_text(json.dumps({"testenvs": {"types": env(False, 8.0, "no such module still\n")}}))
    tell(looks, monkeypatch, "tell", results, again, tmp_path, first)
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "+ in short",
        "  lint           ok       0:01",
        "  wine           ok      10:11  3 passed in 9.00s; 2 passed, 1 skipped in 7.00s",
        "  types          FAILED   0:09",
        "  py310          FAILED   2:00  1 failed, 4 passed in 100.10s (0:01:40)",
        "+ 3 passed only at the second look, each a DEFECT of the test or of netcore",
        "  DEFECT wine-windows: tests/c.py::test_race",
        "  DEFECT py310: tests/a.py::test_late: assert 1 == 2",
        "  DEFECT wine-windows, select: tests/b.py::test_late",
        "+ 1 failed at the last look",
        "  FAILED py310: tests/a.py::test_broken: OSError: no room",
        "+ types failed, not in a test:",
        "    no such module still",
    ]
    again.write_text(json.dumps({"testenvs": {"types": env(True, 8.0, "all is well\n")}}))
    tell(looks, monkeypatch, "tell", results, again, tmp_path, first)
    assert capsys.readouterr().out.splitlines() == [
        *told[:-2],
        "+ types went well only when it was made anew: at first",
        "    mypy begins",
        "    Traceback",
        "    no such module",
    ]


def test_a_run_without_a_failure_is_short(
    looks: ModuleType,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_text("")
    tell(looks, monkeypatch, "tell", results, nothing, tmp_path, nothing)
    assert "DEFECT" not in capsys.readouterr().out


def test_what_one_cache_has_and_another_has_not(
    looks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(tmp_path, "a", "x", "y")
    caches = [tmp_path / env / "cache" / "v" / "cache" / "lastfailed" for env in ("a", "b")]
    tell(looks, monkeypatch, "late", *caches)
    assert capsys.readouterr().out == "x\ny\n"


@pytest.mark.parametrize(("failures", "ends_well"), [(0, True), (20, True), (21, False)])
def test_a_second_look_is_taken_only_at_what_may_be_chance(
    looks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, ends_well: bool
) -> None:
    fail(tmp_path / "work", "py310", "test_one.py::test_that_failed")
    fail(tmp_path / "work", "py311", *(f"test_two.py::test_{number}" for number in range(failures)))
    tell(looks, monkeypatch, "keep", tmp_path / "work", tmp_path / "first")
    with pytest.raises(SystemExit) as ended:
        tell(looks, monkeypatch, "few", tmp_path / "first")
    assert (not ended.value.code) == ends_well
