"""The table of a run: drawn by rich where that is installed, else plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.attack.base import Outcome

HEADINGS = ("attack", "figure", "measured", "must be", "")


def rows(outcome: Outcome) -> Iterator[tuple[str, str, str, str, str]]:
    """One row for each figure of an attack; of one without figures one that says why."""
    name = f"{outcome.attack.name} ({outcome.seconds:.1f} s)"
    if outcome.error:
        yield name, outcome.error, "", "", "missing" if outcome.missing else "BROKEN"
        return
    for figure, value in outcome.figures.items():
        bound = outcome.attack.held.get(figure)
        verdict = "" if bound is None else "holds" if bound.holds(value) else "BROKEN"
        yield name, figure, f"{value:,.6g}", "" if bound is None else str(bound), verdict
        name = ""


def show(outcomes: Sequence[Outcome]) -> None:
    """Prints the table."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        _show_plainly(outcomes)
        return
    table = Table(*HEADINGS)
    for outcome in outcomes:
        for row in rows(outcome):
            table.add_row(*row, style="bold red" if row[-1] == "BROKEN" else None)
        table.add_section()
    Console().print(table)


def _show_plainly(outcomes: Sequence[Outcome]) -> None:
    lines = [HEADINGS, *(row for outcome in outcomes for row in rows(outcome))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
