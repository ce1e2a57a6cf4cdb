"""A process that is stopped for a while, and system calls that would stop it."""

from __future__ import annotations

import array
import os
import signal
import socket
import struct
import tempfile
import time
from pathlib import Path

from bench.attack.base import UNHARMED, Figures, attack, exactly
from bench.attack.peers import connect, reset
from bench.attack.scene import Scene
from bench.attack.target import serving

IDLE = 0.8


@attack(
    "stopped-process",
    "SIGSTOP for twice the idle time-out, while peers send; then SIGCONT",
    {"lost": exactly(0)},
)
def stopped_process(scene: Scene) -> Figures:
    lost = 0
    with serving("echo", idle_timeout=IDLE) as target:
        socks = [connect(target.port) for _ in range(scene.size(50, 500))]
        for sock in socks:
            sock.sendall(b"before")
            sock.recv(6)
        os.kill(target.process.pid, signal.SIGSTOP)
        for sock in socks:
            sock.sendall(b"meanwhile")
        time.sleep(2 * IDLE)
        os.kill(target.process.pid, signal.SIGCONT)
        for sock in socks:
            try:
                lost += sock.recv(9) != b"meanwhile"
            except OSError:
                lost += 1
            sock.close()
    return {"lost": lost}


def pass_lingering_sockets(path: str, count: int) -> int:
    """Passes sockets whose close would block, to who may be careless enough to take them (SCM_RIGHTS)."""
    passed = 0
    for _ in range(count):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        near.setblocking(False)
        try:
            while True:
                near.send(bytes(65536))
        except BlockingIOError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.settimeout(1)
            try:
                rights = array.array("i", [near.fileno()])
                sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                # Ours is gone before the server's: who closes last waits.
                os.close(near.detach())
                passed += 1
                sock.recv(1)
            except OSError:
                reset(near)  # which does not wait, here
        far.close()
    return passed


@attack(
    "passed-descriptors",
    "sockets whose close blocks for seconds, passed over a Unix socket",
    UNHARMED,
)
def passed_descriptors(scene: Scene) -> Figures:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "s"))
        with (
            serving("echo", "tcp://127.0.0.1:0", f"unix://{path}") as target,
            target.neighbour() as neighbour,
        ):
            passed = scene.attack(pass_lingering_sockets, path, 2)
            return {"passed": passed, **neighbour.figures()}
