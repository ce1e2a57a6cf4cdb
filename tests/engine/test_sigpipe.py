"""No peer ends the process by leaving, though SIGPIPE is at its default, as in command-line tools."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.posix

SERVER = """
import os, signal, socket, sys, tempfile, threading
import netcore

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
file = tempfile.TemporaryFile()
file.truncate(50 << 20)
closed = threading.Semaphore(0)


class Leavers(netcore.EventHandler):
    def on_traffic(self, conn):
        what = conn.read()
        for _ in range(20):
            if what == b"file":
                conn.sendfile(file)
            elif what == b"flush":
                conn.write(bytes(1 << 16))
                conn.flush()
            elif what == b"chunks":
                conn.writev([bytes(100), bytes(20000), bytes(100)])
            else:
                conn.write(bytes(1 << 18))

    def on_eof(self, conn):
        if not conn.closed:
            conn.write(b"answer to nobody")
        return None

    def on_close(self, conn, error):
        closed.release()


directory = tempfile.mkdtemp()
addresses = "tcp://127.0.0.1:0", f"unix://{directory}/s"
rounds = 0
with netcore.Engine(Leavers(), *addresses, **eval(sys.argv[1])) as engine:
    for address in engine.addresses:
        for what in (b"file", b"flush", b"chunks", b"write"):
            for _ in range(5):
                if address.network == "unix":
                    sock = socket.socket(socket.AF_UNIX)
                    sock.connect(address.path)
                else:
                    sock = socket.create_connection(("127.0.0.1", address.port))
                sock.sendall(what)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(1000)
                sock.close()
                rounds += 1
    for _ in range(rounds):
        assert closed.acquire(timeout=30)
os.remove(f"{directory}/s") if os.path.exists(f"{directory}/s") else None
os.rmdir(directory)
print("the server lives, and SIGPIPE is", signal.getsignal(signal.SIGPIPE).name)
"""


@pytest.mark.unix_sockets
@pytest.mark.parametrize(
    "options",
    ["{}", pytest.param("{'edge_triggered': True}", marks=pytest.mark.edges), "{'num_event_loops': 2}"],
)
def test_a_peer_that_leaves_ends_no_process(options):
    ran = subprocess.run(
        [sys.executable, "-c", SERVER, options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=sys.prefix,
    )
    assert ran.returncode == 0, (ran.returncode, -signal.SIGPIPE, ran.stderr)
    assert ran.stdout == "the server lives, and SIGPIPE is SIG_DFL\n"
