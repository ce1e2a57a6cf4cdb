"""The table of platforms, and the trials of what it declares of this one."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from netcore import poll
from netcore._machine import REAL
from netcore._platform import FACTS, HERE
from netcore._platforms import PLATFORMS
from netcore.cli import findings, platforms
from netcore.cli.probes import abilities

Command = Callable[..., "subprocess.CompletedProcess[str]"]
OK, MISSING, FAIL = findings.Status


def statuses(found: Iterable[findings.Finding]) -> dict[str, findings.Status]:
    return {finding.subject: finding.status for finding in found}


def test_doctor_shows_the_table(netcore_main: Command) -> None:
    assert platforms.text_table() in netcore_main("doctor").stdout
    assert netcore_main("doctor", "--platforms").stdout == platforms.markdown_table() + "\n"


def test_the_table_has_a_row_for_each_platform_and_a_cell_for_each_column() -> None:
    header, rule, *rows = platforms.markdown_table().splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {len(platforms.HEADER) + 1}
    assert [row.split(" | ")[0].lstrip("| ") for row in rows] == [row.name for row in PLATFORMS]
    lines = platforms.text_table().splitlines()
    assert (
        len({line.index(cell) for line, cell in zip(lines, ["Readiness", *_readiness()], strict=True)}) == 1
    )


def _readiness() -> list[str]:
    return [", ".join(row.pollers) for row in PLATFORMS]


def test_the_table_and_the_registry_know_the_same_pollers() -> None:
    declared = {name for row in PLATFORMS for name in row.pollers}
    factories = poll.registry._factories
    assert declared == {name for name in factories if factories[name].__module__.startswith("netcore.")}


def test_edge_is_what_the_pollers_declare() -> None:
    cells = {row.name: dict(zip(platforms.HEADER, platforms.row(row), strict=True)) for row in PLATFORMS}
    assert cells["FreeBSD"]["Edge-triggered"] == "kqueue"
    assert "epoll" in cells["Linux"]["Edge-triggered"]
    assert "select" not in cells["Linux"]["Edge-triggered"]


def test_what_is_declared_of_this_platform_works() -> None:
    assert statuses(abilities.probe_sendfile()) == {"sendfile": OK if HERE.sendfile else MISSING}
    assert FAIL not in statuses(abilities.probe_datagrams()).values()
    for name, status in statuses(abilities.probe_edge()).items():
        declared = poll.registry.declares_edge(name.removeprefix("edge on "))
        assert status is (OK if declared else MISSING)


@pytest.mark.wine("refuses the times of keep-alive")
def test_keep_alive_is_what_is_declared() -> None:
    assert statuses(abilities.probe_keep_alive()) == {"keep-alive": OK if HERE.keep_alive else MISSING}


class Forgetful(poll.SelectPoller):
    """Claims to be edge-triggered and is level-triggered."""

    name = "forgetful"
    supports_edge = True

    def register(self, fd: int, interest: int) -> None:
        super().register(fd, interest & 3)


class Deaf(Forgetful):
    def wait(self, timeout: float | None) -> list[tuple[int, int]]:
        return []


@pytest.mark.parametrize(
    ("poller", "text"), [(Forgetful, "old bytes are told again"), (Deaf, "new bytes are not told")]
)
def test_a_poller_that_is_not_what_it_declares_fails(
    monkeypatch: pytest.MonkeyPatch, poller: Callable[[], poll.Poller], text: str
) -> None:
    monkeypatch.setattr(abilities, "available", lambda: ("x",))
    monkeypatch.setattr(abilities, "open_poller", lambda name: poller())
    (finding,) = abilities.probe_edge()
    assert (finding.status, finding.text) == (FAIL, text)


def test_a_native_part_of_another_platform_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lib:
        nc_datagram_batches = staticmethod(lambda: not HERE.datagram_batches)

    monkeypatch.setattr(abilities, "MISSING", "")
    monkeypatch.setattr(abilities, "native", lambda: (None, Lib))
    (finding,) = abilities.probe_datagrams()
    assert finding.status is FAIL


def test_what_is_not_there_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "SENDFILE", None)
    monkeypatch.setattr(abilities, "MISSING", "no compiler")
    without = replace(FACTS, keep_alive=(None, None, None))
    monkeypatch.setattr(abilities, "FACTS", without)
    monkeypatch.setattr(REAL, "facts", without)
    found = [*abilities.probe_sendfile(), *abilities.probe_datagrams(), *abilities.probe_keep_alive()]
    assert [finding.status for finding in found] == [MISSING] * 3


def test_a_sendfile_that_lies_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_bytes(sock: int, file: int, offset: int, count: int) -> int:
        with socket.socket(fileno=sock) as lent:
            lent.send(b"other")
            lent.detach()
        return 5

    monkeypatch.setattr(abilities, "SENDFILE", other_bytes)
    assert statuses(abilities.probe_sendfile()) == {"sendfile": FAIL}
