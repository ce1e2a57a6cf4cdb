"""What a release consists of, and the site with a folder for each version."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError

import pytest
from browsing import Browser, Window, chromium

import netcore

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.packaging

BUILT = (
    ".tar.gz",
    "-pp3-none-any.whl",
    "-cp310-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "-cp310-abi3-manylinux_2_28_aarch64.whl",
    "-cp310-abi3-musllinux_1_2_x86_64.whl",
    "-cp310-abi3-musllinux_1_2_aarch64.whl",
    "-cp310-abi3-macosx_11_0_x86_64.whl",
    "-cp310-abi3-macosx_11_0_arm64.whl",
    "-cp310-abi3-win_amd64.whl",
)
FILES = [f"netcore_io-0.2.0{name}" for name in BUILT]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / ".github" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a release looks at, in order."""
    (tmp_path / "netcore").mkdir()
    (tmp_path / "newsfragments").mkdir()
    (tmp_path / "netcore" / "_version.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 0.2.0 (today)\n\nMore.\n\n## 0.1.0 (once)\n\nLess.\n"
    )
    return tmp_path


def test_a_release_in_order_is_described_by_its_part_of_the_changelog(tree: Path) -> None:
    module = script("check_release")
    assert module.complaints("v0.2.0", FILES, tree) == []
    assert module.changes("0.2.0", tree) == "More."
    assert module.changes("0.1.0", tree) == "Less."


