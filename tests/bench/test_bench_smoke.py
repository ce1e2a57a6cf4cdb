"""The benchmark runs and its load generator notices a broken server; nothing here asserts on time."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
COMPILER = os.environ.get("CC") or "cc"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark needs Linux"),
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C compiler: {COMPILER} is not on PATH"),
]


def run_bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


SHORT = ("--rounds", "2", "--seconds", "0.2", "--warmup", "0.05", "--connections", "5", "--seed", "7")


def test_every_peer_is_measured_or_reported_missing(tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    done = run_bench("--peers", "c-epoll,asyncio,netcore", *SHORT, "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert result["settings"]["connections"] == 5
    assert result["machine"].keys() >= {"kernel", "cpu", "python"}
    assert list(result["peers"]) == ["c-epoll", "asyncio", "netcore"]
    for name, peer in result["peers"].items():
        assert f"| {name}" in done.stdout
        if name == "netcore" and peer["status"] == "missing":
            assert peer["reason"] in done.stdout
            continue
        assert peer["status"] == "measured"
        assert [sample["round"] for sample in peer["rounds"]] == [1, 2]
        assert all(sample["messages"] > 0 for sample in peer["rounds"])
        assert peer["median"]["p50_us"] <= peer["median"]["p99_us"] <= peer["median"]["p999_us"]
        spread = peer["ratio"]["messages_per_second"]
        assert spread["min"] <= spread["median"] <= spread["max"]
    assert result["peers"]["c-epoll"]["ratio"]["messages_per_second"]["median"] == 1


def test_messages_larger_than_socket_buffers_with_several_under_way() -> None:
    done = run_bench("--peers", "c-epoll", *SHORT, "--size", "3000000", "--depth", "3")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_peer_is_reported(tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    arguments = ("--peers", "c-epoll,uvloop", "--python", str(tmp_path / "none"))
    done = run_bench(*arguments, *SHORT, "--json", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    peer = json.loads(output.read_text())["peers"]["uvloop"]
    assert peer["status"] == "missing"
    assert "No such file" in peer["reason"]
    assert "| uvloop (missing) |" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["--peers", "nobody"], ["--peers", "asyncio", "--baseline", "uvloop"], ["--rounds", "0"]]
)
def test_wrong_arguments_end_with_status_2(arguments: list[str]) -> None:
    assert run_bench(*arguments).returncode == 2


@pytest.fixture(scope="module")
def load_stream() -> str:
    code = "from bench import toolchain; print(toolchain.binary('load_stream.c'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def serving_one(reply: Callable[[bytes], bytes]) -> Iterator[int]:
    """Serves one connection, answering what `reply` makes of each piece; b"" ends the connection."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while data := connection.recv(65536):
                    if not (answer := reply(data)):
                        return
                    connection.sendall(answer)
            except ConnectionError:
                pass  # the load generator has had enough

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("reply", "errors", "complaint"),
    [
        (lambda data: data, 0, ""),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), 1, "other bytes"),
        (lambda data: data[1:] + data[:1], 1, "other bytes"),
        (lambda data: data + data, 1, "more bytes"),
        (lambda data: b"", 1, "closed by the server"),
    ],
    ids=["echo", "one bit off", "shifted", "twice", "closed"],
)
def test_load_generator_tells_a_broken_server(
    load_stream: str, reply: Callable[[bytes], bytes], errors: int, complaint: str
) -> None:
    with serving_one(reply) as port:
        done = subprocess.run(
            [load_stream, "127.0.0.1", str(port), "1", "64", "1", "0", "0.2"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    answer = json.loads(done.stdout)
    assert answer["errors"] == errors
    assert (answer["messages"] > 0) == (errors == 0)
    assert complaint in done.stderr
