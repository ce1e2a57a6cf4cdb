"""The process under test: engines with and without injected faults, and a line of figures on request.

It prints the ports when it serves, then answers each line of its standard input with one of JSON, and ends
when that ends. An argument makes it leak: so many objects a second, which a soak has to notice.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from typing import Any
from unittest.mock import patch

from bench.soak.objects import PACKERS, census, most_packers
from netcore import Action, Conn, Engine, EventHandler, Options, UnsupportedProtocolError
from netcore.codec import FrameHandler, LengthFieldCodec
from netcore.engine import assembly
from netcore.poll import Poller, open_poller
from netcore.sockets import Sockets, open_sockets
from netcore.testing import GENTLE_FAULTS, HARSH_FAULTS, FaultPlan, FaultyPoller, FaultySockets

RUDE = 0xFF
"""A conversation that begins with this byte is answered and closed in the midst of the request."""

RESPONSE = bytes(range(256)) * 256

IDLE_TIMEOUT = 6.0
"""Seconds; for so long a timing wheel also remembers connections that are gone."""

_MODES = {
    "plain": None,
    "gentle": (0.02, GENTLE_FAULTS),
    "harsh": (0.01, HARSH_FAULTS),
}


class Counting(EventHandler):
    """Counts what must come in pairs."""

    calls: Counter[str] = Counter()

    def on_open(self, conn: Conn) -> Action | None:
        self.calls["open"] += 1
        return None

    def on_close(self, conn: Conn, error: Exception | None) -> Action | None:
        self.calls["close"] += 1
        return None


class Echo(Counting):
    def on_traffic(self, conn: Conn) -> Action | None:
        data = conn.read()
        if conn.context is None:
            conn.context = True
            if data[0] == RUDE:
                conn.write(RESPONSE)
                return Action.CLOSE
        conn.write(data)
        return None


class EchoFrames(Counting, FrameHandler):
    def on_frame(self, conn: Conn, frame: bytes) -> Action | None:
        self.send_frame(conn, frame)
        return None


class EchoDatagrams(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


class Faults:
    """Puts an engine's pollers and sockets behind a plan of faults."""

    def __init__(self) -> None:
        self.plans: list[FaultPlan] = []

    def start(self, engine_of: Any, rate: float, menu: Any) -> Engine:
        plan = FaultPlan(rate, len(self.plans), menu)
        self.plans.append(plan)

        def faulty_poller() -> Poller:
            return FaultyPoller(open_poller(), plan)

        def faulty_sockets(receive_cap: int, poller: FaultyPoller) -> Sockets:
            return FaultySockets(open_sockets(receive_cap), plan, poller)

        engine: Engine = engine_of(Options(poller=faulty_poller, **_OPTIONS))
        # There is no option for sockets: nobody but a test wants others than this machine's best.
        with patch.object(assembly, "open_sockets", faulty_sockets):
            engine.start()
        return engine


_OPTIONS: dict[str, Any] = {"idle_timeout": IDLE_TIMEOUT, "close_timeout": 3.0}


class Leak:
    """Loses so many objects a second, by the clock."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.lost: list[list[None]] = []
        self.begun = time.monotonic()

    def drip(self) -> None:
        """Makes up for the time that has passed."""
        due = int((time.monotonic() - self.begun) * self.rate)
        self.lost += ([] for _ in range(due - len(self.lost)))


def main() -> None:
    leak = Leak(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    faults = Faults()
    ports: dict[str, int] = {}
    engines = []
    for mode, fault in _MODES.items():
        for name, handler in (
            ("echo", Echo()),
            ("frames", EchoFrames(LengthFieldCodec(1 << 20, initial_bytes_to_strip=4))),
        ):

            def engine_of(options: Options, handler: EventHandler = handler) -> Engine:
                return Engine(handler, "tcp://127.0.0.1:0", options=options)

            if fault is None:
                engine = engine_of(Options(**_OPTIONS))
                engine.start()
            else:
                engine = faults.start(engine_of, *fault)
            ports[f"{name} {mode}"] = engine.addresses[0].port
            engines.append(engine)
    try:
        datagrams = Engine(EchoDatagrams(), "udp://127.0.0.1:0")
    except UnsupportedProtocolError:
        pass
    else:
        datagrams.start()
        engines.append(datagrams)
        ports["datagrams plain"] = datagrams.addresses[0].port
    for engine in engines:
        _await_loops(engine)
    print(json.dumps(ports), flush=True)
    for _ in sys.stdin:
        leak.drip()
        print(json.dumps(_figures(engines, faults)), flush=True)
    for engine in engines:
        engine.stop()


def _await_loops(engine: Engine) -> None:
    """Waits until the loops accept: before that they have not opened all that they keep open."""
    for loop in engine.loops:
        turned = threading.Event()
        loop.execute(turned.set)
        turned.wait()


def _figures(engines: list[Engine], faults: Faults) -> dict[str, Any]:
    kinds = census()
    packers = kinds.pop(PACKERS, 0)
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "rss": resident,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "objects": kinds.total(),
        "kinds": kinds,
        "packers": packers,
        "most_packers": most_packers(sum(len(engine.loops) for engine in engines)),
        "connections": sum(engine.connection_count for engine in engines),
        "calls": dict(Counting.calls),
        "faults": sum(sum(plan.injected.values()) for plan in faults.plans),
    }


if __name__ == "__main__":
    main()
