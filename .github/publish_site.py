"""Puts a built site into the folder that is served, beside its other versions.

    python .github/publish_site.py SITE FOLDER NAME

NAME is a release, such as 0.2.0, or ``latest`` for the main branch. The newest release that is no candidate
is also served as ``stable``, to which the root of the site leads. ``versions.json`` tells the pages
(versions.js) which versions there are, the newest first.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?", re.ASCII)
LATEST, STABLE = "latest", "stable"
ROOT_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>netcore</title>
<meta http-equiv="refresh" content="0; url={0}/">
<link rel="canonical" href="{0}/">
<a href="{0}/">The documentation of netcore</a>
"""


def age(name: str) -> tuple[object, ...]:
    """Returns what releases are sorted by, as PEP 440 has it."""
    match = RELEASE.fullmatch(name)
    assert match is not None
    *numbers, stage, candidate = match.groups()
    return (*map(int, numbers), stage is None, stage or "", int(candidate or 0))


def publish(site: Path, folder: Path, name: str) -> None:
    """Does so. A version that is there already is replaced.

    Raises:
        ValueError: The name is no version's.
    """
    if name != LATEST and not RELEASE.fullmatch(name):
        raise ValueError(f"{name!r} is neither {LATEST!r} nor a release such as 0.2.0")
    folder.mkdir(parents=True, exist_ok=True)
    replace(site, folder / name)
    releases = [path.name for path in folder.iterdir() if RELEASE.fullmatch(path.name)]
    releases.sort(key=age, reverse=True)
    final = [release for release in releases if RELEASE.fullmatch(release)[4] is None]
    stable = final[0] if final else None
    if name == stable:
        replace(site, folder / STABLE)
    names = [*([LATEST] if (folder / LATEST).is_dir() else []), *releases]
    text = json.dumps({"stable": stable, "names": names}, indent=1)
    (folder / "versions.json").write_text(text + "\n", encoding="utf-8")
    front = STABLE if stable else names[0]
    (folder / "index.html").write_text(ROOT_PAGE.format(front), encoding="utf-8")
    (folder / ".nojekyll").touch()  # GitHub Pages leaves out folders such as _static otherwise


def replace(site: Path, target: Path) -> None:
    """Makes one folder a copy of another, without what only a later build of the same site reads."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(site, target, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo*"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    publish(given.site, given.folder, given.name)
