"""The numbers as Prometheus reads them."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from netcore import Metrics
from netcore.admin.exposition import OPENMETRICS, TEXT, expose, meanings, prefers_openmetrics

FIELDS = [field.name for field in dataclasses.fields(Metrics)]


def families(processes, facts=(), openmetrics=False):
    body, kind = expose(processes, facts, "application/openmetrics-text" if openmetrics else "")
    assert kind == (OPENMETRICS if openmetrics else TEXT)
    parse = parse_openmetrics if openmetrics else parse_text
    return {family.name: family for family in parse(body.decode())}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_each_field_is_there_by_process_and_loop(make_report, openmetrics):
    numbers = {name: i for i, name in enumerate(FIELDS)}
    found = families([make_report("0", 2, **numbers), make_report("a b", 1)], (), openmetrics)
    for name in FIELDS:
        family = found[f"netcore_{name}"]
        level = name in Metrics.LEVELS
        assert family.type == ("gauge" if level else "counter")
        assert family.documentation == meanings()[name]
        samples = {(sample.labels["process"], sample.labels["loop"]): sample for sample in family.samples}
        assert {place: sample.value for place, sample in samples.items()} == {
            ("0", "0"): numbers[name],
            ("0", "1"): numbers[name],
            ("a b", "0"): 0,
        }
        assert {sample.name for sample in family.samples} == {f"netcore_{name}" + "_total" * (not level)}


def test_each_field_has_a_meaning_without_markup():
    assert set(FIELDS) <= set(meanings())
    assert not any("`" in text or "\n" in text for text in meanings().values())
    assert set(FIELDS) > Metrics.LEVELS


@pytest.mark.parametrize("openmetrics", [False, True])
@pytest.mark.parametrize("name", ["turn", "callback"])
def test_histograms_are_cumulative(make_report, name, openmetrics):
    family = families([make_report("0")], (), openmetrics)[f"netcore_{name}_seconds"]
    assert family.type == "histogram"
    values = {
        (sample.name.rpartition("_")[2], sample.labels.get("le")): sample.value for sample in family.samples
    }
    assert values == {
        ("bucket", "0.001"): 3,
        ("bucket", "0.1"): 7,
        ("bucket", "+Inf"): 8,
        ("count", None): 8,
        ("sum", None): 0.5,
    }


def test_what_is_not_measured_is_left_out(make_report):
    report = make_report("0")
    report["loops"][0]["turn"] = None
    found = families([report])
    assert "netcore_turn_seconds" not in found
    assert "netcore_callback_seconds" in found


def test_processes_have_numbers_of_their_own(make_report):
    stopping = {**make_report("1"), "state": "stopping"}
    found = families([make_report("0"), stopping])
    ready = {sample.labels["process"]: sample.value for sample in found["netcore_ready"].samples}
    assert ready == {"0": 1, "1": 0}
    assert {sample.value for sample in found["netcore_age_seconds"].samples} == {12.5}
    assert [sample.value for sample in found["netcore_stuck_seconds"].samples] == [0.25, 0.25]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_facts_of_a_source_are_metrics(make_report, openmetrics):
    facts = [
        {
            "name": "netcore_process_restarts",
            "kind": "counter",
            "help": 'Said "so"\\n.',
            "samples": [{"labels": {"process": "0", "why": 'a"b\\\n'}, "value": 3}],
        },
        {"name": "netcore_process_up", "kind": "gauge", "help": "Up.", "samples": []},
    ]
    found = families([make_report("0")], facts, openmetrics)
    (sample,) = found["netcore_process_restarts"].samples
    assert (sample.name, sample.value) == ("netcore_process_restarts_total", 3)
    assert sample.labels["why"] == 'a"b\\\n'
    assert found["netcore_process_up"].samples == []


def test_of_two_processes_of_one_name_the_later_counts(make_report):
    found = families([make_report("0", accepted=1), make_report("0", accepted=2)])
    assert [sample.value for sample in found["netcore_accepted"].samples] == [2]


def test_a_process_of_another_version_may_lack_a_field_or_have_one_more(make_report):
    report = make_report("0")
    del report["loops"][0]["metrics"]["accepted"]
    report["loops"][0]["metrics"]["novelties"] = 5
    found = families([report, make_report("1")])
    assert len(found["netcore_accepted"].samples) == 1
    assert found["netcore_novelties"].samples[0].value == 5


def test_nobody_there():
    assert families([])["netcore_ready"].samples == []


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0 ; Q=0.5", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1", True),
        ("application/openmetrics-text;q=0.3, text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", True),
        ("application/openmetrics-text;version=9\r\nX: y", True),
        (",;,;q=,", False),
    ],
)
def test_the_format_is_chosen_by_accept(accept, wanted):
    assert prefers_openmetrics(accept) is wanted
