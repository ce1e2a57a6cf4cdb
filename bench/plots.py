"""Plots as SVG: the stream echo against connections and against message size, bars of other workloads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import BULK, CPU, P50, P99, RATE
from bench.results import Run
from bench.summary import Spread, absolute

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of middling lightness, so that they can be told from a white page as from a black one.
_COLOURS = {
    "c-epoll": "#8a8a8a",
    "netcore": "#e0562b",
    "netcore-io_uring": "#d19a2a",
    "uvloop": "#3f88d6",
    "asyncio": "#6f9fd8",
    "gevent": "#3a9d5d",
    "twisted": "#9a7bd0",
    "node": "#7fa13c",
    "gnet": "#1fa3a3",
    "netty": "#c4639f",
    "uvicorn": "#8a6fd0",
    "granian": "#b8862b",
}
# The grey that is as far from white as from the black of a dark page. No grey is further from both.
_INK = "#7a7a7a"
_WIDTH = (
    5.4  # inches: panels stand below each other, so that a phone shows the text at three quarters of its size
)
_PANELS = ((RATE, "messages per second"), (CPU, "server CPU per message, us"))
_PLOTS = (
    ("connections.svg", "Messages of 64 B against the number of connections", "connections", "size", 64),
    ("sizes.svg", "50 connections against the size of messages", "size", "connections", 50),
)

# A panel is a workload and one of its figures.
_BARS = (
    (
        "open-loop.svg",
        "Messages of 64 B at a given rate: p99 of their latency, from when they were due",
        (("open-50", P99, "half of C's capacity, us"), ("open-80", P99, "four fifths of it, us")),
    ),
    (
        "http.svg",
        "HTTP plaintext",
        (("http-16", RATE, "16 deep, requests per second"), ("http-1", CPU, "one at a time, CPU us")),
    ),
    (
        "mixed.svg",
        "100 connections of 64 B beside one that sends 64 KiB as fast as it goes",
        (("mixed", P50, "p50 of the 100, us"), ("mixed", P99, "p99, us"), ("mixed", BULK, "the one, MB/s")),
    ),
)

_TOO_WIDE = 30.0  # from one bar to another, for a scale on which both can be read

Points = Mapping[str, list[tuple[float, Spread]]]
"""By peer: x and the spread of the figure there."""


def draw(run: Run, directory: Path) -> list[tuple[str, Path]]:
    """Writes the plots that the run has data for and returns their captions and paths.

    Raises:
        ImportError: there is no matplotlib.
    """
    import matplotlib

    matplotlib.use("svg")
    # The same data give the same file: no random ids, and below no date.
    matplotlib.rcParams["svg.hashsalt"] = "netcore"
    matplotlib.rcParams["font.size"] = 11
    written = []
    for name, caption, along, kept, fixed in _PLOTS:
        panels = [(title, points(run, figure, along, kept, fixed)) for figure, title in _PANELS]
        if any(len(series) > 1 for _, found in panels for series in found.values()):
            _save(lines(panels, "bytes" if along == "size" else along), directory / name)
            written.append((caption, directory / name))
    for name, caption, wanted in _BARS:
        measured = [(title, levels(run, workload, figure)) for workload, figure, title in wanted]
        if all(len(found) > 1 for _, found in measured):
            _save(bars(measured), directory / name)
            written.append((caption, directory / name))
    return written


def points(run: Run, figure: str, along: str, kept: str, fixed: float) -> Points:
    """Gathers a figure of the stream echo, one message under way, where setting `kept` has value `fixed`."""
    found: dict[str, list[tuple[float, Spread]]] = {}
    for name, workload in run.workloads.items():
        settings = workload.settings
        if not name.startswith("echo-") or settings["depth"] != 1 or settings[kept] != fixed:
            continue
        for peer, outcome in workload.outcomes.items():
            value = absolute(figure, outcome)
            if value:
                found.setdefault(peer, []).append((settings[along], value))
    return {peer: sorted(series, key=lambda point: point[0]) for peer, series in found.items()}


def levels(run: Run, workload: str, figure: str) -> Mapping[str, Spread]:
    """Gathers a figure of one workload by peer; nothing of a workload that was not run."""
    result = run.workloads.get(workload)
    outcomes = result.outcomes.items() if result else ()
    found = ((peer, absolute(figure, outcome)) for peer, outcome in outcomes)
    return {peer: value for peer, value in found if value}


def lines(panels: list[tuple[str, Points]], xlabel: str) -> "Figure":
    """Draws a line per peer into each panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, 0.7 + 3 * len(panels)), layout="constrained")
    for number, (title, series) in enumerate(panels):
        axes = figure.add_subplot(len(panels), 1, number + 1)
        _panel(axes, title, xlabel, series)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, labelcolor=_INK)
    return figure


def bars(panels: list[tuple[str, Mapping[str, Spread]]]) -> "Figure":
    """Draws a bar per peer into each panel."""
    from matplotlib.figure import Figure

    rows = [len(found) + 2 for _, found in panels]
    figure = Figure(figsize=(_WIDTH, 0.3 * sum(rows)), layout="constrained")
    grid = figure.add_gridspec(len(panels), 1, height_ratios=rows)
    for number, (title, found) in enumerate(panels):
        _bar_panel(figure.add_subplot(grid[number]), title, found)
    return figure


def _bar_panel(axes: "Axes", title: str, found: Mapping[str, Spread]) -> None:
    from matplotlib.ticker import EngFormatter

    values = list(found.values())
    below = [value.median - value.min for value in values]
    above = [value.max - value.median for value in values]
    colours = [_COLOURS.get(peer, _INK) for peer in found]
    middle = [value.median for value in values]
    axes.barh(list(found), middle, xerr=[below, above], color=colours, ecolor=_INK, capsize=2, height=0.7)
    axes.invert_yaxis()  # the first one on top
    if max(middle) > _TOO_WIDE * min(middle):
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="x", color=_INK, alpha=0.25, lw=0.6)
    _ink(axes, title)


def _save(figure: "Figure", path: Path) -> None:
    metadata: dict[str, Any] = {"Date": None}
    figure.savefig(path, format="svg", transparent=True, metadata=metadata)


def _ink(axes: "Axes", title: str) -> None:
    axes.set_title(title, color=_INK, fontsize=11)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(_INK)
    axes.tick_params(colors=_INK, which="both")
    for spine in axes.spines.values():
        spine.set_color(_INK)


def _panel(axes: "Axes", title: str, xlabel: str, series: Points) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator

    for peer, line in series.items():
        x = [at for at, _ in line]
        colour = _COLOURS.get(peer, _INK)
        width = 2.4 if peer == "netcore" else 1.4
        axes.plot(x, [value.median for _, value in line], "o-", color=colour, lw=width, ms=4, label=peer)
        low, high = [value.min for _, value in line], [value.max for _, value in line]
        axes.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    axes.set(xscale="log", yscale="log", xlabel=xlabel)
    ticks = sorted({at for line in series.values() for at, _ in line})
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(color=_INK, alpha=0.25, which="both", lw=0.6)
    _ink(axes, title)
