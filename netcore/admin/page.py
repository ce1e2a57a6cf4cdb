"""The live page: one file, and a policy that lets nothing but its own style and script run."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

__all__ = ["page"]


@cache
def page() -> tuple[bytes, str]:
    """Returns the page, and its Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""
    text = files("netcore.admin").joinpath("page.html").read_text("utf-8")
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; script-src {_hash_of(text, 'script')}; style-src {_hash_of(text, 'style')}"
    )
    return text.encode(), policy


def _hash_of(text: str, element: str) -> str:
    inside = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
    return " ".join(f"'sha256-{_digest(each)}'" for each in inside)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
