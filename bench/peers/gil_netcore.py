"""Python time per echo message of a netcore loop whose system calls return at once.

Usage: gil_netcore.py CONNECTIONS WARMUP_SECONDS SECONDS, with native/kernel_stub.c preloaded; prints one line
of JSON. An engine runs as always, on netcore's own pollers and sockets, but without a kernel below. The CPU
time of its loop's thread is then what the loop spends in Python, in the calls into C, and there.
"""

import ctypes
import json
import sys
import threading
import time

import netcore

_CONNECTING = 30.0


class Echo(netcore.EventHandler):
    def on_boot(self, engine: netcore.EngineView) -> None:
        self.opened = threading.Semaphore(0)

    def on_open(self, conn: netcore.Conn) -> None:
        self.opened.release()

    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


def measure(stub: ctypes.CDLL, connections: int, warmup: float, seconds: float) -> dict[str, float]:
    handler = Echo()
    stub.stub_begin(connections)
    known = set(threading.enumerate())
    with netcore.Engine(handler, "tcp://127.0.0.1:0", num_event_loops=1, poller="epoll") as engine:
        (loop,) = (thread for thread in threading.enumerate() if thread not in known)
        for _ in range(connections):
            if not handler.opened.acquire(timeout=_CONNECTING):
                sys.exit(f"only {engine.connection_count} connections were opened")
        assert loop.ident is not None
        clock = time.pthread_getcpuclockid(loop.ident)
        time.sleep(warmup)
        begin, before = time.clock_gettime(clock), stub.stub_messages()
        time.sleep(seconds)
        spent, messages = time.clock_gettime(clock) - begin, stub.stub_messages() - before
        engine.stop(0.0)
    if not messages:
        sys.exit("this netcore receives by a way that the stub does not know")
    return {"messages": messages, "gil_us_per_message": spent / messages * 1e6}


if __name__ == "__main__":
    stub = ctypes.CDLL(None)  # what has been preloaded is part of the program
    stub.stub_messages.restype = ctypes.c_long
    connections, warmup, seconds = sys.argv[1:]
    print(json.dumps(measure(stub, int(connections), float(warmup), float(seconds))))
