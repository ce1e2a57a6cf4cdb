"""The trace that the code of a page writes, as a page beside it and within it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_PAGE = "tutorial/6-a-simulated-world"
_WRITTEN = "trace.html"
_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class TracePage(SphinxDirective):
    """Shows it, and leads to it."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        assert self.env.docname == _PAGE, f"{self.env.docname} writes no trace"
        frame = f'<iframe class="trace" src="{_WRITTEN}" title="The trace of a failing seed"></iframe>'
        link = f'<p><a href="{_WRITTEN}">The same in a window of its own</a></p>'
        return [nodes.raw("", frame + link, format="html")]


def write(app: Sphinx, error: Exception | None) -> None:
    """Runs the code of the page when the site is built, and puts beside it what that has written."""
    if error is not None or app.builder.format != "html":
        return
    code = "\n".join(_CODE.findall((Path(app.srcdir) / f"{_PAGE}.md").read_text()))
    namespace: dict[str, Any] = {"__name__": "page"}
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec(compile(code, _PAGE, "exec"), namespace)
        finally:
            os.chdir(before)
        shutil.copy(Path(folder) / _WRITTEN, (Path(app.outdir) / _PAGE).parent)


def setup(app: Sphinx) -> None:
    """Registers the directive, and what writes the file."""
    app.add_directive("trace-page", TracePage)
    app.connect("build-finished", write)
