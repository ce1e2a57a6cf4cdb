"""The search of the built site, as who does not know netcore's words uses it."""

from __future__ import annotations

import os
from urllib.parse import quote

import pytest
from browsing import Window

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif("NETCORE_SITE" not in os.environ, reason="the site is built by tox -e docs"),
]

WANTED = {
    "ssl": "how-to/tls.html",
    "ssl certificate": "how-to/tls.html",
    "https": "how-to/tls.html",
    "reload": "how-to/processes.html",
    "workers": "how-to/processes.html",
    "uvicorn": "how-to/from-uvicorn.html",
    "gunicorn": "how-to/from-uvicorn.html",
    "environment variables": "how-to/configuration.html",
    "docker": "how-to/deployment.html",
    "kubernetes": "how-to/deployment.html",
    "systemd": "how-to/systemd.html",
    "websocket": "examples.html",
    "rate limit": "how-to/rate-limit.html",
    "broadcast": "how-to/broadcast.html",
    "timeout": "tutorial/4-deadlines.html",
    "backpressure": "tutorial/3-back-pressure.html",
    "graceful shutdown": "how-to/closing.html",
    "logging": "how-to/logging.html",
    "prometheus": "how-to/admin.html",
    "security": "how-to/security-model.html",
    "PyPy": "stability.html",
    "timer": "tutorial/4-deadlines.html",
    "call later": "tutorial/4-deadlines.html",
    "thread safe": "reference/threads.html",
    "hot reload": "how-to/processes.html",
    "mTLS": "how-to/tls.html",
    "port in use": "how-to/addresses.html",
    "permission denied": "how-to/addresses.html",
    "virtualenv": "index.html",
    "kcp": "how-to/kcp.html",
    "kcp-go": "how-to/kcp.html",
    "ikcp_update": "how-to/kcp-without-io.html",
    "reliable udp": "how-to/kcp.html",
    "packet loss": "how-to/kcp.html",
    "game server": "how-to/kcp.html",
    "simulation": "how-to/simulation.html",
    "chaos": "how-to/simulation.html",
    "partition": "tutorial/6-a-simulated-world.html",
    "turmoil": "design/simulation.html",
}


@pytest.mark.parametrize("words", WANTED)
def test_the_search_finds(words: str, window: Window, address: str) -> None:
    window.call("POST", "/url", url=f"{address}search.html?q={quote(words)}")
    window.wait_for("#search-results", "matching the search query")
    links = "return [...document.querySelectorAll('ul.search li > a')].map((a) => a.getAttribute('href'))"
    found = [link.partition("#")[0] for link in window.run(links)]
    assert WANTED[words] in found[:3]
