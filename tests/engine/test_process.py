"""Forks, and the end of the interpreter, while engines run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap

import pytest

from netcore._native import MISSING

HEAD = r"""
import os, socket, sys, threading, time
from netcore import Action, Client, Engine, EngineNotRunningError, EventHandler, run

class Echo(EventHandler):
    def on_open(self, conn):
        self.conn = conn
    def on_traffic(self, conn):
        conn.write(conn.read())
    def on_close(self, conn, error):
        os.write(1, b"on_close\n")
    def on_shutdown(self, engine):
        os.write(1, b"on_shutdown\n")

def ask(sock, data=b"x"):
    sock.sendall(data)
    return sock.recv(len(data))

def dial(engine):
    address = engine.addresses[0]
    sock = socket.create_connection((address.host, address.port), timeout=30)
    assert ask(sock) == b"x"
    return sock

def in_child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(1)
    return pid

def reap(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""

FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


def run(program, *arguments, poller=None):
    environment = dict(os.environ)
    if poller:
        environment["NETCORE_POLLER"] = poller
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            HEAD + textwrap.dedent(program),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        # Not the source tree, where Python would find a netcore that may not be the one under test.
        cwd=sys.prefix,
        env=environment,
        check=False,
    )


def complaints(stderr):
    """Drops what a netcore without its native part says of itself."""
    return [line for line in stderr.splitlines() if not (MISSING and line.startswith(MISSING))]


def output(program, *arguments, poller=None):
    done = run(program, *arguments, poller=poller)
    assert (done.returncode, complaints(done.stderr)) == (0, []), done.stderr
    return done.stdout.split()


@FORK
@pytest.mark.parametrize("poller", [None, "select"])
def test_a_forked_child_gets_clear_errors_and_the_parent_goes_on(poller):
    words = output(
        """
        engine = Engine(Echo(), "tcp://127.0.0.1:0", num_event_loops=2)
        engine.start()
        sock = dial(engine)
        conn = engine.get(engine._handler.conn.id)
        loop = conn.loop

        def child():
            assert not engine.running
            for touch in (engine.stop_accepting, lambda: engine.drain(1), engine.dup_listener,
                          lambda: engine.listen("tcp://127.0.0.1:0"),
                          lambda: engine.stop_listening(engine.addresses[0]),
                          lambda: engine.dial(engine.addresses[0]), lambda: loop.execute(int),
                          lambda: loop.schedule(1, int), engine.start):
                try:
                    touch()
                except RuntimeError as error:
                    assert "fork" in str(error), error
                else:
                    raise AssertionError(touch)
            errors = []
            conn.async_write(b"not from here", lambda conn, error: errors.append(error))
            conn.close(lambda conn, error: errors.append(error))
            conn.abort()
            conn.wake(lambda conn, error: errors.append(error))
            assert [type(error).__name__ for error in errors] == [
                "ConnectionClosedError", "NoneType", "ConnectionClosedError"], errors
            assert conn.closed
            assert engine.connection_count == 0
            assert engine.get(conn.id) is None
            try:
                loop.poller.wake()
            except ValueError:
                pass
            else:
                raise AssertionError
            assert engine.stop() and engine.join(1)
            with Engine(Echo(), "tcp://127.0.0.1:0") as own:  # its own it may have
                assert ask(dial(own), b"child") == b"child"

        reap(in_child(child))
        assert ask(sock, b"parent") == b"parent"
        assert ask(dial(engine), b"new") == b"new"
        engine.stop()
        """,
        poller=poller,
    )
    assert words == ["on_close", "on_shutdown"] + ["on_close"] * 2 + ["on_shutdown"]


@FORK
def test_a_child_that_on_boot_forks_ends_and_does_not_wait_for_ever():
    output(
        """
        class Forks(Echo):
            def on_boot(self, engine):
                self.pid = os.fork()
                if self.pid:
                    engine.stop()

        handler = Forks()
        try:
            run(handler, "tcp://127.0.0.1:0")
        except RuntimeError as error:
            os._exit(7 if not handler.pid and "fork" in str(error) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(handler.pid, 0)[1]) == 7
        """
    )


@FORK
def test_a_child_that_lives_on_keeps_nothing_open():
    """The peer gets its FIN and the port is free although a child still runs."""
    output(
        """
        handler = Echo()
        engine = Engine(handler, "tcp://127.0.0.1:0")
        engine.start()
        sock = dial(engine)
        reading, writing = os.pipe()
        there, here = os.pipe()
        pid = in_child(lambda: os.close(writing) or os.write(here, b"x") and os.read(reading, 1))
        os.read(there, 1)
        handler.conn.close()
        assert sock.recv(1) == b""
        port = engine.addresses[0].port
        engine.stop()
        socket.create_server(("127.0.0.1", port), reuse_port=False).close()
        os.close(writing)
        reap(pid)
        """
    )


