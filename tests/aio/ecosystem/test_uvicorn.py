"""uvicorn on the loop of netcore: a plain ASGI application and one of Starlette, to clients of others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from needed import library, program

LOOP = "netcore.aio.loop.EventLoop"
TIMEOUT = 60

uvicorn = library("uvicorn")
library("starlette")
library("httptools")
websockets = library("websockets")

SAYS = "Uvicorn running on "


@pytest.fixture(params=["httptools", "h11"])
def site(request: pytest.FixtureRequest, serving: Any) -> Iterator[Any]:
    """The application of Starlette, by each of uvicorn's two parsers."""
    library(request.param)
    with serving(*command("applications:site", f"--http={request.param}"), saying=SAYS) as service:
        yield service


def command(application: str, *options: str) -> tuple[str, ...]:
    return (
        "uvicorn",
        "--loop=netcore.aio:new_event_loop",
        "--port=0",
        "--no-access-log",
        *options,
        application,
    )


def curl(*arguments: str) -> str:
    done = subprocess.run(
        [program("curl"), "--silent", "--show-error", "--fail", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def connect(address: str) -> socket.socket:
    host, _, port = address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT)


def test_a_plain_application(serving: Any) -> None:
    with serving(*command("applications:plain"), saying=SAYS) as service:
        assert curl(service.address) == f"{LOOP} 0"
        assert curl("--data", "x" * 70_000, service.address) == f"{LOOP} 70000"
        service.stop()


def test_requests_of_a_connection_that_is_kept(site: Any) -> None:
    said = curl("--write-out", " %{num_connects}\n", *[f"{site.address}/loop"] * 3)
    assert said.splitlines() == [f"{LOOP} 1", f"{LOOP} 0", f"{LOOP} 0"]


def test_a_chunked_request(site: Any, tmp_path: Path) -> None:
    body = bytes(range(256)) * 5000
    path = tmp_path / "body"
    path.write_bytes(body)
    upload = ("--header", "Transfer-Encoding: chunked", "--header", "Expect:", "--data-binary", f"@{path}")
    assert curl(*upload, f"{site.address}/digest") == f"{len(body)} {sum(body)}"


def test_a_chunked_answer(site: Any) -> None:
    said = curl("--include", f"{site.address}/numbers/2000")
    head, _, body = said.replace("\r\n", "\n").partition("\n\n")
    assert "transfer-encoding: chunked" in head.lower()
    assert body.split() == [str(number) for number in range(2000)]


def test_an_answer_larger_than_the_kernel_takes_at_once(site: Any, tmp_path: Path) -> None:
    path = tmp_path / "answer"
    curl("--output", str(path), f"{site.address}/large/30000000")
    assert path.read_bytes() == b"x" * 30_000_000


def test_threads(site: Any) -> None:
    assert curl(f"{site.address}/thread") == "from a thread"


def test_a_client_that_goes_away_harms_nobody(site: Any) -> None:
    for _ in range(20):
        with connect(site.address) as client:
            client.sendall(b"GET /large/5000000 HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.recv(1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert curl(f"{site.address}/loop") == LOOP


def test_the_lifespan_and_an_orderly_end(site: Any) -> None:
    with connect(site.address) as client, client.makefile("rb") as answer:
        client.sendall(b"POST /slow HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nab")
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        while answer.readline().strip() != b"begun":
            pass
        site.process.terminate()
        await_refusal(site.address)
        assert site.process.poll() is None
        client.sendall(b"cd")
        rest = answer.read()  # up to the end of the connection
    assert b"ended\n" in rest
    said = site.wait()
    assert f"lifespan begins on {LOOP}" in said
    assert "lifespan ends" in said


def await_refusal(address: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        while True:
            with contextlib.suppress(ConnectionResetError):  # of one that was waiting in the backlog
                connect(address).close()


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
def test_websockets(serving: Any, on_loop: Callable[[Any], None], implementation: str) -> None:
    library(implementation.partition("-")[0])

    async def talk(address: str) -> None:
        async with websockets.connect(f"ws://{address.removeprefix('http://')}/echo", max_size=None) as peer:
            await peer.send("loop")
            assert await peer.recv() == f"{LOOP}: loop"
            for size in (0, 1, 126, 70_000, 900_000):
                await peer.send("ü" * size)
                assert await peer.recv() == "ü" * size
            await asyncio.wait_for(await peer.ping(), TIMEOUT)

    with serving(*command("applications:site", f"--ws={implementation}"), saying=SAYS) as service:
        on_loop(talk(service.address))
        assert "the websocket has ended" in service.stop()


@pytest.mark.parametrize("application", ["plain", "site"])
def test_many_clients_at_once(serving: Any, application: str) -> None:
    wrk = program("wrk")
    with serving(*command(f"applications:{application}", "--log-level=info"), saying=SAYS) as service:
        done = subprocess.run(
            [wrk, "-t", "1", "-c", "40", "-d", "1", f"{service.address}/loop"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        assert " requests in " in done.stdout
        assert " 0 requests in " not in done.stdout
        assert "Non-2xx" not in done.stdout, done.stdout
        assert "Socket errors" not in done.stdout, done.stdout
        service.stop()


def test_workers_have_a_loop_each(serving: Any) -> None:
    with serving(*command("applications:site", "--workers=2"), saying=SAYS) as service:
        assert (
            curl("--retry", "20", "--retry-connrefused", "--retry-delay", "1", f"{service.address}/loop")
            == LOOP
        )
        service.stop()


def test_a_unix_socket(serving: Any, tmp_path: Path) -> None:
    path = tmp_path / "u"
    listening = ("uvicorn", "--loop=netcore.aio:new_event_loop", f"--uds={path}", "applications:site")
    with serving(*listening, saying="Uvicorn running on unix socket ") as service:
        assert curl("--unix-socket", str(path), "http://here/loop") == LOOP
        service.stop()


def test_a_server_within_a_program(on_loop: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from applications import site as application

    async def serve_and_ask() -> None:
        server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        answer = await asyncio.to_thread(curl, f"http://127.0.0.1:{port}/loop")
        assert answer == LOOP
        server.should_exit = True
        await serving

    on_loop(serve_and_ask())
