"""Stream echo by TLS with netcore. Usage: tls_netcore.py PORT CERTIFICATE KEY."""

import sys

import netcore
from netcore.tls import server_context


class Echo(netcore.EventHandler):
    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


if __name__ == "__main__":
    netcore.run(Echo(), f"tls://127.0.0.1:{sys.argv[1]}", tls=server_context(*sys.argv[2:]))
