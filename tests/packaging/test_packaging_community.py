"""What GitHub reads for whoever comes with a question or a change."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.packaging

REPOSITORY = Path(__file__).resolve().parents[2]
GITHUB = REPOSITORY / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
URLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_is_well_formed(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form.keys() == {"name", "description", "labels", "body"}
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"textarea", "input", "checkboxes", "dropdown"}
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names) > 0
    assert all(field["attributes"]["label"] for field in fields)
    required = [field for field in fields if field.get("validations", {}).get("required")]
    assert required


def test_a_fault_is_reported_with_what_doctor_says() -> None:
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    (asked,) = (field for field in form["body"] if field.get("id") == "doctor")
    assert asked["validations"]["required"]
    assert "netcore doctor" in asked["attributes"]["label"]


def test_every_path_with_an_owner_exists() -> None:
    lines = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    owned = [line.split() for line in lines if line and not line.startswith("#")]
    assert owned[0][0] == "*"
    for pattern, *owners in owned:
        assert owners and all(re.fullmatch(r"@[\w-]+/[\w-]+", owner) for owner in owners), pattern
        assert pattern == "*" or (REPOSITORY / pattern.strip("/")).exists(), pattern


def test_addresses_are_those_of_the_project() -> None:
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text(encoding="utf-8"))
    links = [link["url"] for link in config["contact_links"]]
    assert len(links) == 3
    assert all(link.startswith((URLS["Source"], URLS["Documentation"])) for link in links)
    assert URLS["Issues"].startswith(URLS["Source"])
    assert URLS["Changelog"].startswith(URLS["Documentation"])
