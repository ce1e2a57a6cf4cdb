"""``netcore doctor`` tells what works, what is not there, and what is broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import netcore
from netcore import cli, poll
from netcore._platform import FACTS, HERE
from netcore.cli import doctor, findings
from netcore.cli.probes import PROBES, abilities, build, echo, listeners, pollers, process, sockets

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def by_subject(found: Iterable[findings.Finding]) -> dict[str, findings.Finding]:
    return {finding.subject: finding for finding in found}


def lines_by_subject(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The marks of the report."""
    return {line[6:24].rstrip(): line[:5].rstrip() for line in done.stdout.splitlines()}


@pytest.mark.wine("refuses the times of keep-alive")
def test_this_machine_is_well(netcore_command: Command) -> None:
    done = netcore_command("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    assert done.stderr == ""
    for subject in ("netcore", "python", "platform", "native part", "sockets", "CPUs", "descriptors"):
        assert f" {subject} " in done.stdout


def test_each_poller_is_tried(netcore_main: Command) -> None:
    said = lines_by_subject(netcore_main("doctor"))
    for name in poll.available():
        assert said[f"poller {name}"] == "ok"
        assert said[f"echo over {name}"] == "ok"


@pytest.mark.parametrize(("name", "status"), [("nosuch", "FAIL"), ("select", "ok")])
def test_the_environment_chooses_the_default(netcore_main: Command, name: str, status: str) -> None:
    done = netcore_main("doctor", NETCORE_POLLER=name)
    assert lines_by_subject(done)["default poller"] == status
    assert done.returncode == 1 or "FAIL" not in done.stdout
    assert name in next(line for line in done.stdout.splitlines() if "default poller" in line)


def test_the_half_of_the_hot_path_is_reported(
    netcore_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines_by_subject(netcore_command("doctor", NETCORE_HOT="0"))["hot half"] == "--"
    monkeypatch.setattr(build.platform, "python_implementation", lambda: "CPython")
    monkeypatch.setattr(build, "FACTS", replace(FACTS, sockets_are_handles=False))
    monkeypatch.delenv("NETCORE_HOT", raising=False)
    for why, status in (("", findings.Status.OK), ("it was not built", findings.Status.MISSING)):
        monkeypatch.setattr(build, "COLD", why)
        found = by_subject(build.probe_build())["hot half"]
        assert (found.status, why in found.text) == (status, True)
        assert bool(found.remedy) == bool(why)
    monkeypatch.setattr(build.platform, "python_implementation", lambda: "PyPy")
    assert by_subject(build.probe_build())["hot half"].text == "not on this platform"


def test_pure_sockets_are_reported(netcore_main: Command) -> None:
    done = netcore_main("doctor", NETCORE_SOCKETS="pure")
    assert lines_by_subject(done)["sockets"] != "FAIL"
    assert "pure" in next(line for line in done.stdout.splitlines() if " sockets " in line)


def test_a_failed_finding_makes_the_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    probes = {
        "good": lambda: [findings.ok("good", "works"), findings.missing("rare", "is not here")],
        "bad": lambda: [findings.fail("bad", "should work")],
    }
    monkeypatch.setattr(doctor, "PROBES", probes)
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in shown[:3]] == [["ok", "good"], ["--", "rare"], ["FAIL", "bad"]]
    assert shown[-1].startswith("1 of the above")


def test_a_probe_that_raises_is_a_failed_finding_and_the_rest_goes_on() -> None:
    def broken() -> Iterator[findings.Finding]:
        yield findings.ok("first", "works")
        raise OSError("no luck")

    found = by_subject(doctor.examine({"thing": broken, "other": lambda: [findings.ok("other", "works")]}))
    assert list(found) == ["first", "thing", "other"]
    assert found["thing"].status is findings.Status.FAIL
    assert "OSError: no luck" in found["thing"].text


def test_a_poller_that_cannot_serve_fails_the_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "available", lambda: ("nosuch",))
    (finding,) = echo.probe_echo()
    assert finding.status is findings.Status.FAIL
    assert finding.subject == "echo over nosuch"


def test_a_session_of_kcp_is_tried_and_its_half_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for why, half in (("", "in C"), ("NETCORE_HOT is 0", "in Python")):
        monkeypatch.setattr(echo, "COLD", why)
        (finding,) = echo.probe_kcp()
        assert finding.status is findings.Status.OK, finding.text
        assert finding.text.startswith(f"sessions {half}; 1400 bytes came back in ")