@FORK
@pytest.mark.parametrize("where", ["on_traffic", "execute"])
def test_a_fork_on_the_loops_own_thread(where):
    """In the child its callback goes on; the batch, the output and the connections are the parent's."""
    words = output(
        """
        class Forking(Echo):
            def on_traffic(self, conn):
                data = conn.read()
                conn.write(data)
                if data == b"fork" and sys.argv[1] == "on_traffic":
                    fork()
        children = []
        def fork():
            pid = os.fork()
            if pid:
                children.append(pid)

        engine = Engine(Forking(), "tcp://127.0.0.1:0")
        engine.start()
        sock, other = dial(engine), dial(engine)
        assert ask(sock, b"fork") == b"fork"
        if sys.argv[1] == "execute":
            engine.loops[0].execute(fork)
        assert ask(other, b"other") == b"other"
        assert ask(sock, b"again") == b"again"
        sock.settimeout(0.1)
        try:
            raise AssertionError(sock.recv(1))  # sent twice
        except TimeoutError:
            pass
        (pid,) = children
        reap(pid)
        engine.stop()
        """,
        where,
    )
    assert words == ["on_close"] * 2 + ["on_shutdown"]


@pytest.mark.parametrize(
    "end", ["pass", "sys.exit()", "threading.Thread(target=time.sleep, args=(0.1,)).start()"]
)
def test_the_end_of_the_interpreter_stops_engines_in_order(tmp_path, end):
    path = tmp_path / "x.sock"
    addresses = ["tcp://127.0.0.1:0"] + [f"unix://{path}"] * hasattr(socket, "AF_UNIX")
    words = output(
        f"""
        engine = Engine(Echo(), *{addresses}, num_event_loops=3)
        engine.start()
        socks = [dial(engine) for _ in range(3)]
        client = Client(EventHandler())
        client.start()
        client.dial(engine.addresses[0])
        while engine.connection_count < 4:  # one that was not accepted is reset without a callback
            time.sleep(0.001)
        {end}
        """
    )
    assert sorted(words) == ["on_close"] * 4 + ["on_shutdown"]
    assert not path.exists()


def test_an_uncaught_exception_ends_it_too():
    done = run(
        """
        engine = Engine(Echo(), "tcp://127.0.0.1:0")
        engine.start()
        sock = dial(engine)
        raise LookupError("on purpose")
        """
    )
    assert done.returncode == 1
    assert done.stderr.endswith("LookupError: on purpose\n")
    assert done.stdout.split() == ["on_close", "on_shutdown"]


def test_a_callback_that_never_returns_does_not_hang_the_end():
    done = run(
        """
        class Stuck(Echo):
            def on_traffic(self, conn):
                print("stuck", flush=True)
                time.sleep(1000)
        engine = Engine(Stuck(), "tcp://127.0.0.1:0", shutdown_timeout=0.1)
        engine.start()
        address = engine.addresses[0]
        sock = socket.create_connection((address.host, address.port))
        sock.sendall(b"x")
        while engine.connection_count == 0:
            time.sleep(0.001)
        time.sleep(0.05)
        """
    )
    assert (done.returncode, complaints(done.stderr)) == (0, [])


def test_an_engine_that_was_stopped_or_never_started_is_left_alone():
    assert output(
        """
        first, second = (Engine(Echo(), "tcp://127.0.0.1:0") for _ in range(2))
        first.start()
        first.stop()
        """
    ) == ["on_shutdown"]


@FORK
def test_a_child_is_not_held_up_by_a_thread_that_it_has_not():
    """One that was in the midst of an asynchronous call when the process was forked."""
    words = output(
        """
        import threading

        from netcore.connection import PLEDGING

        engine = Engine(Echo(), "tcp://127.0.0.1:0")
        engine.start()
        sock = dial(engine)
        conn = engine.get(engine._handler.conn.id)
        inside, leave = threading.Event(), threading.Event()

        def hold():
            with PLEDGING:
                inside.set()
                leave.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        inside.wait(30)

        def child():
            conn.async_write(b"not from here")
            conn.wake()
            print("went on", flush=True)

        pid = in_child(child)
        reap(pid)
        leave.set()
        holder.join()
        engine.stop()
        """
    )
    assert words[:2] == ["went", "on"]
