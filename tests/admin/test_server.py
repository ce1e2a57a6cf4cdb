"""An admin server as a whole: threads, addresses, and strangers that mean it no good."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

pytest.importorskip("h11", reason="h11 is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from asking import ask, connect, said

from netcore.admin import AdminLimits, AdminServer, server

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def talk(address, data):
    """Sends bytes, and returns all that is said until the end."""
    with connect(address) as sock:
        sock.sendall(data)
        return said(sock)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp4://127.0.0.1:0", "tcp://localhost:0"])
def test_where(open_server, address):
    where = open_server(address).address
    assert where.port != 0
    assert ask(where, "/health").status == 200


def test_by_ipv6(open_server):
    try:
        where = open_server("tcp6://[::1]:0").address
    except OSError:
        pytest.skip("there is no IPv6")
    with connect(where) as sock:
        sock.sendall(GET.replace(b"localhost", f"[::1]:{where.port}".encode()) * 2)
        sock.shutdown(socket.SHUT_WR)
        assert said(sock).count(b"HTTP/1.1 200") == 2
    assert ask(where, "/health", Host="[fe80::1%25eth0]:99").status == 200
    assert ask(where, "/health", Host="[::1]:99999").status == 421


@pytest.mark.unix_sockets
def test_by_a_unix_socket(open_server, tmp_path):
    where = open_server(f"unix://{tmp_path / 'admin'}").address
    assert ask(where, "/health").status == 200
    assert ask(where, "/health", Host="evil.example").status == 421


@pytest.mark.parametrize("host", ["evil.example", "localhost:x", "127.0.0.1:99999", "localhost:80:80", ""])
def test_a_host_that_is_not_ours(open_server, host):
    assert ask(open_server().address, "/metrics", Host=host).status == 421


def test_a_host_with_another_port(open_server):
    assert ask(open_server().address, "/metrics", Host="127.0.0.1:1").status == 200


def test_a_source_that_fails_is_said_once_and_costs_no_more(open_server, source, caplog):
    where = open_server().address

    def fail():
        raise ZeroDivisionError("oh\nno")

    source.processes = fail
    for _ in range(3):
        assert ask(where, "/metrics").status == 500
    assert ask(where, "/health").status == 200
    assert caplog.text.count("the admin server cannot answer") == 1
    assert "ZeroDivisionError" in caplog.text


def test_many_at_once_all_get_an_answer(open_server):
    where = open_server().address
    statuses = []

    def look():
        statuses.extend(ask(where, path).status for path in ("/", "/metrics", "/stats.json"))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 24


def test_a_flood_of_connections_that_say_nothing(open_server):
    where = open_server(limits=AdminLimits(connections=8)).address
    with contextlib.ExitStack() as stack:
        for i in range(100):
            sock = stack.enter_context(connect(where))
            with contextlib.suppress(ConnectionError):
                sock.sendall((b"", b"GET", b"G" * 9000, b"\0" * 100, b"\r\n" * 50)[i % 5])
        assert ask(where, "/health").status == 200


def test_abrupt_ends(open_server):
    where = open_server().address
    for data in (b"", b"GET / HT", GET, GET * 50, b"\xff" * 5000):
        with connect(where) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.sendall(data)
    assert ask(where, "/health").status == 200


def test_requests_ahead(open_server):
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answers = talk(open_server().address, GET * 40 + last)
    assert answers.count(b"HTTP/1.1 200 ") == 41


def test_a_request_larger_than_it_may_be(open_server):
    answer = talk(open_server().address, b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_body_of_a_head_is_none(open_server):
    get, head = (ask(open_server().address, "/metrics", method) for method in ("GET", "HEAD"))
    assert head.body == b""
    assert get.body != b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_what_it_uses_is_followed_by_a_rest(source, monkeypatch):
    """By a clock of the thread's time that says that each round took a second of it."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(server, "_thread_time", lambda: float(next(ticks)))
    rests = []

    class Closing(threading.Event):
        def wait(self, timeout=None):
            rests.append(timeout)
            return self.is_set()

    made = AdminServer("tcp://127.0.0.1:0", source, limits=AdminLimits(share=0.8))
    made._closing = Closing()
    made.start()
    ask(made.address, "/health")
    made.close()
    assert rests and all(rest == pytest.approx(0.25) for rest in rests)


def test_a_server_ends_once_and_for_all(source):
    made = AdminServer("tcp://127.0.0.1:0", source)
    made.close()
    made = AdminServer("tcp://127.0.0.1:0", source)
    made.start()
    with connect(made.address) as sock:
        made.close()
        made.close()
        assert said(sock) == b""
    with pytest.raises(OSError):
        connect(made.address)


def test_without_a_thread_nothing_stays_open(source, monkeypatch, open_descriptors):
    def fail(thread):
        raise RuntimeError("can't start new thread")

    before = open_descriptors()
    monkeypatch.setattr(threading.Thread, "start", fail)
    made = AdminServer("tcp://127.0.0.1:0", source)
    with pytest.raises(RuntimeError, match="thread"):
        made.start()
    made.close()
    assert open_descriptors() == before


def test_a_source_that_hangs_does_not_keep_the_close(open_server, source):
    hanging, free = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        free.wait(30)
        return "ready"

    source.state = hang
    made = open_server()
    with connect(made.address) as sock:
        sock.sendall(GET)
        assert hanging.wait(30)
        began = time.monotonic()
        made.close(0.05)
        assert time.monotonic() - began < 20
        free.set()
