"""The pool under a real engine, real sockets and several loops."""

from __future__ import annotations

import hashlib
import socket
import threading

from netcore import Conn, EventHandler
from netcore.worker import WorkerPool


class Hashing(EventHandler):
    """Answers each line with its hash, made by a worker."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self.most = 0
        self.wrong_thread = 0

    def on_traffic(self, conn: Conn) -> None:
        data = bytes(conn.peek())
        lines = data.split(b"\n")[:-1]
        conn.discard(sum(len(line) + 1 for line in lines))
        for line in lines:
            self.pool.run_for(conn, digest, line, then=self.answer)
        self.most = max(self.most, self.pool.unfinished)

    def answer(self, conn: Conn, result: bytes | None, error: Exception | None) -> None:
        self.wrong_thread += not conn.loop.in_loop()
        if not conn.closed:
            conn.write(result or repr(error).encode())


def digest(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest().encode() + b"\n"


def test_many_clients_get_their_answers_in_order(serve, dial) -> None:
    with WorkerPool(4, max_pending=64, max_pending_per_connection=8) as pool:
        handler = Hashing(pool)
        engine = serve(handler, num_event_loops=2)
        failures: list[str] = []

        def client(sock: socket.socket, name: int) -> None:
            lines = [f"{name} {i}".encode() for i in range(300)]
            sender = threading.Thread(target=sock.sendall, args=(b"".join(line + b"\n" for line in lines),))
            sender.start()
            with sock.makefile("rb") as answers:
                for line in lines:
                    if answers.readline() != digest(line):
                        failures.append(f"client {name}: no right answer to {line!r}")
                        break
            sender.join(30)

        threads = [threading.Thread(target=client, args=(dial(engine), name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures
        assert not handler.wrong_thread
        assert engine.stop(30)
    assert pool.unfinished == 0
    assert not pool._lanes


def test_a_flood_is_slowed_down_by_tcp(serve, dial, gate) -> None:
    """While the worker is held, the server reads no more than a turn's worth, and TCP fills up."""
    with WorkerPool(1, max_pending_per_connection=4) as pool:
        handler = Hashing(pool)
        engine = serve(handler, socket_recv_buffer=4096)
        pool.submit(gate)
        gate.wait_entered()
        sock = dial(engine)
        line = b"x" * 1023 + b"\n"
        sock.settimeout(0.3)
        accepted = 0
        try:
            while accepted < 64 << 20:
                accepted += sock.send(line * 64)
        except TimeoutError:
            pass
        assert accepted < 64 << 20, "everything was read although nothing was done"
        assert handler.most <= 65  # what one turn receives, and the job that is held
        gate.open()
        sock.settimeout(30)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as answers:
            assert answers.readline() == digest(line[:-1])
        sock.close()
        assert engine.stop(30)


def test_a_job_that_outlives_its_engine_is_still_reported(serve, dial, gate) -> None:
    reports: list[object] = []
    reported = threading.Event()

    class Handler(EventHandler):
        def on_traffic(self, conn: Conn) -> None:
            conn.discard()
            pool.run_for(conn, gate, "late", then=self.then)

        def then(self, conn: Conn, result: object, error: Exception | None) -> None:
            reports.append((conn.closed, result, error))
            reported.set()

    with WorkerPool(1) as pool:
        engine = serve(Handler())
        dial(engine).sendall(b"go")
        gate.wait_entered()
        assert engine.stop(30)
        gate.open()
        assert reported.wait(30)
    assert reports == [(True, "late", None)]