def test_a_release_out_of_order_is_refused(tree: Path) -> None:
    complaints = script("check_release").complaints
    assert complaints("v0.2.1", FILES, tree) == ["the tag is v0.2.1, and the version 0.2.0"]
    for missing in FILES:
        (found,) = complaints("v0.2.0", [file for file in FILES if file != missing], tree)
        assert found.startswith("there is no netcore_io-0")
    for odd in ("netcore_io-0.2.0-py3-none-any.whl", "netcore_io-0.1.0.tar.gz"):
        assert complaints("v0.2.0", [*FILES, odd], tree) == [f"{odd} is none of a release"]
    (tree / "newsfragments" / "README.md").touch()
    assert complaints("v0.2.0", FILES, tree) == []
    (tree / "newsfragments" / "+late.feature.md").touch()
    (found,) = complaints("v0.2.0", FILES, tree)
    assert "newsfragments" in found
    (tree / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0 (once)\n\nLess.\n")
    assert len(complaints("v0.2.0", FILES, tree)) == 2


def test_the_source_distribution_has_all_that_git_has(build_sdist: Callable[[], Any]) -> None:
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no checkout")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tracked = {name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()}
    with tarfile.open(build_sdist().file) as archive:
        packed = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    generated = {name for name in packed if name.startswith("netcore_io.egg-info/")} | {
        "PKG-INFO",
        "setup.cfg",
    }
    assert tracked - packed == {".gitignore"}
    assert packed - tracked == generated


def test_the_description_leads_somewhere_from_anywhere(build_sdist: Callable[[], Any]) -> None:
    with tarfile.open(build_sdist().file) as archive:
        (member,) = (
            each for each in archive.getmembers() if each.name.count("/") == 1 and "PKG-INFO" in each.name
        )
        file = archive.extractfile(member)
        assert file is not None
        text = file.read().decode()
    head, _, body = text.partition("\n\n")
    assert {"Name: netcore-io", f"Version: {netcore.__version__}", "Requires-Python: >=3.10"} <= set(
        head.splitlines()
    )
    links = re.findall(r"\]\(([^)]+)\)", body)
    assert len(links) > 20
    assert [link for link in links if not re.match(r"https://|#", link)] == []
    for link in links:
        if "github.io" in link:
            page = re.fullmatch(
                rf"https://[\w.-]+/netcore/{re.escape(netcore.__version__)}/(.+)\.html(#.+)?", link
            )
            assert page, link
            assert (REPOSITORY / "docs" / f"{page[1]}.md").is_file(), link


def publish(tmp_path: Path, *names: str) -> Path:
    module = script("publish_site")
    for name in names:
        site = tmp_path / "built"
        shutil.rmtree(site, ignore_errors=True)
        (site / "sub").mkdir(parents=True)
        (site / ".doctrees").mkdir()
        (site / "index.html").write_text(name)
        (site / "sub" / f"only-{name}.html").write_text(name)
        module.publish(site, tmp_path / "pages", name)
    return tmp_path / "pages"


def test_the_site_keeps_every_version_and_serves_the_newest_as_stable(tmp_path: Path) -> None:
    pages = publish(tmp_path, "latest", "0.2.0", "0.10.0", "0.3.0", "1.0.0rc2", "1.0.0a1")
    told = json.loads((pages / "versions.json").read_text())
    assert told == {
        "stable": "0.10.0",
        "names": ["latest", "1.0.0rc2", "1.0.0a1", "0.10.0", "0.3.0", "0.2.0"],
    }
    assert {name: (pages / name / "index.html").read_text() for name in told["names"]} == {
        name: name for name in told["names"]
    }
    assert (pages / "stable" / "index.html").read_text() == "0.10.0"
    assert 'href="stable/"' in (pages / "index.html").read_text()
    assert (pages / ".nojekyll").exists()
    assert not (pages / "0.2.0" / ".doctrees").exists()


def test_the_site_has_no_stable_version_before_the_first_release(tmp_path: Path) -> None:
    pages = publish(tmp_path, "latest", "1.0.0rc1")
    assert json.loads((pages / "versions.json").read_text())["stable"] is None
    assert not (pages / "stable").exists()
    assert 'href="latest/"' in (pages / "index.html").read_text()


def test_a_version_that_is_published_again_is_replaced(tmp_path: Path) -> None:
    pages = publish(tmp_path, "latest")
    (pages / "latest" / "gone.html").touch()
    publish(tmp_path, "latest")
    assert not (pages / "latest" / "gone.html").exists()


@pytest.mark.parametrize(
    "name", ["main", "v0.2.0", "../0.2.0", "stable", "0.2", "\u0660.\u0662.\u0660", "0.2.0\n"]
)
def test_what_is_no_version_is_not_published(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="neither 'latest' nor a release"):
        script("publish_site").publish(tmp_path, tmp_path / "pages", name)
    assert not (tmp_path / "pages").exists()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """Serves folders by HTTP: ``serve_folder(path)`` is the address."""
    with ExitStack() as stack:

        def serve(folder: Path) -> str:
            handler = partial(QuietHandler, directory=str(folder))
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        pytest.skip("there is no Chromium with its driver")
    (tmp_path / "browser").mkdir()
    with chromium(driver, binary, tmp_path / "browser") as made:
        yield made


def wait_for(window: Window, expression: str, wanted: object) -> None:
    """Waits until an expression of the page has a value; the page may be left meanwhile."""
    deadline = time.monotonic() + 60
    found = None
    while found != wanted:
        assert time.monotonic() < deadline, f"{expression} is {found!r} and not {wanted!r}"
        with suppress(HTTPError):
            found = window.run(f"return {expression}")


def test_a_page_leads_to_itself_in_another_version(
    browser: Browser, tmp_path: Path, serve_folder: Callable[[Path], str]
) -> None:
    template = (REPOSITORY / "docs" / "_templates" / "sidebar" / "variant-selector.html").read_text()
    sidebar = re.sub(r"\{#.*?#\}", "", template)
    built = tmp_path / "built"
    for name, page in (("latest", "new"), ("0.2.0", "old"), ("0.3.0", "old")):
        shutil.rmtree(built, ignore_errors=True)
        (built / "how-to").mkdir(parents=True)
        shutil.copy(REPOSITORY / "docs" / "_static" / "versions.js", built)
        for path, root in (("index", "./"), (f"how-to/{page}", "../")):
            (built / f"{path}.html").write_text(
                f'<html data-content_root="{root}"><h1>{name} {path}</h1>{sidebar}'
                f'<script defer src="{root}versions.js"></script>'
            )
        script("publish_site").publish(built, tmp_path / "pages", name)
    window = browser.open_window(f"{serve_folder(tmp_path / 'pages')}/stable/how-to/old.html")
    shown = "document.querySelector('label.versions')?.hidden"
    title = "document.querySelector('h1')?.textContent"
    choose = (
        "const s = document.querySelector('select'); s.value = '{}'; s.dispatchEvent(new Event('change'))"
    )
    wait_for(window, shown, False)
    assert window.text("label.versions").split() == ["Version", "latest", "0.3.0", "(stable)", "0.2.0"]
    assert window.run("return document.querySelector('select').value") == "0.3.0"
    window.run(choose.format("0.2.0"))
    wait_for(window, title, "0.2.0 how-to/old")
    wait_for(window, shown, False)
    window.run(choose.format("latest"))  # where there is no such page
    wait_for(window, title, "latest index")
    alone = browser.open_window(f"{serve_folder(built)}/index.html")
    assert alone.text("h1") == "0.3.0 index"
    assert alone.run(f"return {shown}") is True
