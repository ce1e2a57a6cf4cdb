"""What attackers have in common: sockets, and working on several threads."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_PATIENCE = 15.0


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    """Connects to a port of 127.0.0.1, from one of its many addresses, so that ports do not run out."""
    sock = socket.socket()
    sock.settimeout(_PATIENCE)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind((f"127.0.{random.randrange(1, 100)}.{random.randrange(1, 255)}", 0))
    sock.connect(("127.0.0.1", port))
    return sock


def reset(sock: socket.socket) -> None:
    """Ends a connection by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def several(work: Callable[[int], int], count: int, threads: int = 8) -> int:
    """Does work so many times on some threads; returns the sum of the results."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(count)))


def await_end(socks: list[socket.socket], patience: float) -> int:
    """Waits until the server has ended these connections, whatever it sends before; returns how many."""
    ended, end = 0, time.monotonic() + patience
    for sock in socks:
        sock.settimeout(max(end - time.monotonic(), 0.01))
        try:
            while sock.recv(65536):
                pass
            ended += 1
        except TimeoutError:
            continue
        except OSError:
            ended += 1
    return ended


def send_quietly(sock: socket.socket, data: bytes) -> bool:
    """Sends, unless the server has had enough; returns whether it took it."""
    with contextlib.suppress(OSError):
        sock.sendall(data)
        return True
    return False
