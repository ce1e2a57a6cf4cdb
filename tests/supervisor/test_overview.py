"""What is shown of all processes together."""

from __future__ import annotations

from typing import Any

import pytest
from fake_yard import World

from netcore.supervisor.overview import Overview


def overview(world: World, answers: dict[str, list[Any]] | None = None) -> Overview:
    return Overview(world.fleet, lambda what, value: (answers or {}).get(what, []), world.clock, 5.0)


def values(shown: Overview) -> dict[str, Any]:
    return {
        fact["name"]: [(*sample["labels"].values(), sample["value"]) for sample in fact["samples"]]
        for fact in shown.facts()
    }


def test_it_is_ready_as_long_as_any_process_accepts() -> None:
    world = World(2)
    shown = overview(world)
    assert shown.state() == "booting"
    world.fleet.start()
    world.ready(world.newest())
    assert shown.state() == "ready"
    world.fleet.stop()
    assert shown.state() == "draining"  # Options.shutdown_delay
    world.advance(5)
    assert shown.state() == "stopping"


def test_its_own_facts_count_processes() -> None:
    world = World(2)
    world.boot()
    shown = overview(world)
    assert values(shown)["netcore_process_up"] == [("0", 1.0), ("1", 1.0)]
    world.exit(world.newest(), -9)
    facts = values(shown)
    assert facts["netcore_process_up"] == [("0", 1.0), ("1", 0.0)]
    assert facts["netcore_process_restarts"] == [(1.0,)]
    world.fleet.grow()
    world.fleet.replace_all()
    facts = values(shown)
    assert facts["netcore_processes_wanted"] == [(3.0,)]
    assert facts["netcore_process_replacements"] == [(1.0,)]


def test_one_that_gives_way_is_not_shown_beside_its_successor() -> None:
    world = World(1)
    world.boot()
    former = world.newest()
    world.fleet.replace_all()
    world.ready(world.newest())
    reports = [[{"pid": pid, "process": "0"}] for pid in (former, world.newest())]
    shown = overview(world, {"processes": reports})
    assert shown.processes() == [{"pid": world.newest(), "process": "0"}]
    assert values(shown)["netcore_processes_ending"] == [(1.0,)]


def test_connections_are_added_up_and_cut_off() -> None:
    world = World(2)
    world.boot()
    answers = [{"connections": [{"id": 1}, {"id": 2}], "total": 5}, {"connections": [{"id": 3}], "total": 1}]
    shown = overview(world, {"connections": answers})
    assert shown.connections(2) == {"connections": [{"id": 1}, {"id": 2}], "total": 6}


def test_the_facts_are_metrics_that_prometheus_takes() -> None:
    pytest.importorskip("prometheus_client")
    pytest.importorskip("h11")
    from netcore.admin.exposition import expose

    world = World(2)
    world.boot()
    text = expose([], overview(world).facts(), "text/plain")
    assert b'netcore_process_up{process="1"} 1.0' in text[0]
