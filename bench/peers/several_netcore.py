"""A server with netcore of one process, or of several under a supervisor.

Usage: several_netcore.py MODULE:CLASS PORT PROCESSES own|shared HANG_TIMEOUT. One process has no
supervisor. The class is of several_echo.py or several_http.py, whose handlers say when they serve.
"""

import importlib
import sys

import netcore
from netcore.supervisor import Supervisor


def serve_alone(target: str, address: str) -> None:
    module, _, name = target.partition(":")
    netcore.run(getattr(importlib.import_module(module), name)(), address, num_event_loops=1)


if __name__ == "__main__":
    target, port, processes, listeners, hang_timeout = sys.argv[1:]
    address = f"tcp://127.0.0.1:{port}"
    if processes == "1":
        serve_alone(target, address)
    else:
        Supervisor(
            target,
            address,
            processes=int(processes),
            listeners=listeners,
            hang_timeout=float(hang_timeout),
            num_event_loops=1,
        ).run()
