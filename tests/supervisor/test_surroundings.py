"""What processes and supervisor have of the system: limits, descriptors, CPUs, files, the service manager."""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from needed import program
from pki import Pki
from supervised import APPLICATION, Supervised, connect, read_line, until

from netcore.address import Address
from netcore.options import Options
from netcore.supervisor import TlsFiles
from netcore.supervisor._posix import limits
from netcore.supervisor.launch import Launch
from netcore.supervisor.listeners import Listeners
from netcore.supervisor.processes import Processes

pytestmark = [pytest.mark.posix, pytest.mark.once]

Supervise = Callable[..., Supervised]

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MANY = 1200


@linux
def test_the_limit_of_open_files_is_raised_and_inherited(supervise: Supervise) -> None:
    resource = limits()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lower = min(hard, MANY + 200)
    prefix = ("sh", "-c", f'ulimit -S -n 256; ulimit -H -n {lower}; exec "$@"', "sh")
    one = supervise("tcp://127.0.0.1:0", prefix=prefix, processes=1).serves(1)
    assert f"raised from 256 to {lower} (RLIMIT_NOFILE)" in one.log
    assert one.ask("__import__('resource').getrlimit(7)") == f"({lower}, {lower})"
    assert one.stop() == 0


@linux
def test_more_descriptors_than_select_knows(supervise: Supervise) -> None:
    resource = limits()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * MANY:
        pytest.skip("the hard limit is too low")
    application = APPLICATION + "\nFILES = [open(os.devnull) for _ in range(1200)]\n"
    one = supervise("tcp://127.0.0.1:0", application=application, hang_timeout=20).serves()
    before = one.signal(signal.SIGHUP)
    for number in (0, 1):  # one that leaves has closed its listeners, and has low numbers to give
        one.said(f"process {number} .* has ended", after=before)
    assert int(one.ask("os.open(os.devnull, 0)")) > 1200
    assert one.stop() == 0


