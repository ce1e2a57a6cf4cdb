"""Step 1: sends back whatever it receives.

python examples/tutorial/step1_echo.py tcp://127.0.0.1:9000
"""

import sys

import netcore


class Echo(netcore.EventHandler):
    """One object serves all connections."""

    def on_boot(self, engine: netcore.EngineView) -> None:
        """The addresses are bound; with port 0 the system has chosen the port."""
        print("echo on", *engine.addresses, flush=True)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Bytes have come."""
        conn.write(conn.read())


if __name__ == "__main__":
    netcore.run(Echo(), *(sys.argv[1:] or ["tcp://127.0.0.1:9000"]))
