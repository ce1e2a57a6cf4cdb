"""What an example says of itself: a sentence, the commands that serve, those of clients, and the rest.

By convention the docstring begins with the sentence. Paragraphs of commands follow. In each of them there is
first another example, if this one connects to it; then the ways to serve, any of which will do; then what
clients do, where a line that is a URL is for a browser.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).parents[2] / "examples"

_SERVES = re.compile(r"(python examples/|netcore run |uvicorn )")
_COMMAND = re.compile(r"(python|netcore|uvicorn|curl|nc|printf|echo|openssl|redis-cli|swaks|https?://)\b")


class Way(NamedTuple):
    """Commands that belong together.

    Attributes:
        before: Those that serve what the example connects to.
        servers: Those that serve the example, any one of them.
        clients: Those that talk to it.
    """

    before: list[str]
    servers: list[str]
    clients: list[str]


class Example(NamedTuple):
    """What a program says of itself."""

    path: Path
    about: str
    ways: list[Way]
    rest: list[str]


def examples() -> Iterator[Example]:
    """Reads all programs, those of the tutorial left out."""
    for path in sorted(EXAMPLES.glob("*.py")):
        if "__main__" in path.read_text():
            yield read(path)


def read(path: Path) -> Example:
    """Reads the docstring of a program."""
    about, *paragraphs = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")
    ways = [way_of(text, path.stem) for text in paragraphs if _COMMAND.match(text)]
    return Example(path, about, ways, [text for text in paragraphs if not _COMMAND.match(text)])


def way_of(paragraph: str, name: str) -> Way:
    """Tells the commands that serve from the others; a backslash at the end of a line continues it."""
    commands = re.split(r"(?<!\\)\n", paragraph)
    serving = [command for command in commands if _SERVES.match(command)]
    before = [command for command in serving if not re.search(rf"\bexamples[./]{name}\b", command)]
    servers = [command for command in serving if command not in before]
    return Way(before, servers, [command for command in commands if command not in serving])
