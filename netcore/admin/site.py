"""What there is to be seen, by path."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from netcore.address import Address
from netcore.admin.answers import HTML, Answer, Request
from netcore.admin.exposition import expose
from netcore.admin.hosts import is_ours
from netcore.admin.page import page
from netcore.admin.source import Source

__all__ = ["Site"]

_METHODS = ("GET", "HEAD")


class Site:
    """Answers requests from what a source says. It changes nothing, whatever is asked.

    Args:
        source: What is shown.
        address: Where the server listens: who may call it by a name.
        most: Connections that are shown.
        clock: Seconds that never go back; rates are made of them.
    """

    def __init__(
        self, source: Source, address: Address, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._address = address
        self._most = most
        self._clock = clock
        self._paths: dict[str, Callable[[Request], Answer]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/health": self._health,
            "/ready": self._ready,
            "/connections.json": self._connections,
            "/stats.json": self._stats,
        }

    def respond(self, request: Request) -> Answer:
        """Answers a request; what the source raises passes through."""
        if request.method not in _METHODS:
            return Answer.text(405, more=(("Allow", ", ".join(_METHODS)),))
        if request.has_body:
            return Answer.text(413, "a request has no body here")
        path, hosts = _taken_apart(request)
        if path is None:
            return Answer.text(400)
        if not all(is_ours(host, self._address) for host in hosts):
            return Answer.text(421, "this server is not known by that name: ask for its IP address")
        found = self._paths.get(path)
        return found(request) if found is not None else Answer.text(404, _index(self._paths))

    def _page(self, request: Request) -> Answer:
        text, policy = page()
        return Answer(200, text, HTML, policy)

    def _metrics(self, request: Request) -> Answer:
        body, kind = expose(self._source.processes(), self._source.facts(), request.accept)
        return Answer(200, body, kind)

    def _health(self, request: Request) -> Answer:
        state = self._source.state()
        return Answer.text(503 if state == "stopping" else 200, state)

    def _ready(self, request: Request) -> Answer:
        state = self._source.state()
        return Answer.text(200 if state == "ready" else 503, state)

    def _connections(self, request: Request) -> Answer:
        return Answer.data(self._source.connections(self._most))

    def _stats(self, request: Request) -> Answer:
        processes, facts = self._source.processes(), self._source.facts()
        state = self._source.state()
        return Answer.data({"time": self._clock(), "state": state, "processes": processes, "facts": facts})


def _taken_apart(request: Request) -> tuple[str | None, list[str]]:
    """Returns the path, None if there is none, and whatever the request calls the server."""
    hosts = [] if request.host is None else [request.host]
    target = request.target
    if target.startswith("/"):
        return target.partition("?")[0], hosts
    try:
        url = urlsplit(target)
    except ValueError:
        return None, hosts
    if url.scheme != "http" or not url.netloc:
        return None, hosts
    return url.path or "/", [url.netloc, *hosts]


def _index(paths: dict[str, object] | dict[str, Callable[[Request], Answer]]) -> str:
    return f"there is {' '.join(paths)}"
