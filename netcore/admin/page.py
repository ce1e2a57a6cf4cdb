"""The live page: one file, and a policy that lets nothing but its own style and script run."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from netcore._pages import own_sources

__all__ = ["page"]


@cache
def page() -> tuple[bytes, str]:
    """Returns the page, and its Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""
    text = files("netcore.admin").joinpath("page.html").read_text("utf-8")
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; {own_sources(text)}"
    )
    return text.encode(), policy
