"""``netcore top``, as a process: lines, a terminal, and what is said when there is nobody to ask."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from importlib import import_module

import pytest

pytest.importorskip("h11", reason="h11 is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from netcore import EventHandler
from netcore.cli import main

TOP = (sys.executable, "-m", "netcore", "top")
ANY = "tcp://127.0.0.1:0"


@pytest.fixture
def admin(serve):
    return serve(EventHandler(), admin=ANY, num_event_loops=2).admin_address


@pytest.mark.parametrize("shape", ["tcp://127.0.0.1:{}", "http://127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_once(admin, capsys, shape):
    address = shape.format(admin.port)
    assert main(["top", address, "--once", "--interval", "0.1"]) == 0
    title, head, *lines, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"netcore {address}: ready, 1 process, 2 loops, up \S+ m?s", title)
    assert head.split()[:5] == ["PROCESS", "LOOP", "STATE", "CONNS", "MSG/S"]
    assert [line.split()[:5] for line in lines] == [
        ["0", "0", "ready", "0", "0"],
        ["0", "1", "ready", "0", "0"],
    ]
    assert last == ""


@pytest.mark.unix_sockets
def test_once_by_a_unix_socket(serve, tmp_path, capsys):
    serve(EventHandler(), admin=f"unix://{tmp_path / 'admin'}")
    assert main(["top", f"unix://{tmp_path / 'admin'}", "--once", "--interval", "0.1"]) == 0
    assert "ready" in capsys.readouterr().out


def test_sorted(admin, capsys):
    command = ["top", str(admin), "--once", "--interval", "0.1", "--sort", "loop", "--reverse"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()[2:-1]
    assert [line.split()[1] for line in lines] == ["1", "0"]


def test_lines_go_on_until_nobody_reads_them(admin):
    command = [*TOP, str(admin), "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for _ in range(2):
            assert process.stdout.readline().startswith("netcore tcp://")
            assert [process.stdout.readline() for _ in range(4)][-1] == "\n"
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nowhere", "'nowhere' is no address of an admin server: use tcp://, unix:// or http://"),
        ("127.0.0.1:9100", "no address of an admin server"),
        ("tcp://127.0.0.1", "127.0.0.1"),
        ("udp://127.0.0.1:1", "no address of an admin server"),
        ("http://", "no address of an admin server"),
        ("http://127.0.0.1:99999", "no address of an admin server"),
        ("unix://", "names no Unix socket"),
    ],
)
def test_an_address_that_is_none(capsys, address, said):
    assert main(["top", address]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("netcore: ") and error.count("\n") == 1


@pytest.mark.parametrize("interval", ["0", "-1", "x", "nan", "inf"])
def test_an_interval_that_is_none(capsys, interval):
    with pytest.raises(SystemExit) as ended:
        main(["top", ANY, "--interval", interval])
    assert ended.value.code == 2
    assert "no number of seconds" in capsys.readouterr().err


def test_nobody_there(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["top", f"tcp://127.0.0.1:{port}"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"netcore: cannot ask tcp://127.0.0.1:{port}: ") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "cannot ask"),
        (b"SSH-2.0-x\r\n", "answers, but not by HTTP"),
        (b"HTTP/1.1 404 No\x1bpe\r\nContent-Length: 0\r\n\r\n", "answers 404 No\\x1bpe"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat", "not as an admin server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "not as an admin server"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"processes": 1}', "not as an admin server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "not as an admin server"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "cannot ask"),
    ],
)
def test_somebody_else_there(capsys, answer, said):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    with sock:
                        sock.recv(65536)
                        sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            assert main(["top", f"tcp://127.0.0.1:{listener.getsockname()[1]}"]) == 1
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("missing", ["rich", "h11", "prometheus_client"])
def test_without_a_package_there_is_one_line(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from netcore.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "top", ANY], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"netcore: top needs the package {missing}: pip install 'netcore-io[admin]'\n",
    )


class Terminal:
    """A pseudo-terminal with a program on it; see pty(7)."""

    def __init__(self, command, columns, lines):
        pty = import_module("pty")
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", PYTHONUNBUFFERED="1")
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)
            os.execv(command[0], command)
        self.resize(columns, lines)

    def resize(self, columns, lines):
        import_module("termios").tcsetwinsize(self.fd, (lines, columns))

    def wait_for(self, pattern):
        """Reads until a pattern is seen; returns what was seen up to there, and forgets it."""
        deadline = time.monotonic() + 30
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            ready, _, _ = select.select([self.fd], [], [], 1)
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen[-3000:]!r}"
            if ready:
                self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
        seen, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return seen

    def press(self, key):
        os.write(self.fd, key.encode())

    def end(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(admin):
    if not hasattr(os, "fork") or sys.version_info < (3, 11):
        pytest.skip("needs a pseudo-terminal, and termios.tcsetwinsize")
    return Terminal([*TOP, str(admin), "--interval", "0.2"], 150, 20)


@pytest.mark.parametrize(("key", "status"), [("q", 0), ("\x03", 0)])
def test_in_a_terminal(terminal, key, status):
    terminal.wait_for(r"ready, 1 process, 2 loops.*PROCESS.*AGE.*q quits")
    terminal.press("c")
    terminal.wait_for(r"\x1b\[1;7mCONNS")
    terminal.resize(40, 8)
    terminal.wait_for(r"\x1b\[H(?:(?!\x1b\[H|AGE).)*PROCESS(?:(?!\x1b\[H|AGE).)*\x1b\[H")
    terminal.resize(150, 20)
    terminal.wait_for("AGE")
    terminal.press(key)
    terminal.wait_for(r"\x1b\[\?1049l")  # the screen that was there before
    assert terminal.end() == status
