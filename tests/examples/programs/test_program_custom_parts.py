"""The examples of a load balancer and of a poller of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from netcore._loading import load_handler, load_object
from netcore.poll import registry
from netcore.testing import check_load_balancer, check_poller

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.clients
def test_two_choices_out_of_two_loops_are_even(talk, start) -> None:
    where = start("custom_load_balancer", "--loops", "2")
    talks, loops = [], Counter()
    for _ in range(6):  # one after the other: each is counted before the next is placed
        talks.append(talk(where))
        loops[talks[-1].hear()] += 1
    assert loops == {"loop 0": 3, "loop 1": 3}
    talks[0].say("hello")
    assert talks[0].hear() == "hello"


def test_the_balancer_keeps_the_contract() -> None:
    from examples.custom_load_balancer import TwoChoices

    check_load_balancer(TwoChoices)


def test_the_poller_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    # The import registers the poller: no other test of this process is to know it.
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.delitem(sys.modules, "examples.custom_poller", raising=False)
    from examples.custom_poller import SelectorsPoller

    check_poller(SelectorsPoller)


@pytest.mark.clients
@pytest.mark.parametrize("loops", ["1", "2"])
def test_a_server_runs_on_the_poller(start, client, loops: str) -> None:
    socat = client("socat")
    echo = start("custom_poller", "--loops", loops)
    data = os.urandom(1 << 20)
    command = [socat, "-t30", "-", "TCP:{}:{}".format(*echo.host_and_port)]
    for _ in range(2):
        done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=True)
        assert done.stdout == data


@pytest.mark.parametrize("choice", ["option", "environment"])
def test_the_poller_is_known_by_its_name(choice: str) -> None:
    """In a process of its own, since the registry is one for the whole process."""
    code = (
        "import netcore, examples.custom_poller as own\n"
        "assert 'selectors' in netcore.poll.available()\n"
        f"options = {{'poller': 'selectors'}} if {choice == 'option'} else {{}}\n"
        "with netcore.Engine(netcore.EventHandler(), 'tcp://127.0.0.1:0', **options) as engine:\n"
        "    assert type(engine.loops[0].poller) is own.SelectorsPoller\n"
    )
    environment = dict(os.environ)
    if choice == "environment":
        environment["NETCORE_POLLER"] = "selectors"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, timeout=60, check=True)


@pytest.mark.parametrize(
    "reference",
    [
        "examples.echo:Echo",
        "examples.chat:Chat",
        "examples.ticker:Ticker",
        "examples.custom_load_balancer:Where",
    ],
)
def test_the_command_line_finds_the_examples(reference: str) -> None:
    assert type(load_handler(reference)) is load_object(reference)
