"""The example of an ASGI application, with curl as its client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from needed import library

pytestmark = pytest.mark.clients

library("uvicorn")

TIMEOUT = 30


def test_it_says_hello_on_the_loop_of_netcore(client, start) -> None:
    said = curl(client("curl"), f"{start('asgi').url}/hello")
    assert said == b"hello from netcore.aio.loop\n"


def test_what_is_posted_comes_back_while_it_is_sent(client, start, tmp_path: Path) -> None:
    body = bytes(range(256)) * 20_000
    (tmp_path / "body").write_bytes(body)
    chunked = ("--header", "Transfer-Encoding: chunked", "--header", "Expect:")
    for options in ((), chunked):
        sending = (*options, "--data-binary", f"@{tmp_path / 'body'}")
        assert curl(client("curl"), *sending, f"{start('asgi').url}/echo") == body


def test_anything_else_is_not_there(client, start) -> None:
    asked = ("--output", "/dev/null", "--write-out", "%{http_code}", "--request", "PUT")
    assert curl(client("curl"), *asked, f"{start('asgi').url}/hello") == b"404"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "nonsense"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    program = Path(__file__).resolve().parents[3] / "examples" / "asgi.py"
    done = subprocess.run(
        [sys.executable, str(program), address], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 1
    assert done.stderr.startswith("asgi: ")
    assert "Traceback" not in done.stderr


def curl(program: str, *arguments: str) -> bytes:
    command = [program, "--silent", "--show-error", *arguments]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True).stdout
