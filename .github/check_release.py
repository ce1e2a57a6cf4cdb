"""Looks whether a tag and what was built for it are a release; prints its part of the changelog.

python .github/check_release.py TAG FOLDER

FOLDER holds the source distribution and the wheels.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# One wheel for every CPython on each of these, one for PyPy, and the source for everything else.
PLATFORMS = (
    r"manylinux\w*_x86_64(\.manylinux\w+)?",
    r"manylinux\w*_aarch64(\.manylinux\w+)?",
    r"musllinux\w*_x86_64",
    r"musllinux\w*_aarch64",
    r"macosx\w*_x86_64",
    r"macosx\w*_arm64",
    r"win_amd64",
)
NAMES = (r"\.tar\.gz", r"-pp3-none-any\.whl", *(rf"-cp310-abi3-{platform}\.whl" for platform in PLATFORMS))


def changes(version: str, root: Path) -> str:
    """Returns what the changelog says of a version; ``""`` if nothing."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(version)} .*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def complaints(tag: str, files: list[str], root: Path = ROOT) -> list[str]:
    """Says what is wrong; nothing for a release in order."""
    text = (root / "netcore" / "_version.py").read_text(encoding="utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    found = [] if tag == f"v{version}" else [f"the tag is {tag}, and the version {version}"]
    if not changes(version, root):
        found.append(f"CHANGELOG.md says nothing of {version}")
    if fragments := [path.name for path in (root / "newsfragments").glob("*.*.md")]:
        found.append(f"newsfragments has {len(fragments)} that are not in the changelog")
    expected = [rf"netcore_io-{re.escape(version)}{name}" for name in NAMES]
    found += [
        f"there is no {each}" for each in expected if not any(re.fullmatch(each, file) for file in files)
    ]
    found += [
        f"{file} is none of a release"
        for file in files
        if not any(re.fullmatch(each, file) for each in expected)
    ]
    return found


def main() -> None:
    """Ends with 1 where something is wrong."""
    tag, folder = sys.argv[1], Path(sys.argv[2])
    if found := complaints(tag, sorted(path.name for path in folder.iterdir())):
        sys.exit("\n".join(found))
    print(changes(tag.removeprefix("v"), ROOT))


if __name__ == "__main__":
    main()
