"""HTTP/1.1 with netcore, one loop; the protocol is http_exchange.py. Usage: http_netcore.py PORT."""

import sys

from http_exchange import Exchange, MalformedRequest, Site

import netcore


class Http(netcore.EventHandler):
    def __init__(self) -> None:
        self._site = Site("netcore")

    def on_open(self, conn: netcore.Conn) -> None:
        conn.context = Exchange(self._site).answer

    def on_traffic(self, conn: netcore.Conn) -> netcore.Action | None:
        try:
            conn.write(conn.context(conn.read()))
        except MalformedRequest:
            return netcore.Action.CLOSE
        return None


if __name__ == "__main__":
    netcore.run(Http(), f"tcp://127.0.0.1:{sys.argv[1]}", num_event_loops=1)
