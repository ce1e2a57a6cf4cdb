"""The built site in Chromium: every page fits a phone and a desktop, and can be read by day and by night."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browsing import Window

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

# Text that is too close to its ground in colour: WCAG 2.2, 1.4.3.
FAINT = """
const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => c * a + ground[i] * (1 - a));
const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const grounds = new Map();
const ground = (e) => {
    if (!e) return [255, 255, 255];
    if (!grounds.has(e)) {
        const colour = channels(getComputedStyle(e).backgroundColor), below = ground(e.parentElement);
        grounds.set(e, colour[3] === 0 ? below : over(colour, below));
    }
    return grounds.get(e);
};
const found = new Set();
for (const e of document.querySelectorAll("article *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(e);
    if (!own || style.visibility === "hidden" || !e.getClientRects().length) continue;
    const behind = ground(e.closest("svg") || e);
    const ink = over(channels(e.closest("svg") ? style.fill : style.color), behind);
    const [low, high] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) found.add(`${e.tagName} ${contrast.toFixed(2)} ${e.textContent.slice(0, 60)}`);
}
return [...found];
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SITE)))
def test_a_page_can_be_read(page: Path, window: Window, address: str) -> None:
    window.call("POST", "/url", url=address + str(page.relative_to(SITE)))
    for width, height, phone in ((1280, 800, False), (390, 844, True)):
        grounds = set()
        for dark in (False, True):
            window.emulate(width, height, dark, phone)
            assert not window.run(MISFITS, phone), width
            assert not window.run(FAINT), "dark" if dark else "light"
            grounds.add(window.run("return getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
    assert not window.complaints()
