"""The built site, served to a browser.

``tox -e docs`` builds it and says in NETCORE_SITE where it is.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Window, chromium


class Published(http.server.SimpleHTTPRequestHandler):
    """Serves the site as one version of two, in a folder of its own, and says nothing of it."""

    def do_GET(self) -> None:
        if self.path != "/versions.json":
            super().do_GET()
            return
        told = b'{"names": ["0.9", "0.8"], "stable": "0.9"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/0.9"))

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the site is served."""
    handler = functools.partial(Published, directory=os.environ["NETCORE_SITE"])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/0.9/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def window(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        pytest.skip("there is no Chromium with its driver")
    with chromium(driver, binary, tmp_path_factory.mktemp("profile")) as browser:
        yield browser.open_window(address)
