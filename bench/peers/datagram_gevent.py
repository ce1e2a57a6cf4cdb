"""Datagram echo with gevent. Usage: datagram_gevent.py PORT."""
# gevent has no types.
# mypy: ignore-errors

import sys

from gevent.server import DatagramServer


class Echo(DatagramServer):
    def handle(self, data: bytes, address: tuple[str, int]) -> None:
        self.socket.sendto(data, address)


if __name__ == "__main__":
    Echo(("127.0.0.1", int(sys.argv[1]))).serve_forever()
