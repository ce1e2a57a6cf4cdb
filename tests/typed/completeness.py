"""Looks whether every public name has a type that all type checkers agree on: ``pyright --verifytypes``.

It wants netcore installed, as a wheel, and is run by tox's ``types``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from typing import Any

os.environ["NETCORE_HOT"] = "0"  # what is in C stands for the classes that type checkers see

PARTS = "admin aio buffer codec kcp lb logs poll proxy ratelimit service supervisor testing tls worker"
PACKAGES = ("netcore", *(f"netcore.{part}" for part in PARTS.split()))

WHY_NOT = {
    "the loops' insides, which such an object has for a loop": (
        "netcore.aio.guest.LoopPoller.__init__",
        "netcore.aio.handler.AsyncHandler.serve",
        "netcore.aio.hosted.loop_of",
        "netcore.aio.loop.EventLoop.open_channel",
        "netcore.aio.loop.new_event_loop",
        "netcore.aio.stream.Stream",
        "netcore.aio.stream.Stream.__init__",
    ),
    "the insides of a simulated world, which its hosts have": (
        "netcore.testing.simulation.coroutines.program.Program.__init__",
        "netcore.testing.simulation.host.Host.__init__",
        "netcore.testing.simulation.host.Host.program",
        "netcore.testing.simulation.net.names.Names.__init__",
        "netcore.testing.simulation.net.names.Names.resolver",
        "netcore.testing.simulation.scenario.Scenario.simulation",
        "netcore.testing.simulation.schedule.ClockJump.begin",
        "netcore.testing.simulation.schedule.ClockJump.end",
        "netcore.testing.simulation.schedule.ClockSkew.begin",
        "netcore.testing.simulation.schedule.ClockSkew.end",
        "netcore.testing.simulation.schedule.Crash.begin",
        "netcore.testing.simulation.schedule.Crash.end",
        "netcore.testing.simulation.schedule.LinkChange.begin",
        "netcore.testing.simulation.schedule.LinkChange.end",
        "netcore.testing.simulation.schedule.Partition.begin",
        "netcore.testing.simulation.schedule.Partition.end",
        "netcore.testing.simulation.schedule.Schedule.apply",
        "netcore.testing.simulation.simulation.Simulation.chaos",
        "netcore.testing.simulation.simulation.Simulation.heal",
        "netcore.testing.simulation.simulation.Simulation.host",
        "netcore.testing.simulation.simulation.Simulation.link",
        "netcore.testing.simulation.simulation.Simulation.link_between",
        "netcore.testing.simulation.simulation.Simulation.names",
        "netcore.testing.simulation.simulation.Simulation.partition",
    ),
    "pyright takes what a subclass sets for another declaration of it": (
        "netcore.codec.delimiter.DelimiterCodec.decoder",
        "netcore.codec.length_field.LengthFieldCodec.decoder",
        "netcore.codec.line.LineCodec",
    ),
}
"""Names that are incomplete, and what they reach; nobody's program sees it."""


def public_names() -> set[str]:
    """Where what the packages export is defined."""
    found: set[str] = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                private = "._" in value.__module__
                found.add(f"{package}.{name}" if private else f"{value.__module__}.{value.__qualname__}")
    return found


def verified() -> list[dict[str, Any]]:
    """What pyright says of each symbol."""
    command = ["pyright", "--verifytypes", "netcore", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    symbols: list[dict[str, Any]] = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    return symbols


def complaints() -> list[str]:
    """What is wrong, a line for each."""
    public = public_names()
    seen: set[str] = set()
    excused = {name for names in WHY_NOT.values() for name in names}
    found: list[str] = []
    for symbol in verified():
        name: str = symbol["name"]
        parts = name.split(".")
        private = any(part.startswith("_") and not part.startswith("__") for part in parts)
        if private or public.isdisjoint((name, name.rpartition(".")[0])):
            continue
        seen.add(name)
        incomplete = not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]
        reasons = [report["message"].replace("\n", " ") for report in symbol["diagnostics"]]
        if incomplete and reasons and name not in excused:  # without one it is that of another symbol
            found.append(f"{name}: {'; '.join(reasons)}")
    if missing := public - seen:
        found.append(f"pyright does not know of {', '.join(sorted(missing))}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(complaints()) or None)
