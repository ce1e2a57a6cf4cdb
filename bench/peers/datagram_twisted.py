"""Datagram echo with Twisted on its default reactor. Usage: datagram_twisted.py PORT."""
# A reactor is a module, whose type says nothing.
# mypy: ignore-errors

import sys

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol


class Echo(DatagramProtocol):
    def datagramReceived(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.write(data, address)


if __name__ == "__main__":
    reactor.listenUDP(int(sys.argv[1]), Echo(), interface="127.0.0.1")
    reactor.run()
