"""The built site: no dead link inside, and an entry for every public name.

``tox -e docs`` builds it and says in NETCORE_SITE where it is.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("NETCORE_SITE", ""))

pytestmark = pytest.mark.skipif("NETCORE_SITE" not in os.environ, reason="the site is built by tox -e docs")


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.references: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value is not None:
                self.references.append(value)
            elif name == "id" and value is not None:
                self.anchors.add(value)


def test_no_link_is_dead() -> None:
    pages = {path: Page(path) for path in SITE.rglob("*.html")}
    assert len(pages) > 10
    dead = []
    for path, page in pages.items():
        for reference in page.references:
            link = urlsplit(reference)
            if link.scheme or link.netloc:
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or (
                link.fragment and target in pages and unquote(link.fragment) not in pages[target].anchors
            ):
                dead.append(f"{path.relative_to(SITE)}: {reference}")
    assert not dead


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in SITE.rglob("*.html"):
        text = path.read_text()
        for word in ('src="http', "src='http", 'src="//'):
            assert word not in text, path


def inventory() -> set[str]:
    """Reads the names that have entries: four lines of header, then compressed lines (Sphinx, version 2)."""
    data = (SITE / "objects.inv").read_bytes()
    lines = zlib.decompress(data.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split()[0] for line in lines if " py:" in line}


def test_every_public_name_has_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    public_names = importlib.import_module("public_names")
    assert "public_names" in sys.modules
    entries = inventory()
    missing = [
        f"{package}.{name}"
        for package in public_names.packages()
        for name, value in public_names.exported(package)
        if public_names.home(package, name, value) not in entries
    ]
    assert not missing


@pytest.mark.parametrize(("package", "name"), [("netcore", "Options"), ("netcore.kcp", "KcpOptions")])
def test_every_option_has_an_entry(package: str, name: str) -> None:
    options = getattr(importlib.import_module(package), name)
    entries = inventory()
    fields = [field.name for field in dataclasses.fields(options)]
    assert not [field for field in fields if f"{package}.{name}.{field}" not in entries]
