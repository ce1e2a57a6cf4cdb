"""The Redis example over real sockets, with real clients."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import netcore

pytest.importorskip("hiredis")
pytest.importorskip("redis")

import redis

from examples.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.clients


@pytest.fixture(params=[1, 2], ids=["one loop", "two loops"])
def engine(request: pytest.FixtureRequest) -> Iterator[netcore.Engine]:
    with netcore.Engine(Redis(), "tcp://127.0.0.1:0", num_event_loops=request.param) as engine:
        yield engine


@pytest.fixture
def port(engine: netcore.Engine) -> int:
    return engine.addresses[0].port


@pytest.fixture
def client(port: int) -> Iterator[Any]:
    with redis.Redis(port=port, decode_responses=True) as client:
        yield client


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def cli(port: int) -> Callable[..., str]:
    path = program("redis-cli")

    def run(*arguments: str) -> str:
        command = [path, "-p", str(port), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    return run


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# redis-py


def test_every_type(client: Any) -> None:
    client.set("s", "wert ü", ex=100)
    assert client.get("s") == "wert ü"
    assert 60 <= client.ttl("s") <= 100
    client.rpush("l", *range(10))
    assert client.lrange("l", -3, -1) == ["7", "8", "9"]
    client.sadd("set", "a", "b")
    assert client.smembers("set") == {"a", "b"}
    client.hset("h", mapping={"a": "1", "b": "2"})
    assert client.hgetall("h") == {"a": "1", "b": "2"}
    client.zadd("z", {"a": 1.5, "b": -1})
    assert client.zrange("z", 0, -1, withscores=True) in (
        [("b", -1.0), ("a", 1.5)],
        [["b", -1.0], ["a", 1.5]],
    )
    assert sorted(client.scan_iter(count=2)) == ["h", "l", "s", "set", "z"]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.incr("l")


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_protocols(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol, client_name="me", decode_responses=True) as client:
        assert client.client_getname() == "me"
        assert client.zadd("z", {"m": 0.5}) == 1
        assert client.zscore("z", "m") == 0.5
        assert client.info("server")["redis_version"].startswith("7.")
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.client_info()["resp"] in (protocol, str(protocol))


def test_pipelines_and_large_values(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"k{number}", number)
            pipe.get(f"k{number}")
        replies = pipe.execute()
    assert replies[1::2] == [str(number) for number in range(5000)]
    large = "x" * (5 << 20)
    client.set("large", large)
    assert client.get("large") == large


def test_increments_from_many_connections_all_count(port: int) -> None:
    def count() -> None:
        with redis.Redis(port=port) as own, own.pipeline(transaction=False) as pipe:
            for _ in range(10):
                for _ in range(50):
                    pipe.incr("n")
                    pipe.rpush("l", "x")
                pipe.execute()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with redis.Redis(port=port) as client:
        assert (client.get("n"), client.llen("l")) == (b"4000", 4000)


def test_keys_expire_without_being_asked_for(client: Any) -> None:
    for number in range(100):
        client.set(number, "v", px=20)
    eventually(lambda: client.dbsize() == 0)


def test_connections_are_counted(engine: netcore.Engine, client: Any, port: int) -> None:
    client.ping()
    with redis.Redis(port=port) as another:
        another.ping()
        assert client.info("clients")["connected_clients"] == 2
        assert {entry["addr"].split(":")[0] for entry in client.client_list()} == {"127.0.0.1"}
    eventually(lambda: client.info("clients")["connected_clients"] == 1)
    assert client.info("server")["tcp_port"] == port


# Plain sockets


def receive(sock: socket.socket) -> bytes:
    data = bytearray()
    while more := sock.recv(1 << 16):
        data += more
    return bytes(data)


def test_a_malformed_request_is_answered_and_the_connection_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(b"*1\r\n$4\r\nPING\r\n*1\r\n:5\r\n")
        assert receive(sock) == b"+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"


def test_quit_is_answered_and_the_connection_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(b"QUIT\r\n")
        assert receive(sock) == b"+OK\r\n"


def test_a_client_that_asks_for_more_than_it_reads(port: int, client: Any) -> None:
    """Its requests wait until it has read, so more than ``max_outbound`` of replies are no problem."""
    size, count = 1 << 18, 400
    client.set("k", "x" * size)
    reply = b"$%d\r\n%b\r\n" % (size, b"x" * size)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock, sock.makefile("rb") as replies:
        sock.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" * count)
        sock.shutdown(socket.SHUT_WR)
        for _ in range(count):
            client.ping()  # a turn of the loop, in which it could execute the next requests
        assert client.info("stats")["keyspace_hits"] < count
        for _ in range(count):
            assert replies.read(len(reply)) == reply
        assert replies.read() == b""


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with netcore.Engine(Redis(), f"unix://{path}"), redis.Redis(unix_socket_path=str(path)) as client:
        assert client.ping()
        assert client.client_info()["laddr"] == f"{path}:0"


# redis-cli and redis-benchmark


def test_redis_cli(cli: Callable[..., str], client: Any) -> None:
    assert cli("ping") == "PONG\n"
    client.mset({f"key:{number}": "v" for number in range(300)})
    assert len(set(cli("--scan").split())) == 300
    assert len(set(cli("--scan", "--pattern", "key:1*").split())) == 111
    client.hset("h", mapping={"f": "v"})
    assert cli("-3", "hgetall", "h") == "f v\n"
    assert "redis_version:7." in cli("info")
    assert "Keys:" not in cli("--bigkeys")
    assert "Biggest string found" in cli("--bigkeys")
    assert "Biggest string found" in cli("--memkeys")
    assert cli("nosuch").startswith("ERR unknown command 'nosuch'")


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals")
def test_redis_cli_in_a_terminal(port: int) -> None:
    """It asks for the commands' descriptions first, for its hints and its help."""
    import pty

    path = program("redis-cli")
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "HOME": os.devnull}
    with subprocess.Popen([path, "-p", str(port)], stdin=theirs, stdout=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, b"help getex\nset greeting hello\nget greeting\nquit\n")
        shown = b""
        with contextlib.suppress(OSError):  # Linux tells the end of a terminal so
            while more := os.read(ours, 1 << 16):
                shown += more
        assert process.wait(30) == 0
    os.close(ours)
    shown = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert b"GETEX key [EX seconds" in shown
    assert b"since: 6.2.0" in shown
    assert b'"hello"' in shown


