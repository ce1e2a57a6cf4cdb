"""The result of a run, as Markdown for people and as JSON for the next tool."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.rounds import Outcome
from bench.summary import Spread, medians, ratio

SCHEMA = 1

_FIGURES = {
    "cpu_us_per_message": ("CPU us/msg", "{:.2f}"),
    "messages_per_second": ("msg/s", "{:,.0f}"),
    "p50_us": ("p50 us", "{:,.0f}"),
    "p99_us": ("p99 us", "{:,.0f}"),
    "p999_us": ("p99.9 us", "{:,.0f}"),
    "server_busy": ("server busy", "{:.0%}"),
    "load_busy": ("load busy", "{:.0%}"),
}
_RATIOS = {"cpu_us_per_message": "CPU per message", "messages_per_second": "messages per second"}


@dataclass(frozen=True)
class Result:
    """One run of one workload."""

    workload: str
    settings: Mapping[str, float]
    machine: Mapping[str, str]
    baseline: str
    outcomes: Mapping[str, Outcome]


def to_json(result: Result) -> dict[str, object]:
    """Returns the result as plain data, every sample included; `SCHEMA` tells its shape."""
    return {
        "schema": SCHEMA,
        "workload": result.workload,
        "settings": dict(result.settings),
        "machine": dict(result.machine),
        "baseline": result.baseline,
        "peers": {name: _peer_json(result, outcome) for name, outcome in result.outcomes.items()},
    }


def _peer_json(result: Result, outcome: Outcome) -> dict[str, object]:
    spreads = {figure: ratio(figure, outcome, result.outcomes[result.baseline]) for figure in _RATIOS}
    return {
        "status": outcome.status,
        "reason": outcome.missing or outcome.failed,
        "median": medians(outcome) if outcome.samples else None,
        "ratio": {figure: asdict(spread) if spread else None for figure, spread in spreads.items()},
        "rounds": [{"round": number, **asdict(sample)} for number, sample in outcome.samples.items()],
    }


def to_markdown(result: Result) -> str:
    """Returns the facts, the table of medians, the table of ratios, and what is missing and why."""
    parts = [
        f"## {result.workload}",
        "\n".join(f"- {name}: {value}" for name, value in result.machine.items()),
        "Settings: " + ", ".join(f"{name} {value:g}" for name, value in result.settings.items()) + ".",
        "Medians over the rounds:",
        _figures_table(result),
        f"Ratio to {result.baseline} in the same round, median (min to max):",
        _ratios_table(result),
    ]
    reasons = [
        f"- {name} {outcome.status}: {outcome.missing or outcome.failed}"
        for name, outcome in result.outcomes.items()
        if outcome.status != "measured"
    ]
    return "\n\n".join([*parts, "\n".join(reasons)] if reasons else parts)


def _figures_table(result: Result) -> str:
    rows = []
    for name, outcome in result.outcomes.items():
        if outcome.samples:
            figures = medians(outcome)
            cells = [style.format(figures[figure]) for figure, (_, style) in _FIGURES.items()]
        else:
            cells = ["-"] * len(_FIGURES)
        rows.append([_label(name, outcome), *cells])
    return _table(["server", *(heading for heading, _ in _FIGURES.values())], rows)


def _ratios_table(result: Result) -> str:
    baseline = result.outcomes[result.baseline]
    rows = [
        [_label(name, outcome), *(_spread(ratio(figure, outcome, baseline)) for figure in _RATIOS)]
        for name, outcome in result.outcomes.items()
    ]
    return _table(["server", *_RATIOS.values()], rows)


def _label(name: str, outcome: Outcome) -> str:
    return name if outcome.status == "measured" else f"{name} ({outcome.status})"


def _spread(spread: Spread | None) -> str:
    return f"{spread.median:.2f} ({spread.min:.2f} to {spread.max:.2f})" if spread else "-"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))
