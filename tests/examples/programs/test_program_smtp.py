"""The SMTP example, with smtplib, openssl and swaks."""

from __future__ import annotations

import shlex
import smtplib
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from netcore.tls import client_context

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.clients

TEXT = b"Subject: hello\r\n\r\n.a line that begins with a dot\r\n" + b"x" * 500 + b"\r\n"


@pytest.fixture
def smtp(client, start, pki):
    files = ["--tls-certificate", str(pki.path("server.pem")), "--tls-key", str(pki.path("server.key"))]
    return start("smtp_starttls", *files, "--name", "mail.example", "--loops", "2")


@pytest.fixture
def connect(smtp):
    """Connects a client of Python's."""
    clients = []

    def make() -> smtplib.SMTP:
        host, port = smtp.host_and_port
        clients.append(smtplib.SMTP(host, int(port), local_hostname="me.example", timeout=30))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def send(client: smtplib.SMTP) -> None:
    assert client.sendmail("a@x.example", ["b@y.example", "c@y.example"], TEXT) == {}


def printed(program) -> str:
    return program.process.stdout.readline().rstrip("\n")


def test_in_plain_and_by_tls(smtp, connect, pki) -> None:
    client = connect()
    assert client.ehlo()[1].startswith(b"mail.example")
    send(client)
    client.starttls(context=client_context(pki.ca))
    assert client.sock.version() == "TLSv1.3"
    send(client)
    assert client.quit()[0] == 221
    for how in ("in plain", "by TLS"):
        assert printed(smtp) == (
            f"from 'a@x.example' to 'b@y.example, c@y.example': {len(TEXT)} bytes, {how}"
        )


def test_what_was_said_before_starttls_is_forgotten(connect, pki) -> None:
    client = connect()
    client.ehlo()
    assert client.mail("a@x.example")[0] == 250
    client.starttls(context=client_context(pki.ca))
    assert client.docmd("RCPT TO:<b@y.example>")[0] == 503
    assert client.docmd("MAIL FROM:<a@x.example>")[0] == 503  # nor has it said EHLO
    assert client.docmd("STARTTLS")[0] == 503
    client.ehlo()
    assert not client.has_extn("starttls")
    send(client)


def test_a_certificate_that_the_client_refuses(smtp, connect, tmp_path: Path) -> None:
    client = connect()
    with pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=client_context())
    send(connect())  # others go on


@pytest.mark.parametrize(
    "said",
    [
        b"STARTTLS\r\nMAIL FROM:<injected@x.example>\r\n",
        b"EHLO me\r\nSTARTTLS\r\nEHLO me\r\nMAIL FROM:<injected@x.example>\r\n",
        b"STARTTLS\r\nMAIL",
        b"STARTTLS\r\n\x16\x03\x01",  # one in a hurry gets the same: he cannot be told from others
    ],
)
def test_commands_behind_starttls_are_refused(smtp, connect, said: bytes) -> None:
    host, port = smtp.host_and_port
    with socket.create_connection((host, int(port)), timeout=30) as sock, sock.makefile("rb") as file:
        assert file.readline() == b"220 mail.example ESMTP\r\n"
        sock.sendall(said)
        answers = []
        with suppress(ConnectionResetError):
            answers += iter(file.readline, b"")
    assert not [line for line in answers if line.startswith((b"250 2.1.0", b"503"))]
    assert all(line[0] in b"25" for line in answers), "a handshake was begun"
    send(connect())


def test_lines(smtp) -> None:
    host, port = smtp.host_and_port
    for said, answer in ((b"NOOP\nNOOP\r\n", b"550 5.5.2"), (b"x" * 5000, b"500 5.5.2")):
        with socket.create_connection((host, int(port)), timeout=30) as sock, sock.makefile("rb") as file:
            assert file.readline() == b"220 mail.example ESMTP\r\n"
            sock.sendall(said)
            assert file.readline().startswith(answer)
            assert file.read() == b""


@pytest.fixture
def openssl(client) -> str:
    return client("openssl")


def test_without_arguments_it_says_how_to_talk_to_it(openssl: str, start) -> None:
    program = start("smtp_starttls")
    command = shlex.split(printed(program).partition("talk to it: ")[2])
    assert command[0] == "openssl"
    with subprocess.Popen(
        [*command, "-verify_return_error"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"EHLO me\r\nQUIT\r\n")
        process.stdin.flush()
        said = process.stdout.read().decode()
    assert "250-localhost" in said and "STARTTLS" not in said.partition("250-localhost")[2]
    assert "221 2.0.0" in said


def test_swaks(client, smtp) -> None:
    host, port = smtp.host_and_port
    command = [client("swaks"), "--server", f"{host}:{port}", "--tls", "--ehlo", "me.example"]
    command += ["--from", "a@x.example", "--to", "b@y.example", "--body", "hello"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    line = printed(smtp)
    assert line.startswith("from 'a@x.example' to 'b@y.example': ") and line.endswith(", by TLS")


def test_it_can_insist(start, pki) -> None:
    files = ["--tls-certificate", str(pki.path("server.pem")), "--tls-key", str(pki.path("server.key"))]
    host, port = start("smtp_starttls", *files, "--needs-tls").host_and_port
    with smtplib.SMTP(host, int(port), local_hostname="me.example", timeout=30) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
            send(client)
        client.starttls(context=client_context(pki.ca))
        send(client)


def test_mistakes() -> None:
    command = [sys.executable, str(ROOT / "examples" / "smtp_starttls.py"), "--tls-certificate", "absent.pem"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "smtp: [Errno 2] No such file or directory: 'absent.pem'\n",
    )
