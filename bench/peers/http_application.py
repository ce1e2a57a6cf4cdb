"""The same site as http_exchange.py as an application: `asgi` for uvicorn and granian, `rsgi` for granian.

Server and Date are the servers' own; they add both. `computing` computes for each request, and
says when it serves.
"""
# The types of both interfaces are packages of their own.
# mypy: ignore-errors

from compute import compute

_PATH = "/plaintext"
_BODY = b"Hello, World!"
_TYPE = "text/plain; charset=utf-8"


def _find(path):
    return (200, _BODY) if path == _PATH else (404, b"")


async def asgi(scope, receive, send):
    status, body = _find(scope["path"])
    headers = [(b"content-type", _TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def rsgi(scope, protocol):
    status, body = _find(scope.path)
    protocol.response_bytes(status, [("content-type", _TYPE), ("content-length", str(len(body)))], body)


async def computing(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("ready to serve", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        compute()
        await asgi(scope, receive, send)