@pytest.mark.parametrize("options", [("-n", "1000"), ("-n", "4000", "-P", "16", "-r", "100", "-3")])
def test_redis_benchmark(port: int, options: tuple[str, ...]) -> None:
    command = [program("redis-benchmark"), "-p", str(port), *options, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    output = done.stdout + done.stderr
    assert len(set(re.findall(r"([A-Z_0-9]+)[^\r\n:]*: [\d.]+ requests per second", output))) >= 18
    assert "ERR" not in output
    assert "WARNING" not in output


# The program


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent SIGTERM")
@pytest.mark.parametrize(
    "command",
    [
        [str(ROOT / "examples" / "redis.py"), "tcp://127.0.0.1:0"],
        ["-m", "examples.redis", "tcp://127.0.0.1:0", "--loops", "2"],
        ["-m", "netcore", "run", "examples.redis:Redis", "tcp://127.0.0.1:0"],
    ],
    ids=["script", "module", "netcore run"],
)
def test_it_serves_until_it_is_stopped(command: list[str]) -> None:
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("redis on ")
            with redis.Redis(port=netcore.Address.parse(line.split()[2]).port) as client:
                assert client.ping()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_a_wrong_address_is_one_line() -> None:
    command = [sys.executable, "-m", "examples.redis", "6380"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("redis: ")
