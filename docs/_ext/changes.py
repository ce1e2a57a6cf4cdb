"""What will be in the next release: the changelog fragments, as towncrier will put them together."""

from __future__ import annotations

import sys
from pathlib import Path

from generated import rst_directive
from sphinx.application import Sphinx

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_ROOT = Path(__file__).parents[2]


def unreleased() -> str:
    """Writes the fragments under the headings of their kinds, in Markdown; there may be none."""
    kinds = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
    lines = []
    for kind in kinds:
        fragments = sorted((_ROOT / "newsfragments").glob(f"*.{kind['directory']}.md"))
        if fragments:
            lines += [f"**{kind['name']}**", ""]
            lines += ["- " + " ".join(path.read_text().split()) for path in fragments]
            lines.append("")
    return "\n".join(lines) or "Nothing yet."


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("unreleased", rst_directive(unreleased))
