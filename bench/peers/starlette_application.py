"""The site of http_application.py as a Starlette application."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def plaintext(request: Request) -> PlainTextResponse:
    return PlainTextResponse(b"Hello, World!")


asgi = Starlette(routes=[Route("/plaintext", plaintext)])
