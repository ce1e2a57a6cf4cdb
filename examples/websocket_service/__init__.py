"""What ``websocket_chat.py`` says on a connection, without doing any I/O on it.

``Session`` turns bytes into answers and chat messages: an ``HttpFront`` at first, a ``Membership`` from the
upgrade on.
"""

from examples.websocket_service.membership import text_frame
from examples.websocket_service.session import Session

__all__ = ["Session", "text_frame"]
