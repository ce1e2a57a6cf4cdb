"""A run as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from bench.compare import Change
from bench.figures import FIGURES
from bench.goals import Verdict
from bench.results import Outcome, Run, WorkloadResult
from bench.summary import Spread, medians, ratio


def run_to_markdown(run: Run, verdicts: Sequence[Verdict]) -> str:
    """Returns the command, the facts, the goals, then each workload."""
    facts = [
        f"- command: `{run.command}`",
        f"- date: {run.date}",
        "- method: " + _settings(run.method),
        *(f"- {name}: {value}" for name, value in run.machine.items()),
    ]
    parts = ["\n".join(facts), "## Goals", _goals(verdicts)]
    for name, workload in run.workloads.items():
        parts += [f"## {workload.title}", *_workload(name, workload)]
    return "\n\n".join(parts)


def _goals(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        goal = verdict.goal
        limit = f"{goal.relation} {goal.limit:g}"
        rows.append([goal.text, goal.against, limit, _spread(verdict.value), _status(verdict)])
    return table(["goal", "against", "limit", "median (min to max)", ""], rows)


def _status(verdict: Verdict) -> str:
    if verdict.value is None:
        return f"{verdict.status}: {verdict.reason}"
    return verdict.status if verdict.clear else f"{verdict.status}, within the spread"


def _workload(name: str, workload: WorkloadResult) -> Iterable[str]:
    settings = f": {_settings(workload.settings)}" if workload.settings else ""
    yield f"`{name}`{settings}. Medians over the rounds:"
    yield _figures_table(workload)
    if len(workload.outcomes) > 1:
        yield f"Ratio to {workload.baseline} in the same round, median (min to max):"
        yield _ratios_table(workload)
    reasons = [
        f"- {peer} {outcome.status}: {outcome.reason}"
        for peer, outcome in workload.outcomes.items()
        if outcome.status != "measured"
    ]
    if reasons:
        yield "\n".join(reasons)


def _figures_table(workload: WorkloadResult) -> str:
    known = [medians(outcome) for outcome in workload.outcomes.values() if outcome.samples]
    names = [name for name in FIGURES if any(name in figures for figures in known)]
    rows = []
    for peer, outcome in workload.outcomes.items():
        figures = medians(outcome) if outcome.samples else {}
        cells = [FIGURES[name].style.format(figures[name]) if name in figures else "-" for name in names]
        rows.append([_label(peer, outcome), *cells])
    return table(["server", *(FIGURES[name].heading for name in names)], rows)


def _ratios_table(workload: WorkloadResult) -> str:
    baseline = workload.outcomes[workload.baseline]
    rows = [
        [_label(peer, outcome), *(_spread(ratio(name, outcome, baseline)) for name in workload.compared)]
        for peer, outcome in workload.outcomes.items()
    ]
    return table(["server", *(FIGURES[name].heading for name in workload.compared)], rows)


def comparison_to_markdown(changes: Sequence[Change], before: Run) -> str:
    """Returns the changes beyond the spread, regressions first, and how many figures were compared."""
    beyond = [change for change in changes if change.verdict in ("regression", "improvement")]
    return _changes_to_markdown(beyond, "changed", changes, before)


def regressions_to_markdown(changes: Sequence[Change], before: Run) -> str:
    """Returns what got worse beyond the spread, and how many figures were compared."""
    worse = [change for change in changes if change.verdict == "regression"]
    return _changes_to_markdown(worse, "got worse", changes, before)


def _changes_to_markdown(told: Sequence[Change], how: str, changes: Sequence[Change], before: Run) -> str:
    unsure = sum(change.verdict == "too few rounds" for change in changes)
    parts = [
        f"## Compared with {before.date}",
        f"{len(changes)} figures compared, {len(told)} {how} by more than the spread of both runs"
        + (f"; {unsure} have too few rounds to tell." if unsure else "."),
    ]
    rows = [
        [
            change.verdict,
            change.workload,
            change.peer,
            FIGURES[change.figure].heading,
            _spread(change.before),
            _spread(change.after),
            f"{change.factor - 1:+.0%}",
        ]
        for change in sorted(told, key=lambda it: (it.verdict != "regression", it.workload, it.peer))
    ]
    if rows:
        headings = ["", "workload", "server", "figure, as a ratio", "before", "after", "change"]
        parts.append(table(headings, rows))
    return "\n\n".join(parts)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))


def _label(name: str, outcome: Outcome) -> str:
    return name if outcome.status == "measured" else f"{name} ({outcome.status})"


def _settings(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())


def _spread(value: Spread | None) -> str:
    if value is None:
        return "-"
    style = "{:,.0f}" if value.median >= 100 else "{:.2f}"
    low, middle, high = (style.format(number) for number in (value.min, value.median, value.max))
    return f"{middle} ({low} to {high})"
