"""An admin server as real clients see it: curl."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

pytest.importorskip("h11", reason="h11 is not installed")

pytestmark = pytest.mark.clients


@pytest.fixture
def curl():
    path = shutil.which("curl")
    if path is None:
        pytest.skip("curl is not installed")

    def run(*arguments):
        command = [path, "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


def test_one_connection_serves_several_requests(open_server, curl):
    base = f"http://127.0.0.1:{open_server().address.port}"
    paths = [f"{base}/{path}" for path in ("ready", "health", "metrics")]
    wanted = ["--write-out", "%{http_code} %{num_connects}\n", "--output", "/dev/null"]
    command = [part for path in paths for part in (*wanted, path)]
    assert curl(*command) == "200 1\n200 0\n200 0\n"


def test_only_the_headers(open_server, curl):
    said = curl("--head", f"http://localhost:{open_server('tcp://localhost:0').address.port}/metrics")
    assert said.startswith("HTTP/1.1 200 OK\n")
    assert "Content-Type: text/plain; version=0.0.4" in said


@pytest.mark.unix_sockets
def test_by_a_unix_socket(open_server, source, tmp_path, curl):
    source.shown = {"connections": [], "total": 3}
    path = tmp_path / "admin"
    open_server(f"unix://{path}")
    assert json.loads(curl("--unix-socket", str(path), "http://localhost/connections.json")) == source.shown


def test_a_large_request_and_a_body(open_server, source, curl):
    url = f"http://127.0.0.1:{open_server().address.port}/"
    code = ["--write-out", "%{http_code}", "--output", "/dev/null"]
    assert curl(*code, "--data", "x" * 100_000, url) == "405"
    assert curl(*code, "--request", "GET", "--data", "x" * 100_000, url) == "413"
    assert curl(*code, "--header", "X: " + "x" * 50_000, url) == "431"
    assert curl(*code, "--header", "Host: evil.example", url) == "421"
    assert source.asked == 0
