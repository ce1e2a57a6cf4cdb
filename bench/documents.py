"""The pages that a run leaves in docs/benchmarks."""

import json
from pathlib import Path

from bench import plots
from bench.goals import judge
from bench.report import run_to_markdown
from bench.results import Run, to_json

_TITLE = """# Benchmarks

Made by the command below; how it measures stands in [bench/README.md](../../bench/README.md), every sample in
[result.json](result.json)."""


def write(run: Run, directory: Path) -> list[str]:
    """Writes README.md, result.json and the plots; returns what there is to say about it."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = [_TITLE]
    said = [f"written to {directory}"]
    try:
        drawn = plots.draw(run, directory)
    except ImportError as error:
        drawn = []
        said.append(f"no plots: {error}")
    parts += [f"![{caption}]({path.name})" for caption, path in drawn]
    parts.append(run_to_markdown(run, judge(run)))
    (directory / "README.md").write_text("\n\n".join(parts) + "\n")
    write_json(run, directory / "result.json")
    return said


def write_json(run: Run, path: Path) -> None:
    """Writes the run as data."""
    path.write_text(json.dumps(to_json(run), indent=1) + "\n")
