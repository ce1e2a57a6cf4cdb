"""The HTTP example with TLS, with curl."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the HTTP example needs httptools")

pytestmark = pytest.mark.clients

Curl = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def files(pki) -> list[str]:
    return ["--tls-certificate", str(pki.path("server.pem")), "--tls-key", str(pki.path("server.key"))]


@pytest.fixture
def curl(client, pki) -> Curl:
    """Runs curl, which trusts the authority of the tests."""
    path = client("curl")

    def run(*arguments: str, data: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [path, "--silent", "--show-error", "--max-time", "30", "--cacert", str(pki.ca), *arguments]
        return subprocess.run(command, input=data, capture_output=True, timeout=60, check=check)

    return run


@pytest.fixture
def https(curl: Curl, start, files: list[str], tmp_path: Path):
    (tmp_path / "large.bin").write_bytes(os.urandom(3_000_000))
    return start("http_server", *files, "--root", str(tmp_path), "--loops", "2", address="tls://127.0.0.1:0")


def test_http_1_1_is_agreed_on_by_alpn(curl: Curl, https) -> None:
    done = curl("--verbose", f"{https.url}/hello")
    assert done.stdout == b"hello\n"
    assert re.search(r"ALPN[:,] server accepted (to use )?http/1\.1", done.stderr.decode())
    assert b"SSL certificate verify ok" in done.stderr


def test_files_and_bodies(curl: Curl, https, tmp_path: Path) -> None:
    large = (tmp_path / "large.bin").read_bytes()
    assert curl(f"{https.url}/large.bin").stdout == large
    body = large[: 1 << 20]
    assert curl("--data-binary", "@-", f"{https.url}/echo", data=body).stdout == body


def test_a_connection_serves_several_requests(curl: Curl, https) -> None:
    url = f"{https.url}/hello"
    done = curl("--write-out", "%{num_connects} %{http_version}\n", url, url, url)
    assert done.stdout == b"hello\n1 1.1\n" + 2 * b"hello\n0 1.1\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_both_versions(curl: Curl, https, version: str) -> None:
    done = curl(f"--tlsv{version}", "--tls-max", version, f"{https.url}/hello")
    assert done.stdout == b"hello\n"


def test_what_is_not_served(curl: Curl, https) -> None:
    plain = https.url.replace("https:", "http:")
    assert curl(f"{plain}/hello", check=False).returncode != 0
    strange = curl(
        "--resolve",
        f"other.example:{https.addresses[0].port}:127.0.0.1",
        f"https://other.example:{https.addresses[0].port}/hello",
        check=False,
    )
    assert strange.returncode == 60  # the certificate is for somebody else
    assert curl(f"{https.url}/hello").stdout == b"hello\n"


def test_on_netcores_own_command_line(curl: Curl, files: list[str]) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "netcore", "run", "examples.http_server:HttpServer", "tls://127.0.0.1:0"]
    command += [*files, "--tls-alpn", "http/1.1"]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip().rpartition(":")[2]
            done = curl("--write-out", "%{http_version}", f"https://127.0.0.1:{port}/hello")
            assert done.stdout == b"hello\n1.1"
        finally:
            process.kill()


def test_an_address_without_a_certificate_and_the_other_way_round(files: list[str]) -> None:
    root = Path(__file__).resolve().parents[3]
    program = [sys.executable, str(root / "examples" / "http_server.py")]
    for arguments in (["tls://127.0.0.1:0"], ["tcp://127.0.0.1:0", *files]):
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        complaint = "http: tls:// addresses and --tls-certificate need each other\n"
        assert (done.returncode, done.stderr) == (1, complaint)
