"""The HTTP example on its way out: clients with a connection that is kept leave without an error."""

from __future__ import annotations

import http.client

import pytest

pytest.importorskip("httptools", reason="httptools is not installed")

from examples.http_server import HttpServer


def get(link):
    link.request("GET", "/hello")
    response = link.getresponse()
    response.read()
    return response.status, response.headers["Connection"]


def test_a_connection_is_kept_until_the_server_accepts_no_more(serve):
    engine = serve(HttpServer())
    address = engine.addresses[0]
    link = http.client.HTTPConnection(address.host, address.port, timeout=30)
    link.connect()
    sock = link.sock
    assert get(link) == (200, "keep-alive")
    engine.stop_accepting()
    assert get(link) == (200, "close")
    assert link.sock is None and sock is not None
    assert engine.drain(30)


def test_requests_ahead_end_with_the_last_answer(serve, dial):
    engine = serve(HttpServer())
    sock = dial(engine)
    sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    while b"hello" not in sock.recv(65536).lower():
        pass
    engine.stop_accepting()
    sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer
