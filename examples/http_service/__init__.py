"""What ``http_server.py`` says on a connection, without doing any I/O on it.

``RequestReader`` turns bytes into requests, ``Site`` makes responses of them, ``Response.head`` is bytes.
"""

from examples.http_service.requests import Continue, Limits, Refusal, Request, RequestReader
from examples.http_service.responses import Response
from examples.http_service.site import Site

__all__ = ["Continue", "Limits", "Refusal", "Request", "RequestReader", "Response", "Site"]
