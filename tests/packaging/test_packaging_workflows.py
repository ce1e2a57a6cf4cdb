"""The workflows: well-formed, and in step with tox.ini, with the pollers there are and with each other."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))

yaml = pytest.importorskip("yaml")


def jobs(name: str) -> dict[str, Any]:
    parsed = yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    found: dict[str, Any] = parsed["jobs"]
    return found


def scripts(job: dict[str, Any]) -> str:
    """All shell code of a job."""
    steps = job.get("steps", [])
    return "\n".join(step.get("run", "") + step.get("with", {}).get("run", "") for step in steps)


def test_there_are_workflows_for_tests_and_for_wheels() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "wheels.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_is_well_formed(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"]
    assert workflow[True]  # YAML 1.1 takes the key "on" for a truth value, and so does GitHub's own reader
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= set(workflow["jobs"])
        if "uses" in job:  # another workflow of ours, made to be called
            called = yaml.safe_load((REPOSITORY / job["uses"]).read_text(encoding="utf-8"))
            assert "workflow_call" in called[True], name
            continue
        assert job["runs-on"], name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), (name, step)
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(release/)?v\d+", step["uses"]), step


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
    # All that tests/newest/run looks for is there; python3 is the last that is named.
    (setup,) = (step["with"] for step in ci["linux"]["steps"] if "setup-python" in step.get("uses", ""))
    assert {"3.14", "pypy-3.11"} <= set(setup["python-version"].split())
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
    assert tried["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert "netcore doctor" in scripts(wheels["installed"])
    for prefix in ("ubuntu", "macos", "windows"):
        assert any(system.startswith(prefix) for system in built)


def test_pypy_has_a_wheel_of_its_own(build_wheel: Callable[..., Any]) -> None:
    (command,) = (line for line in scripts(jobs("wheels.yml")["pure"]).splitlines() if "--wheel" in line)
    (setting,) = (word for word in command.split() if word.startswith("--config-setting="))
    wheel = build_wheel(setting=setting.replace("setting", "settings"), NETCORE_NATIVE="0").file
    assert jobs("wheels.yml")["pure"]["env"] == {"NETCORE_NATIVE": "0"}
    tags = {str(tag) for tag in parse_wheel_filename(wheel.name)[3]}
    assert tags == {"pp3-none-any"}
    assert tags <= {str(tag) for tag in compatible_tags((3, 11), "pp3", ["any"])}
    assert not tags & {str(tag) for tag in (*cpython_tags((3, 11)), *compatible_tags((3, 11), "cp311"))}


def test_a_release_is_what_is_tried_and_only_a_tag_begins_it() -> None:
    workflow = yaml.safe_load(
        (REPOSITORY / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    )
    assert workflow[True] == {"push": {"tags": ["v*"]}}
    steps = workflow["jobs"]
    assert steps["build"]["uses"].endswith("wheels.yml")
    assert steps["check"]["needs"] == "build"
    for command in ("twine check --strict", "check_release.py"):
        assert command in scripts(steps["check"])
    assert steps["pypi"]["needs"] == "check"
    assert (steps["pypi"]["environment"]["name"], steps["pypi"]["permissions"]) == (
        "pypi",
        {"id-token": "write"},
    )
    (publishing,) = (step for step in steps["pypi"]["steps"] if "pypi-publish" in step["uses"])
    assert publishing["with"]["attestations"] is True
    assert "password" not in publishing["with"]
    assert steps["docs"]["uses"].endswith("docs.yml")
    for job, right in (("github", "contents"), ("docs", "contents")):
        assert steps[job]["permissions"] == {right: "write"}
    assert "publish_site.py" in scripts(jobs("docs.yml")["site"])
