"""What there is to be had: two routes, and the files below a directory."""

from __future__ import annotations

import mimetypes
import os
import stat
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from examples.http_service.requests import Request
from examples.http_service.responses import Response

__all__ = ["Site"]

_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a named pipe would wait for its writer
)


class Site:
    """Answers requests.

    Args:
        root: The directory whose files are served; None for none.

    Raises:
        NotADirectoryError: The root is no directory.
    """

    def __init__(self, root: Path | None = None) -> None:
        if root is not None and not root.is_dir():
            raise NotADirectoryError(f"{str(root)!r} is no directory")
        self._root = None if root is None else root.resolve()
        self._routes: dict[str, Mapping[str, Callable[[Request], Response]]] = {
            "/hello": {"GET": _hello},
            "/echo": {"POST": _echo, "PUT": _echo},
        }

    def answer(self, request: Request) -> Response:
        """Returns the response to a request; for HEAD it is that of GET, whose body is not to be sent."""
        method = "GET" if request.method == "HEAD" else request.method
        path = urllib.parse.unquote(request.path, "utf-8", "surrogateescape")
        route = self._routes.get(path)
        if route is None:
            return self._file(path, method)
        if method in route:
            return route[method](request)
        return _not_allowed(route)

    def _file(self, path: str, method: str) -> Response:
        found = self._find(path)
        if found is None:
            return Response.plain(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return _not_allowed(("GET",))
        try:
            descriptor = os.open(found, _OPEN_FLAGS)
        except OSError:
            return Response.plain(HTTPStatus.NOT_FOUND)
        file = open(descriptor, "rb", buffering=0)  # noqa: SIM115 (closed by who sends it)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            file.close()
            return Response.plain(HTTPStatus.NOT_FOUND)
        kind, encoding = mimetypes.guess_type(found.name)
        if kind is None or encoding is not None:
            kind = "application/octet-stream"
        return Response(HTTPStatus.OK, content_type=kind, file=file, size=status.st_size)

    def _find(self, path: str) -> Path | None:
        """Finds the file for a path, if it lies below the root after all links and dots are resolved."""
        if self._root is None or "\0" in path or not path.startswith("/"):
            return None
        try:
            found = (self._root / path.lstrip("/")).resolve()
            if found.is_dir():
                found = (found / "index.html").resolve()
            return found if found.is_relative_to(self._root) and found.is_file() else None
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, or no name at all
            return None


def _hello(request: Request) -> Response:
    return Response(HTTPStatus.OK, b"hello\n")


def _echo(request: Request) -> Response:
    return Response(HTTPStatus.OK, request.body, "application/octet-stream")


def _not_allowed(methods: Mapping[str, object] | tuple[str, ...]) -> Response:
    """Says which methods there are instead (RFC 9110, 15.5.6)."""
    allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
    return Response.plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", ", ".join(allowed)))