@linux
def test_nothing_is_left_of_what_was_replaced(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", "udp://127.0.0.1:0", processes=1).serves(1)

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{one.pid}/fd"))

    before = descriptors()
    for _ in range(4):
        since = one.signal(signal.SIGHUP)
        one.said("process 0 .* has ended", after=since)
    until(lambda: descriptors() == before)
    assert one.stop() == 0


@linux
def test_a_process_has_its_descriptors_and_no_child_has_them(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", "udp://127.0.0.1:0").serves()
    numbers = "[int(name) for name in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{name}')]"
    assert one.ask(f"[fd for fd in {numbers} if fd > 2 and os.get_inheritable(fd)]") == "[]"
    assert one.stop() == 0


@linux
def test_processes_spread_over_cpus(supervise: Supervise) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    one = supervise("tcp://127.0.0.1:0", cpu_affinity=True).serves()
    mine = [os.sched_getaffinity(one.process(number)) for number in (0, 1)]
    assert mine == [{cpus[0]}, {cpus[1 % len(cpus)]}]
    assert one.stop() == 0


def test_configure_runs_in_each_process(supervise: Supervise) -> None:
    application = (
        APPLICATION
        + """
def configure(options):
    print("configured", os.getpid(), options.tcp_no_delay, flush=True, file=__import__("sys").stderr)
    return options.replace(max_connections=1)
"""
    )
    one = supervise(
        "tcp://127.0.0.1:0", application=application, configure="app:configure", tcp_no_delay=False
    )
    one.serves()
    for number in (0, 1):
        one.said(f"^configured {one.process(number)} False$")
    assert one.stop() == 0


def test_a_configure_that_fails_is_told_in_one_line_and_where(supervise: Supervise) -> None:
    one = supervise(
        "tcp://127.0.0.1:0",
        application=APPLICATION + "\ndef configure(options): return options.no_such_thing\n",
        configure="app:configure",
    )
    assert one.wait() == 1
    assert "calling app:configure failed: AttributeError" in one.log
    assert "app.py" in one.log


def test_who_is_told_to_end_when_he_has_ended_ends_in_order(supervise: Supervise) -> None:
    """A service manager, or timeout(1), signals the whole group."""
    application = """
import atexit, sys, time
@atexit.register
def leave():
    print("leaving", flush=True, file=sys.stderr)
    time.sleep(0.5)
"""
    one = supervise("tcp://127.0.0.1:0", processes=1, application=application + APPLICATION).serves(1)
    pid = one.process(0)
    one.signal(signal.SIGTERM)
    one.said("^leaving")
    os.kill(pid, signal.SIGTERM)
    assert one.wait() == 0
    assert "was ended by" not in one.log


def test_reload_takes_what_is_written(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", processes=1, reload=True, application=APPLICATION).serves(1)
    one.write("def")
    one.said("nothing more is replaced")
    assert one.ask("VERSION") == "1"
    one.write(APPLICATION.replace("VERSION = 1", "VERSION = 2"))
    until(lambda: one.ask("VERSION") == "2")
    one.write("WORD = 3", "late.py")
    assert one.ask("__import__('late').WORD") == "3"

    def again() -> bool:
        """Writes it, and waits: once is not enough before the process has said what it has imported."""
        one.write("WORD = 2 + 2", "late.py")
        with suppress(AssertionError):
            until(lambda: one.ask("__import__('late').WORD") == "4", patience=5)
            return True
        return False

    until(again)
    assert one.stop() == 0


def test_certificates_are_read_again(supervise: Supervise, tmp_path: Path, pki: Pki) -> None:
    certificate, key = (tmp_path / name for name in ("certificate.pem", "key.pem"))

    def install(name: str) -> None:
        for source, target in zip(pki.issue(name, "DNS:localhost"), (certificate, key), strict=True):
            target.write_bytes(source.read_bytes())

    def served() -> object:
        context = ssl.create_default_context(cafile=str(pki.ca))
        with one.connect() as sock, context.wrap_socket(sock, server_hostname="localhost") as secured:
            secured.sendall(b"hello")
            assert secured.recv(5) == b"hello"
            return secured.getpeercert()["subject"]  # type: ignore[index]

    install("before")
    one = supervise("tls://127.0.0.1:0", tls_files=TlsFiles(certificate=str(certificate), key=str(key)))
    one.serves()
    assert "before" in str(served())
    install("after")
    one.signal(signal.SIGHUP)
    one.serves(times=2)
    until(lambda: "after" in str(served()))
    assert one.stop() == 0


def test_headers_of_a_proxy_are_read_in_processes(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", proxy_protocol=True).serves()
    with one.connect() as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 7 8\r\n!str(conn.remote_address)\n")
        assert read_line(sock) == "tcp://192.0.2.7:7"
    assert one.stop() == 0


def test_it_runs_on_another_thread(supervise: Supervise, tmp_path: Path) -> None:
    """Without signals it has to look for the ends of processes."""
    (tmp_path / "main.py").write_text("")
    main = """
import sys, threading
from netcore.logs import configure
from netcore.supervisor import Supervisor
configure(20, "text")
one = Supervisor("app:App", "tcp://127.0.0.1:0", processes=1, log_level=20)
thread = threading.Thread(target=one.run)
thread.start()
while sys.stdin.readline() != "":
    one.replace()
one.stop()
thread.join()
"""
    (tmp_path / "app.py").write_text(APPLICATION)
    with subprocess.Popen(
        [sys.executable, "-c", main],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as popen:
        assert popen.stdin is not None and popen.stderr is not None
        _read_to(popen.stderr, "listening")
        popen.stdin.write("again\n")
        popen.stdin.flush()
        _read_to(popen.stderr, "has ended")
        popen.stdin.close()
        _read_to(popen.stderr, "stopped")
        assert popen.wait(30) == 0


def _read_to(lines: IO[str], words: str) -> None:
    for line in lines:
        if words in line:
            return
    raise AssertionError(words)


def test_addresses_may_be_wanted_twice(supervise: Supervise, tmp_path: Path) -> None:
    places = ("tcp://127.0.0.1:0", f"unix://{tmp_path}/here", "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
    one = supervise(*places).serves()
    before = one.addresses
    assert [each.partition(":")[0] for each in before] == ["tcp", "unix", "udp", "tcp"]
    assert len(set(before)) == 4
    one.signal(signal.SIGUSR2)
    one.said("the new supervisor .* serves")
    assert one.said("listening on (.*)", times=2)[1].split(", ") == before
    for index in range(4):
        with one.connect(index) as sock:
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
    until(lambda: one.popen.poll() == 0)
    one.stop()
    assert not (tmp_path / "here").exists()


# The service manager.


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


class Manager:
    """A service manager, as far as it listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[tuple[int, dict[str, str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        if hasattr(socket, "SO_PASSCRED"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(30)

    def hear(self, name: str, value: str = "") -> int:
        """Waits for a message that says something; returns who has said it."""
        while True:
            data, anc, _, _ = self._socket.recvmsg(8192, 1024)
            pid = int.from_bytes(anc[0][2][:4], sys.byteorder) if anc else 0
            words = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.said.append((pid, words))
            if name in words and value in words[name]:
                return pid

    def close(self) -> None:
        self._socket.close()


@linux
def test_the_service_manager_hears_all(supervise: Supervise, manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    one = supervise("tcp://127.0.0.1:0", environ=environ)
    assert manager.hear("READY") == one.pid
    one.serves()
    assert one.ask("sorted(k for k in os.environ if k[:8] in ('WATCHDOG', 'NOTIFY_S', 'LISTEN_F'))") == "[]"
    manager.hear("WATCHDOG")
    one.signal(signal.SIGHUP)
    manager.hear("MONOTONIC_USEC")
    manager.hear("READY")
    old = one.pid
    one.signal(signal.SIGUSR2)
    manager.said.clear()
    assert manager.hear("MAINPID") == old
    new = int(manager.said[-1][1]["MAINPID"])
    assert all(pid == old for pid, _ in manager.said), "the new one has spoken before its time"
    assert manager.hear("READY") == new
    assert manager.hear("WATCHDOG") == new
    until(lambda: one.pid == new)
    one.signal(signal.SIGTERM)
    assert manager.hear("STOPPING") == new
    one.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@linux
@pytest.mark.clients
@pytest.mark.parametrize("address", ["fd://web", "fd://3", "tcp://127.0.0.1:{port}"])
def test_a_socket_that_systemd_has_bound(supervise: Supervise, address: str) -> None:
    port = _free_port()
    prefix = (program("systemd-socket-activate"), "-l", f"127.0.0.1:{port}", "--fdname=web")
    one = supervise(address.format(port=port), prefix=prefix)
    one.said("Listening on")
    with socket.create_connection(("127.0.0.1", port), 30) as sock:  # which has it started
        sock.sendall(b"!os.environ.get('LISTEN_FDS')\n")
        assert read_line(sock) == "None"
        one.serves()
    for times in (2, 3):
        before = one.signal(signal.SIGHUP if times == 2 else signal.SIGUSR2)
        one.said("process 1 .* serves", after=before)
        with connect(f"tcp://127.0.0.1:{port}") as sock:
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
    one.said("the new supervisor .* serves")
    one.stop()


@linux
def test_a_supervisor_is_small(supervise: Supervise) -> None:
    one = supervise("tcp://127.0.0.1:0", hang_timeout=30).serves()
    status = Path(f"/proc/{one.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) <= 25 * 1024
    assert one.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no file without a folder")
def test_no_folder_needs_to_be_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    launch = Launch(target="nowhere:App")
    logger = logging.getLogger("netcore")
    listeners = Listeners([Address.parse("tcp://127.0.0.1:0")], Options(), False, logger)
    processes = Processes(launch, listeners, logger)
    try:
        assert processes.start(0, set()) in processes.running
    finally:
        processes.kill_all()
