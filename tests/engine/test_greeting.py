"""What ``run`` says of where it listens: on a terminal, in the log, or nowhere."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

import netcore

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.posix

PROGRAM = """
    import logging, sys, threading
    import netcore.engine.running

    # What a netcore without its native part says of itself is not what this is about.
    logging.getLogger("netcore").addFilter(lambda record: "its native part" not in record.getMessage())

    class Handler(netcore.EventHandler):
        pass

    class Brief(netcore.EventHandler):
        # Ends as soon as the thread of run() waits for that.
        def on_tick(self, engine):
            for frame in sys._current_frames().values():
                while frame := frame.f_back:
                    if frame.f_code is netcore.engine.running._wait.__code__:
                        return engine.stop() or None
            return 0.01

    addresses = ["tcp://127.0.0.1:0"]
"""


def start(code, stderr, **environment):
    """Runs a program, whose standard error is what it is given."""
    source = textwrap.dedent(PROGRAM) + textwrap.dedent(code)
    environment = {**os.environ, "NETCORE_ANNOUNCE": "", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=sys.prefix,  # not the source tree, where another netcore than the one under test may lie
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        text=True,
    )


def read_all(terminal):
    """Reads what was written to a terminal, until the last one has closed it."""
    text = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # EIO: Linux says so when the other end is closed
            data = b""
        if not data:
            return text.decode().replace("\r\n", "\n")
        text += data


def on_a_terminal(code, **environment):
    """Returns what a program that ends by itself has written to a terminal."""
    terminal, theirs = pty.openpty()
    try:
        process = start(code, theirs, **environment)
        os.close(theirs)
        text = read_all(terminal)
        process.communicate(timeout=60)
    finally:
        os.close(terminal)
    return text


def elsewhere(code, **environment):
    """Returns what a program that ends by itself has written to a pipe."""
    return start(code, subprocess.PIPE, **environment).communicate(timeout=60)[1]


RUN = "netcore.run(Brief(), *addresses, ticker=True, shutdown_timeout=1)"


def test_a_terminal_is_told_the_real_port_and_can_end_it():
    terminal, theirs = pty.openpty()
    process = start("netcore.run(Handler(), *addresses)", theirs)
    os.close(theirs)
    text = ""
    while "\n" not in text:
        text += os.read(terminal, 4096).decode()
    head, _, rest = text.strip().partition(" tcp://127.0.0.1:")
    port, _, hint = rest.partition(" ")
    assert (head, hint) == ("netcore: listening on", "(Ctrl-C stops)")
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as sock:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        with contextlib.suppress(ConnectionResetError):  # whom nobody had accepted yet
            assert sock.recv(1) == b""
    assert read_all(terminal) == "", "once"
    os.close(terminal)
    process.communicate()


def test_all_addresses_are_in_it(tmp_path):
    path = tmp_path / "s"
    text = on_a_terminal(f'addresses += ["unix://{path}", "udp://127.0.0.1:0"]\n{RUN}')
    tcp, unix, udp = text.removeprefix("netcore: listening on ").removesuffix(" (Ctrl-C stops)\n").split(", ")
    assert (
        tcp.startswith("tcp://127.0.0.1:") and unix == f"unix://{path}" and udp.startswith("udp://127.0.0.1:")
    )
    assert ":0" not in (tcp[-2:], udp[-2:])


def test_an_inherited_socket_is_named_as_what_it_is():
    code = f"""
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        addresses = [f"fd://{{listener.fileno()}}"]
        print(listener.getsockname()[1], flush=True)
        {RUN}
    """
    assert on_a_terminal(code).startswith("netcore: listening on tcp://127.0.0.1:")


def test_nothing_is_written_where_there_is_no_terminal():
    assert elsewhere(RUN) == ""


@pytest.mark.parametrize(
    "setting",
    [
        "logging.basicConfig()",
        "logging.getLogger('netcore').addHandler(logging.NullHandler())",
        "own = logging.getLogger('own'); own.addHandler(logging.NullHandler()); options = {'logger': own}",
    ],
    ids=["root", "netcore", "own"],
)
def test_nothing_is_written_where_logging_is_set_up(setting):
    code = f"options = {{}}\n{setting}\n{RUN.replace('ticker', '**options, ticker')}"
    assert on_a_terminal(code) == ""


def test_who_logs_that_much_has_it_in_the_log_and_only_there(tmp_path):
    text = on_a_terminal(f"logging.basicConfig(level='INFO', format='%(name)s: %(message)s')\n{RUN}")
    assert text.startswith("netcore: listening on tcp://127.0.0.1:") and "Ctrl" not in text
    assert text.count("listening") == 1
    log = tmp_path / "log"
    assert on_a_terminal(RUN.replace("ticker", f"log_path={str(log)!r}, ticker")) == ""
    assert log.read_text().count("INFO netcore.file: listening on tcp://127.0.0.1:") == 1


def test_the_environment_decides():
    assert on_a_terminal(RUN, NETCORE_ANNOUNCE="0") == ""
    assert elsewhere(RUN, NETCORE_ANNOUNCE="1").startswith("netcore: listening on tcp://127.0.0.1:")


def test_an_odd_wish_is_refused_before_anything_is_bound(monkeypatch):
    monkeypatch.setenv("NETCORE_ANNOUNCE", "yes")
    with pytest.raises(netcore.OptionsError, match="NETCORE_ANNOUNCE is 'yes': it must be 0 or 1"):
        netcore.run(netcore.EventHandler(), "tcp://192.0.2.1:1")


def test_no_hint_where_an_interrupt_does_nothing():
    thread = f"thread = threading.Thread(target=lambda: {RUN}); thread.start(); thread.join()"
    ignored = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{RUN}"
    for code in (thread, ignored):
        text = on_a_terminal(code)
        assert text.startswith("netcore: listening on tcp://") and "Ctrl" not in text


@pytest.mark.once
@pytest.mark.parametrize(
    "stream",
    [
        "sys.stderr = None",
        "sys.stderr = open('/dev/null', 'w'); sys.stderr.close()",
        "sys.stderr = type('Bare', (), {'write': len})()",
        "sys.stderr = type('Broken', (), {'isatty': lambda self: True, 'write': lambda self, text: 1 / 0})()",
    ],
    ids=["none", "closed", "bare", "broken"],
)
@pytest.mark.parametrize("wish", ["", "1"])
def test_odd_standard_errors_are_no_trouble(stream, wish):
    process = start(f"{stream}\n{RUN}\nprint('over')", subprocess.DEVNULL, NETCORE_ANNOUNCE=wish)
    assert process.communicate(timeout=60)[0] == "over\n"


def test_a_path_gives_a_terminal_no_orders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = elsewhere(
        f"addresses = ['unix://s\\33]0;x\\7\\nnext']\n{RUN}",
        NETCORE_ANNOUNCE="1",
        PYTHONPATH=os.path.dirname(os.path.dirname(netcore.__file__)),
    )
    assert text == "netcore: listening on unix://s\\x1b]0;x\\x07\\nnext (Ctrl-C stops)\n"


def test_an_engine_of_ones_own_says_nothing():
    assert on_a_terminal("with netcore.Engine(Handler(), *addresses): pass") == ""


def test_the_command_line_says_it_once():
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "netcore", "run", "examples.echo:Echo", "tcp://127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    text = ""
    while "listening" not in text or not text.endswith("\n"):
        text += os.read(terminal, 4096).decode()
    process.send_signal(signal.SIGINT)
    text += read_all(terminal)
    os.close(terminal)
    assert process.wait(60) == 0
    assert text.count("listening on tcp://127.0.0.1:") == 1
    assert "Ctrl" not in text


def test_a_supervisor_says_it_once_for_all_its_processes():
    terminal, theirs = pty.openpty()
    code = """
        from netcore.supervisor import Supervisor
        Supervisor("netcore:EventHandler", *addresses, processes=2).run()
    """
    process = start(code, theirs)
    os.close(theirs)
    text = ""
    while "(Ctrl-C stops)" not in text:
        text += os.read(terminal, 4096).decode()
    process.send_signal(signal.SIGTERM)
    text += read_all(terminal)
    os.close(terminal)
    process.communicate(timeout=60)
    assert process.returncode == 0
    (line,) = [line for line in text.splitlines() if "listening" in line]  # among what else processes say
    assert line.startswith("netcore: listening on tcp://127.0.0.1:") and line.endswith("(Ctrl-C stops)")
