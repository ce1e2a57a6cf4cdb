"""The hot path in C and the one in Python live through the same histories, and nothing tells them apart."""

from __future__ import annotations

import gc

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from one_history import PATTERN, SIZES, Apart, Driven, World, brief_steps, steps

from netcore._native import COLD
from netcore.testing import FakePoller

pytestmark = [pytest.mark.native, pytest.mark.fakes, pytest.mark.skipif(bool(COLD), reason=COLD)]

SMALL = [size for size in SIZES if size < 20_000]


def by_connection(logs):
    """Sorts what was written down by connections, whose order among each other does not count."""
    return [sorted(log, key=lambda entry: (entry[0] is None, entry[0])) for log in logs]


def lives(history, file, peers, **world):
    logs = []
    for half in ("python", "hot"):
        gc.disable()  # or it would come at another moment in each
        try:
            one = World(half, file, **world)
            assert one.loop.outbox.__class__.__name__.startswith("Hot") is (half == "hot")
            one.step_connect(peers)
            one.step_turn(1)
            one.live(history)
            logs.append(one.log)
        finally:
            gc.enable()
    gc.collect()
    return logs


def assert_same(logs):
    python, hot = logs
    for i, (one, other) in enumerate(zip(python, hot, strict=False)):
        if one != other:
            before = "\n".join(map(repr, python[max(0, i - 12) : i]))
            raise AssertionError(f"after\n{before}\nPython: {one}\nC:      {other}")
    assert len(python) == len(hot)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sameness") / "file"
    path.write_bytes(PATTERN)
    with path.open("rb") as opened:
        yield opened


@pytest.mark.parametrize("edge_chunk", [0, 3000], ids=["level", "edge"])
@pytest.mark.parametrize(
    "kind", ["neighbours", "strangers", "single", "crowd", "on its own thread", "filtered"]
)
def test_nothing_tells_the_halves_apart(kind, edge_chunk, file):
    acting, peers = kind in ("neighbours", "on its own thread"), {"single": 1, "crowd": 70}.get(kind, 3)
    # Of large receives each has its own turn within the turn: neighbours would see another order.
    sizes, cap, arena = (SMALL, 1024, 16384) if acting else (SIZES, 65536, 262144)
    if kind == "crowd":
        sizes = [1, 60, 16384]
    elif kind == "filtered":
        sizes = [1, 60, 1022, 5000]
    world = {"cap": cap, "arena": arena, "edge_chunk": edge_chunk, "counts_output": kind != "crowd"}
    world["filtered"] = kind == "filtered"
    poller = world["poller"] = {"neighbours": Apart, "on its own thread": Driven}.get(kind, FakePoller)

    # Without shrinking, which takes minutes: what is told begins a few entries before the difference.
    @settings(suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.lists(steps(sizes, others=acting, peers=peers), min_size=4, max_size=600 // (peers + 9) + 4))
    def try_histories(history):
        logs = lives(history, file, peers, **world)
        assert_same(by_connection(logs) if poller is FakePoller and peers > 1 else logs)

    try_histories()


@pytest.mark.parametrize("edge_chunk", [0, 3000], ids=["level", "edge"])
@pytest.mark.parametrize("idle_timeout", [0, 3], ids=["for ever", "idle timeout"])
def test_how_connections_come_and_go(idle_timeout, edge_chunk, file):
    world = {"cap": 1024, "arena": 16384, "edge_chunk": edge_chunk, "poller": Apart}
    world |= {"idle_timeout": idle_timeout, "ends": "action_close"}

    @settings(suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.lists(brief_steps(), min_size=4, max_size=60))
    def try_histories(history):
        # A straight end is told of in the middle of a turn, before those of its neighbours have begun.
        assert_same(by_connection(lives(history, file, 2, **world)))

    try_histories()
