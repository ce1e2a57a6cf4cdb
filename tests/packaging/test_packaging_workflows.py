"""The workflows: well-formed, and in step with tox.ini, with the pollers there are and with each other."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))

yaml = pytest.importorskip("yaml")


def jobs(name: str) -> dict[str, Any]:
    parsed = yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    found: dict[str, Any] = parsed["jobs"]
    return found


def scripts(job: dict[str, Any]) -> str:
    """All shell code of a job."""
    return "\n".join(step.get("run", "") + step.get("with", {}).get("run", "") for step in job["steps"])


def test_there_are_workflows_for_tests_and_for_wheels() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "wheels.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_is_well_formed(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"]
    assert workflow[True]  # YAML 1.1 takes the key "on" for a truth value, and so does GitHub's own reader
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["runs-on"], name
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), (name, step)
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_matrix_value_that_is_used_is_given(path: Path) -> None:
    for name, job in jobs(path.name).items():
        used = set(re.findall(r"\$\{\{ matrix\.(\w+)", str(job)))
        assert used == set(job.get("strategy", {}).get("matrix", {})), name


def test_every_platform_is_tested() -> None:
    found = jobs("ci.yml")
    assert {"linux", "macos", "windows", "freebsd"} <= set(found)
    assert any("freebsd-vm" in step.get("uses", "") for step in found["freebsd"]["steps"])
    systems = found["macos"]["strategy"]["matrix"]["system"]
    assert any("intel" in system for system in systems), "x86_64"
    assert any("intel" not in system for system in systems), "arm64"


def test_linux_runs_all_that_tox_has() -> None:
    ci = jobs("ci.yml")
    assert "tox -l" in scripts(ci["environments"])
    assert ci["linux"]["strategy"]["matrix"] == {
        "environment": "${{ fromJSON(needs.environments.outputs.list) }}"
    }
    assert ".ci/run -e ${{ matrix.environment }}" in scripts(ci["linux"])
    # .ci/run hands its arguments to tox.
    assert '"$@' in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8").replace("\\", "")


def test_backends_that_are_not_the_default_are_forced_somewhere() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(REPOSITORY / "tox.ini", encoding="utf-8")
    environments = tox["tox"]["env_list"]
    for poller in ("select", "io_uring"):
        assert poller in environments
        assert f"NETCORE_POLLER = {poller}" in tox[f"testenv:{poller}"]["set_env"]
    ci = jobs("ci.yml")
    assert ci["macos"]["strategy"]["matrix"]["poller"] == ["kqueue", "select"]
    assert ci["windows"]["strategy"]["matrix"]["poller"] == ["iocp", "select"]
    assert "for poller in kqueue select" in scripts(ci["freebsd"])


def test_each_wheel_is_tried_with_each_python() -> None:
    wheels = jobs("wheels.yml")
    built = wheels["build"]["strategy"]["matrix"]["system"]
    tried = wheels["installed"]["strategy"]["matrix"]
    assert tried["system"] == built
    assert tried["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert "netcore doctor" in scripts(wheels["installed"])
    for prefix in ("ubuntu", "macos", "windows"):
        assert any(system.startswith(prefix) for system in built)
