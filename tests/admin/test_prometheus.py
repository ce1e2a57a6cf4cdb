"""What the documentation gives to Prometheus and Grafana, and what promtool says of it and of the metrics."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
pytest.importorskip("yaml", reason="PyYAML is not installed")

import yaml
from asking import ask
from fake_yard import World
from prometheus_client.parser import text_string_to_metric_families as parse

from netcore import EventHandler
from netcore.admin.exposition import expose
from netcore.supervisor.overview import Overview

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "prometheus"
DASHBOARD, ALERTS = FOLDER / "dashboard.json", FOLDER / "alerts.yml"


@pytest.fixture
def known(make_report):
    """The names that there are, each with the labels of its samples."""
    supervisor = Overview(World(2).fleet, lambda what, value: [], time.monotonic)
    body, _ = expose([make_report("0")], supervisor.facts(), "")
    return {
        sample.name: set(sample.labels) | {"instance", "job"}
        for family in parse(body.decode())
        for sample in family.samples
    }


def names_in(expression):
    return set(re.findall(r"\bnetcore_\w+", expression))


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def rules():
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def promtool(*arguments, said=None):
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([path, *arguments], input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_dashboard_uses_metrics_that_there_are(known):
    board = json.loads(DASHBOARD.read_text())
    assert all(names_in(expression) for expression in expressions())
    asked = [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    assert set().union(*map(names_in, [*expressions(), *asked])) <= set(known)


def test_the_panels_have_places_of_their_own():
    places = [panel["gridPos"] for panel in panels()]
    assert len({panel["id"] for panel in panels()}) == len(places)
    for a, b in itertools.combinations(places, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, (a, b)
    assert all(place["x"] + place["w"] <= 24 for place in places)


def test_the_dashboard_has_whatever_source_and_process_is_chosen():
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    for expression in expressions():
        for name, chosen in re.findall(r"\b(netcore_\w+)(\{.*?\})", expression):
            process = "" if name.startswith("netcore_process") else ', process=~"$process"'
            assert chosen == f'{{instance=~"$instance"{process}}}', expression
        assert len(re.findall(r"netcore_\w+\{", expression)) == len(re.findall(r"netcore_\w+", expression))


def test_the_alerts_use_metrics_that_there_are(known):
    for rule in rules():
        found = names_in(rule["expr"])
        assert found <= set(known)
        assert found or rule["expr"].startswith("up{")


def test_the_alerts_name_labels_that_their_expressions_leave(known):
    for rule in rules():
        grouped = re.search(r"sum by \(([\w, ]+)\)", rule["expr"])
        labels = set(grouped[1].split(", ")) if grouped else {"instance", "job", "process", "loop"}
        if not grouped:
            labels = labels.intersection(*(known[name] for name in names_in(rule["expr"])))
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert named <= labels, rule["alert"]


@pytest.mark.clients
def test_promtool_takes_the_alerts_and_the_configuration():
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", str(ALERTS))
    assert "is valid" in promtool("check", "config", str(FOLDER / "prometheus.yml"))


@pytest.mark.clients
def test_promtool_takes_what_the_dashboard_asks(tmp_path):
    asked = [
        {"record": f"panel:{i}", "expr": expression.replace("$__rate_interval", "1m")}
        for i, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": asked}]}))
    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.clients
def test_promtool_finds_nothing_to_blame_in_the_metrics(serve, make_report):
    engine = serve(EventHandler(), admin="tcp://127.0.0.1:0", num_event_loops=2)
    facts = [
        {
            "name": "netcore_process_restarts",
            "kind": "counter",
            "help": "Times that a process was replaced.",
            "samples": [{"labels": {"process": "0"}, "value": 2}],
        }
    ]
    for text in (
        ask(engine.admin_address, "/metrics").text,
        expose([make_report("0", 2), make_report("1")], facts, "")[0].decode(),
    ):
        assert promtool("check", "metrics", said=text) == ""
