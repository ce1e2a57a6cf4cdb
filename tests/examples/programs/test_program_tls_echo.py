"""The echo example with TLS, with openssl and curl."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.clients


@pytest.fixture
def openssl(client) -> str:
    return client("openssl")


def s_client(command: list[str], said: bytes, expected: bytes) -> tuple[bytes, str]:
    """Talks until what is expected has come; returns the first line and what openssl has said of itself."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        process.stdin.write(said)
        process.stdin.flush()
        assert process.stdout.read(len(expected)) == expected
        process.kill()
        return first, process.stderr.read().decode()


def test_without_arguments_it_says_how_to_talk_to_it(openssl: str, start) -> None:
    program = start("tls_echo", "--loops", "2", address="tls://127.0.0.1:0")
    hint = program.process.stdout.readline()
    command = shlex.split(hint.partition("talk to it: ")[2])
    certificate = Path(command[-1])
    assert certificate.exists()
    if sys.platform != "win32":
        assert os.stat(certificate.parent).st_mode & 0o77 == 0, "others can read the key"
    first, complaints = s_client([*command, "-verify_return_error"], b"hello\n", b"hello\n")
    assert re.fullmatch(rb"TLSv1\.3, TLS_\w+\n", first)
    assert "verify error" not in complaints
    program.stop()
    assert not certificate.exists()


def test_with_a_certificate_and_its_key(openssl: str, start, pki) -> None:
    files = ["--tls-certificate", str(pki.path("server.pem")), "--tls-key", str(pki.path("server.key"))]
    program = start("tls_echo", *files, address="tls://127.0.0.1:0")
    command = [openssl, "s_client", "-quiet", "-tls1_2", "-CAfile", str(pki.ca), "-verify_return_error"]
    command += ["-verify_hostname", "server.example", "-connect", ":".join(program.host_and_port)]
    first, _ = s_client(command, bytes(100_000), bytes(100_000))
    assert first.startswith(b"TLSv1.2, ECDHE-")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tls-key", "key.pem"], "--tls-key needs --tls-certificate"),
        (["--tls-certificate", "absent.pem"], "tls echo: [Errno 2] No such file or directory: 'absent.pem'"),
        (["--tls-certificate", __file__], "there is no certificate in PEM form"),
        (["tcp://127.0.0.1:0"], "tls echo: tcp://127.0.0.1:0 is without TLS"),
    ],
)
def test_mistakes(arguments: list[str], complaint: str) -> None:
    command = [sys.executable, str(ROOT / "examples" / "tls_echo.py"), "tls://127.0.0.1:0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode
    assert complaint in done.stderr and "Traceback" not in done.stderr


def test_without_openssl(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "tls_echo.py"), "tls://127.0.0.1:0"]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stderr) == (
        1,
        "tls echo: there is no program openssl to make a certificate: name one by --tls-certificate\n",
    )


def test_a_self_signed_certificate_is_for_this_machine(openssl: str, tmp_path: Path) -> None:
    from examples.certificates import self_signed
    from netcore.tls import TlsFilter, client_context, server_context

    certificate = self_signed(tmp_path)
    assert list(tmp_path.iterdir()) == [certificate]
    for name, trusted in (("localhost", True), ("127.0.0.1", True), ("::1", True), ("other.example", False)):
        client = TlsFilter(client_context(certificate), server_side=False, server_hostname=name)
        server = TlsFilter(server_context(certificate), server_side=True)
        while not client.done and client.failure is None:
            server.feed(memoryview(client.output()))
            client.feed(memoryview(server.output()))
        assert client.done is trusted, client.failure
