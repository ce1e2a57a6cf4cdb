"""The HTTP example, with curl, nc and wrk."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the HTTP example needs httptools")

pytestmark = pytest.mark.clients

Curl = Callable[..., bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "public"
    root.mkdir()
    (root / "index.html").write_text("<h1>index</h1>\n")
    (root / "large.bin").write_bytes(os.urandom(3_000_000))
    (tmp_path / "secret").write_text("secret")
    return root


@pytest.fixture
def http(start, root: Path):
    return start("http_server", "--root", str(root), "--loops", "2", "--max-body", "1000000")


# The clients come before the server in the tests' arguments: without the one the other need not start.
@pytest.fixture
def curl_path(client) -> str:
    return client("curl")


@pytest.fixture
def nc_path(client) -> str:
    return client("nc")


@pytest.fixture
def wrk_path(client) -> str:
    return client("wrk")


@pytest.fixture
def curl(curl_path: str, http) -> Curl:
    """Runs curl on paths of the server and returns what it prints."""

    def run(*arguments: str, data: bytes = b"") -> bytes:
        urls = [f"{http.url}{text}" if text.startswith("/") else text for text in arguments]
        command = [curl_path, "--silent", "--show-error", "--max-time", "30", "--path-as-is", *urls]
        return subprocess.run(command, input=data, capture_output=True, timeout=60, check=True).stdout

    return run


def status(curl: Curl, *arguments: str) -> int:
    """The status of the last response."""
    return int(curl("--write-out", "%{http_code}", *arguments)[-3:])


def test_a_connection_is_kept_for_the_next_request(curl: Curl) -> None:
    printed = curl("--write-out", "%{http_code} %{num_connects}\n", "/hello", "/none", "/hello")
    assert printed == b"hello\n200 1\n404 Not Found\n404 0\nhello\n200 0\n"


def test_http_1_0_closes_unless_it_is_asked_not_to(curl: Curl) -> None:
    printed = curl("--http1.0", "--write-out", "%{num_connects}\n", "/hello", "/hello")
    assert printed == b"hello\n1\nhello\n1\n"
    kept = curl(
        "--http1.0", "-HConnection: keep-alive", "--write-out", "%{num_connects}\n", "/hello", "/hello"
    )
    assert kept == b"hello\n1\nhello\n0\n"


def test_head_has_the_headers_of_get_and_no_body(curl: Curl) -> None:
    def headers(*arguments: str) -> list[bytes]:
        printed = curl("--include", *arguments).partition(b"\r\n\r\n")[0]
        return [line for line in printed.split(b"\r\n") if not line.startswith(b"Date: ")]

    for path, size in [("/hello", 6), ("/large.bin", 3_000_000), ("/none", 14)]:
        assert headers("--head", path) == headers(path)
        assert b"Content-Length: %d" % size in headers("--head", path)
    printed = curl("--head", "--write-out", "%{num_connects}", "/large.bin", "/hello")
    assert printed.endswith(b"\r\n\r\n0"), "a body would have been taken for the next response"


@pytest.mark.parametrize("size", [0, 1, 5000, 1_000_000])
@pytest.mark.parametrize("framing", ["", "-HTransfer-Encoding: chunked"])
def test_a_body_comes_back(curl: Curl, size: int, framing: str) -> None:
    body = os.urandom(size)
    options = [framing] if framing else []
    assert curl(*options, "--data-binary", "@-", "/echo", data=body) == body


def test_a_client_that_waits_for_leave_to_send_gets_it(curl_path, http) -> None:
    command = [curl_path, "--verbose", "--silent", "--expect100-timeout", "60", "--max-time", "30"]
    done = subprocess.run(
        [*command, "-HExpect: 100-continue", "--data-binary", "x" * 2000, f"{http.url}/echo"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"< HTTP/1.1 100 Continue" in done.stderr
    assert done.stdout == b"x" * 2000


@pytest.mark.parametrize("framing", ["", "-HTransfer-Encoding: chunked", "-HExpect: 100-continue"])
def test_a_body_that_is_too_large(curl: Curl, framing: str) -> None:
    options = [framing] if framing else ["-HExpect:"]
    printed = curl(*options, "--data-binary", "@-", "/echo", data=bytes(1_000_001))
    assert printed.startswith(b"413 ")  # whose phrase has changed in the course of time


def test_a_head_that_is_too_large(curl: Curl) -> None:
    assert status(curl, "-HX: " + "y" * 20000, "/hello") == 431
    assert status(curl, "-HX: " + "y" * 15000, "/hello") == 200


def test_methods_that_are_not_allowed(curl: Curl) -> None:
    assert b"\r\nAllow: GET, HEAD\r\n" in curl("--include", "--request", "DELETE", "/index.html")
    assert status(curl, "--request", "PUT", "/hello") == 405
    assert status(curl, "/echo") == 405


def test_files(curl: Curl, root: Path) -> None:
    assert curl("/large.bin") == (root / "large.bin").read_bytes()
    printed = curl("--include", "/")
    assert printed.endswith(b"<h1>index</h1>\n")
    assert b"\r\nContent-Type: text/html\r\n" in printed


def test_a_file_that_is_larger_than_what_may_wait(curl: Curl, root: Path) -> None:
    size = 100 << 20  # Options.max_outbound is 64 MiB
    (root / "sparse.bin").touch()
    os.truncate(root / "sparse.bin", size)
    printed = curl(f"-o{os.devnull}", "--write-out", "%{http_code} %{size_download}", "/sparse.bin")
    assert printed.decode() == f"200 {size}"


@pytest.mark.wine("no error of a receive after a reset")
def test_a_file_that_shrinks_while_it_is_sent_does_not_look_complete(http, root: Path) -> None:
    os.truncate(root / "large.bin", 64 << 20)
    with socket.create_connection((http.addresses[0].host, http.addresses[0].port), timeout=30) as sock:
        sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        with sock.makefile("rb") as answers:
            while answers.readline() != b"\r\n":
                pass
            os.truncate(root / "large.bin", 100)
            with pytest.raises(ConnectionResetError):
                while answers.read(1 << 20):
                    pass


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/..%2fsecret", "/x/../../secret"])
def test_nothing_outside_the_root(curl: Curl, path: str) -> None:
    assert curl(path) == b"404 Not Found\n"


def test_an_upgrade_is_not_taken_up(curl: Curl) -> None:
    assert curl("--http2", "/hello") == b"hello\n"


def ask(nc_path, http, request: bytes) -> bytes:
    """Sends bytes as they are and returns the whole answer."""
    command = [nc_path, "-N", *http.host_and_port]
    return subprocess.run(command, input=request, capture_output=True, timeout=60, check=True).stdout


def test_requests_sent_at_once_are_answered_in_their_order(nc_path, http, root: Path) -> None:
    answer = ask(
        nc_path,
        http,
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
        b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    parts = re.split(rb"HTTP/1\.1 (\d+) [\w ]+\r\n(?:[\w-]+: [^\r]*\r\n)+\r\n", answer)
    assert parts[1::2] == [b"200", b"200", b"200", b"404"]
    assert parts[2::2] == [b"hello\n", b"body", (root / "large.bin").read_bytes(), b"404 Not Found\n"]


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"hello?\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_garbage(nc_path, http, garbage: bytes) -> None:
    answer = ask(nc_path, http, garbage)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1


def test_who_does_not_read_is_not_read_from_either(http, root: Path) -> None:
    """Many requests for a large file, and nobody to take the answers: they must not all be made at once."""
    content = (root / "large.bin").read_bytes()
    with socket.create_connection((http.addresses[0].host, http.addresses[0].port), timeout=30) as sock:
        requests = b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 60
        sock.sendall(requests)
        sock.settimeout(0.2)
        more = 0
        with pytest.raises(TimeoutError):
            while more < 64 << 20:  # reading has stopped, so TCP fills up
                more += sock.send(b"\r\n" * 65536)
        sock.settimeout(30)
        with sock.makefile("rb") as answers:
            for _ in range(60):
                while answers.readline() != b"\r\n":
                    pass
                assert answers.read(len(content)) == content
    if sys.platform == "linux":
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{http.process.pid}/status").read_text())
        assert peak is not None and int(peak[1]) < 150_000


def test_who_says_nothing_is_let_go(start, nc_path) -> None:
    http = start("http_server", "--idle-timeout", "0.1")
    command = [nc_path, *http.host_and_port]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    assert done.stdout == b""


def test_wrk_finds_no_fault(wrk_path, http) -> None:
    command = [wrk_path, "-t1", "-c40", "-d1s", "--timeout", "30s", f"{http.url}/hello"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Socket errors" not in printed and "Non-2xx" not in printed, printed
    found = re.search(r"(\d+) requests in", printed)
    assert found is not None and int(found[1]) > 0, printed


def test_a_root_that_is_none_is_one_line(tmp_path: Path) -> None:
    program = Path(__file__).resolve().parents[3] / "examples" / "http_server.py"
    command = [sys.executable, str(program), "--root", str(tmp_path / "missing")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"http: '.*missing' is no directory\n", done.stderr)


def test_the_command_line_finds_it() -> None:
    from netcore._loading import load_handler

    assert type(load_handler("examples.http_server:HttpServer")).__name__ == "HttpServer"