def test_a_machine_that_lets_no_datagram_through_fails_kcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "_PATIENCE", 0.05)
    monkeypatch.setattr(echo._Asker, "on_open", lambda self, conn: None)  # what it says gets lost
    (finding,) = echo.probe_kcp()
    assert finding.status is findings.Status.FAIL
    assert finding.text.startswith("TimeoutError: 0 of 1400 bytes came back")


def test_an_unavailable_poller_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pollers, "poller_names", lambda: ("exotic",))
    monkeypatch.setattr(pollers, "why_unavailable", lambda name: "not on this system")
    finding = by_subject(pollers.probe_pollers())["poller exotic"]
    assert (finding.status, finding.text) == (findings.Status.MISSING, "not on this system")


def test_pollers_of_other_platforms_are_not_on_this_one() -> None:
    found = by_subject(pollers.probe_pollers())
    for name in ("epoll", "kqueue", "iocp", "io_uring", "select"):
        finding = found[f"poller {name}"]
        if name not in HERE.pollers:
            assert (finding.status, finding.text) == (findings.Status.MISSING, "not on this platform")
        assert "Errno" not in finding.text


def test_what_is_missing_comes_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (abilities, build, pollers, sockets):
        monkeypatch.setattr(module, "MISSING", "netcore was built without its native part")
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(listeners, "FACTS", replace(FACTS, reuse_port=None, abstract_names=False))
    monkeypatch.setattr(listeners, "_why_no_ipv6", lambda: "Cannot assign requested address")
    monkeypatch.setattr(process, "pin_thread", lambda cpu: False)
    monkeypatch.setattr(abilities, "SENDFILE", None)
    found = by_subject(doctor.examine(PROBES))
    wanted = {"native part", "sockets", "datagrams", "sendfile", "SO_REUSEPORT", "IPv6", "abstract names"}
    lacking = {subject: each for subject, each in found.items() if each.status is findings.Status.MISSING}
    assert lacking.keys() >= {*wanted, "CPU affinity"} & found.keys()  # not every platform is asked for each
    for subject, finding in lacking.items():
        if finding.text != "not on this platform":
            assert finding.remedy, subject
            assert doctor.render(finding).endswith(finding.remedy)
    assert "pip install" in found["native part"].remedy
    for subject in ("sockets", "datagrams"):
        assert "native part" in found[subject].remedy


def test_a_checkout_that_hides_the_installed_package_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "site-packages"
    (installed / "netcore").mkdir(parents=True)
    (installed / "netcore" / "__init__.py").touch()
    checkout = Path(netcore.__file__).parents[1]
    monkeypatch.setattr(sys, "path", ["", str(checkout), str(installed)])
    monkeypatch.chdir(checkout)
    told = by_subject(build.probe_build())["installation"]
    assert (told.status, str(installed) in told.text) == (findings.Status.MISSING, True)
    assert told.remedy
    monkeypatch.setattr(sys, "path", ["", str(checkout)])
    assert "installation" not in by_subject(build.probe_build())
    monkeypatch.chdir(tmp_path)
    assert "installation" not in by_subject(build.probe_build())


def test_a_system_without_balancing_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "FACTS", replace(FACTS, reuse_port=None))
    (finding,) = listeners.probe_reuse_port()
    assert finding.status is findings.Status.MISSING


@pytest.mark.parametrize(("counts", "status"), [([3, 5], findings.Status.OK), ([0, 8], findings.Status.FAIL)])
def test_balancing_is_judged_by_both_listeners(
    monkeypatch: pytest.MonkeyPatch, counts: list[int], status: findings.Status
) -> None:
    monkeypatch.setattr(listeners, "FACTS", replace(FACTS, reuse_port=1))
    monkeypatch.setattr(listeners, "_connections_of_two_listeners", lambda option: counts)
    (finding,) = listeners.probe_reuse_port()
    assert finding.status is status


@pytest.mark.parametrize(
    ("cpus", "shown"), [((0,), "1 usable: 0"), ((0, 1, 2, 5), "4 usable: 0-2, 5"), ((1, 3), "2 usable: 1, 3")]
)
def test_cpus_are_shown_in_runs_and_with_their_limit(
    monkeypatch: pytest.MonkeyPatch, cpus: tuple[int, ...], shown: str
) -> None:
    monkeypatch.setattr(process, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(process, "usable_cpu_count", lambda: 1)
    monkeypatch.setattr(process, "pin_thread", lambda cpu: False)
    found = by_subject(process.probe_cpus())
    assert found["CPUs"].text == shown + (
        "; time of 1 (a limit of the control group's)" if len(cpus) > 1 else ""
    )
    assert found["CPU affinity"].status is findings.Status.MISSING
