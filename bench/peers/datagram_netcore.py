"""Datagram echo with netcore, one loop. Usage: datagram_netcore.py PORT."""

import sys

import netcore


class Echo(netcore.EventHandler):
    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


if __name__ == "__main__":
    netcore.run(Echo(), f"udp://127.0.0.1:{sys.argv[1]}", num_event_loops=1)
