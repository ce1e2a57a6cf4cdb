"""Where code within a text may break: behind the parts of a long name in a table, not in a flag's dashes."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_CODE = re.compile(r'(?<=<span class="pre">)[^<]+')
_JOINT = re.compile(r"(?<=\w)(::|[-/_.:])(?=\w)")
_FLAG = re.compile(r"(?<![\w-])--?\w+")


def break_names(body: str) -> str:
    """Puts places to break into the code of a page, as HTML that nobody copies."""
    body = _TABLE.sub(lambda table: _CODE.sub(lambda code: _JOINT.sub(r"\1<wbr>", code[0]), table[0]), body)
    return _CODE.sub(lambda code: _FLAG.sub(r'<span class="whole">\g<0></span>', code[0]), body)


def _on_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = break_names(context["body"])


def setup(app: Sphinx) -> None:
    """Registers what happens to each page."""
    app.connect("html-page-context", _on_page)
