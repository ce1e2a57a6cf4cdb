"""The built site in Chromium: every page fits a phone and a desktop, and can be read by day and by night."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browsing import FAINT, Window

SITE = Path(os.environ.get("NETCORE_SITE", ""))
PAGES = sorted(SITE.rglob("*.html")) if "NETCORE_SITE" in os.environ else []

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not PAGES, reason="the site is built by tox -e docs"),
]

# What is wider than its place, without a bar to scroll it by. Code scrolls on a phone only.
MISFITS = """
const [mayScroll] = arguments, found = [];
const name = (e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 60)}`;
const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
if (document.documentElement.scrollWidth > window.innerWidth) found.push("the page");
for (const e of document.querySelectorAll("article pre, article table")) {
    const box = e.tagName === "PRE" ? e : e.parentElement;
    const narrow = e.scrollWidth > box.clientWidth + 1;
    if (narrow && (!scrolls(box) || (e.tagName === "PRE" && !mayScroll))) found.push(name(e));
}
for (const e of document.querySelectorAll("article img, article svg"))
    if (e.getBoundingClientRect().right > window.innerWidth) found.push(name(e));
return found;
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_a_page_can_be_read(page: Path, window: Window, address: str) -> None:
    window.call("POST", "/url", url=address + str(page.relative_to(SITE)))
    for width, height, phone in ((1280, 800, False), (390, 844, True)):
        grounds = set()
        for dark in (False, True):
            window.emulate(width, height, dark, phone)
            assert not window.run(MISFITS, phone), width
            assert not window.run(FAINT, "article *"), "dark" if dark else "light"
            grounds.add(window.run("return getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
    assert not window.complaints()
