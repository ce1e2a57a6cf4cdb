"""Stream echo with gevent, a greenlet per connection. Usage: stream_gevent.py PORT."""
# gevent has no types.
# mypy: ignore-errors

import sys

from gevent.server import StreamServer
from gevent.socket import socket


def echo(connection: socket, address: tuple[str, int]) -> None:
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except ConnectionError:
        pass  # the client has gone


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), echo, backlog=4096).serve_forever()
