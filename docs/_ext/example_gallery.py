"""The example programs: what each is, how to run it and how to talk to it, and its source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import indent

from example_commands import Example, examples
from generated import rst_directive
from sphinx.application import Sphinx


def describe() -> str:
    """Writes the entries of all programs."""
    return "\n".join(line for example in examples() for line in _entry(example))


def _entry(example: Example) -> Iterator[str]:
    name = f"examples/{example.path.name}"
    yield f".. rubric:: {name}\n\n{_literals(example.about)}\n"
    for before, servers, clients in example.ways:
        for command in before:
            yield f"{_block([command])}\nand in another terminal:\n"
        yield "\nor\n\n".join(_block([command]) for command in servers)
        typed = [command for command in clients if not command.startswith("http")]
        if typed:
            yield f"and in another terminal:\n\n{_block(typed)}"
        for url in clients:
            if url not in typed:
                yield f"and open {url} in a browser.\n"
    for text in example.rest:
        yield f"{_literals(text)}\n"
    yield f".. raw:: html\n\n   <details><summary>{name}</summary>\n"
    yield f".. literalinclude:: ../{name}\n   :language: python\n"
    yield ".. raw:: html\n\n   </details>\n"


def _block(commands: list[str]) -> str:
    return f".. code-block:: sh\n\n{indent(chr(10).join(commands), '   ')}\n"


def _literals(text: str) -> str:
    """Makes literals of what stands in single quotes of the kind."""
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def setup(app: Sphinx) -> None:
    """Registers the directive."""
    app.add_directive("example-gallery", rst_directive(describe))
