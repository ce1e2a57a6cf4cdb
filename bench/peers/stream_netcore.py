"""Stream echo with netcore. Usage: stream_netcore.py PORT LOOPS [admin|access_log|watchdog].

The last one says by what it is watched; lines about connections go to standard error.
"""

import logging
import sys
from typing import Any

import netcore
from netcore.logs import configure

WATCHED: dict[str, dict[str, Any]] = {
    "admin": {"admin": "tcp://127.0.0.1:0"},
    "access_log": {"access_log": True},
    "watchdog": {"watchdog": 1.0},
}


class Echo(netcore.EventHandler):
    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


if __name__ == "__main__":
    port, loops, *watched = sys.argv[1:]
    options = {name: value for each in watched for name, value in WATCHED[each].items()}
    if "access_log" in watched:
        configure(logging.INFO, "text")
    netcore.run(Echo(), f"tcp://127.0.0.1:{port}", num_event_loops=int(loops), **options)
