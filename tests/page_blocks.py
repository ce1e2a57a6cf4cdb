"""The fenced blocks of the pages of the documentation."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^( *)(`{3,}|:{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: where it begins, its language, and what stands in it."""

    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Finds the blocks of a page; directives of the site, ``{...}``, are none, but for code-block."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        info = match[3].strip()
        if info.startswith("{"):
            continue
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(line, info, textwrap.dedent(match[4])))
    return found
