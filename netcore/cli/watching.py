"""Watching an admin server from a terminal; imported by who does so, since it takes packages of an extra."""

from __future__ import annotations

import sys
import time
from contextlib import closing

from rich.console import Console
from rich.live import Live

from netcore._complaints import plain
from netcore.admin.client import AdminClient, AdminError
from netcore.admin.columns import COLUMNS, Order, lines_of, ordered
from netcore.admin.figures import duration
from netcore.admin.rates import Stats, rows
from netcore.admin.table import screen_of
from netcore.cli.keys import Keys, keys
from netcore.cli.output import say
from netcore.cli.usage import UsageError
from netcore.errors import NetcoreError

__all__ = ["watch"]

_SLICE = 0.25
"""Seconds between two looks at the size of the terminal."""

_QUIT = ("q", "\x03", "\x04")


def watch(address: str, sort: str, reverse: bool, interval: float, once: bool) -> int:
    """Shows a table until it is interrupted; plain lines where standard output is no terminal.

    Args:
        address: Of the admin server.
        sort: The name of a column.
        reverse: Whether to sort the other way round.
        interval: Seconds between two looks.
        once: Whether to print one table, and end.

    Returns:
        The exit status: 0; 1 if the server cannot be asked.

    Raises:
        UsageError: The address is none.
    """
    try:
        client = AdminClient(address)
    except NetcoreError as error:
        raise UsageError(str(error)) from None
    order = Order(next(column for column in COLUMNS if column.name == sort), reverse)
    try:
        with closing(client):
            if not once and sys.stdout is not None and sys.stdout.isatty():
                with keys() as pressed:
                    _show(client, order, interval, Console(), pressed)
            else:
                _print(client, order, interval, 1 if once else None)
    except AdminError as error:
        print(f"netcore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _print(client: AdminClient, order: Order, interval: float, times: int | None) -> None:
    """Prints so many tables as lines, or without end."""
    before = client.stats()
    while times is None or times > 0:
        time.sleep(interval)
        now = client.stats()
        say("\n".join([_title(client, now), *lines_of(ordered(rows(now, before), order)), ""]))
        before = now
        times = None if times is None else times - 1


def _show(client: AdminClient, order: Order, interval: float, console: Console, pressed: Keys) -> None:
    """Shows a table that is always as large as the terminal, until it is told to end."""
    before, now = None, client.stats()
    title = _title(client, now)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            due = time.monotonic() + interval
            while time.monotonic() < due:
                size = console.size
                found = ordered(rows(now, before), order)
                live.update(screen_of(found, order, title, size.width, size.height), refresh=True)
                key = _wait(pressed, due, console)
                if key in _QUIT:
                    return
                order = order.after(key)
            try:
                before, now = now, client.stats()
                title = _title(client, now)
            except AdminError as error:
                title = str(error)


def _wait(pressed: Keys, due: float, console: Console) -> str:
    """Waits until there is something to be shown anew; returns the key if one was pressed."""
    size = console.size
    while (left := due - time.monotonic()) > 0 and console.size == size:
        if key := pressed.read(min(left, _SLICE)):
            return key[0].lower()
    return ""


def _title(client: AdminClient, stats: Stats) -> str:
    processes = stats["processes"]
    loops = sum(len(process["loops"]) for process in processes)
    age = max((process["age"] for process in processes), default=0.0)
    counted = f"{len(processes)} process{'es' * (len(processes) != 1)}, {loops} loop{'s' * (loops != 1)}"
    return f"netcore {client.name}: {plain(stats['state'])}, {counted}, up {duration(age)}"
