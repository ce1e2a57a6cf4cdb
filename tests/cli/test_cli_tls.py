"""``netcore run`` with TLS: its files, what is wrong with them, and SIGHUP, which loads them again."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from netcore.tls import client_context

TLS_PORT = "tls://127.0.0.1:0"
ANY_PORT = "tcp://127.0.0.1:0"

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., AbstractContextManager[Any]]

hangup = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")

REPORT = """
import netcore

class Report(netcore.EventHandler):
    def on_boot(self, engine):
        options = engine.options
        print(EXPRESSION)
        return netcore.Action.SHUTDOWN
"""

APP = """
import netcore

class Echo(netcore.EventHandler):
    def on_traffic(self, conn):
        conn.write(conn.read())
"""


@pytest.fixture
def files(pki: Any, tmp_path: Path) -> Path:
    """A folder with certificates: ``cert.pem``, ``key.pem``, ``both.pem``, ``ca.pem`` and odd ones."""
    for source, name in (("server.pem", "cert.pem"), ("server.key", "key.pem"), ("other.key", "other.key")):
        shutil.copy(pki.path(source), tmp_path / name)
    shutil.copy(pki.ca, tmp_path / "ca.pem")
    shutil.copy(pki.encrypt("server"), tmp_path / "encrypted.key")
    (tmp_path / "both.pem").write_text(
        (tmp_path / "cert.pem").read_text() + (tmp_path / "key.pem").read_text()
    )
    (tmp_path / "words.txt").write_text("no certificate")
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", "options.tls is not None"))
    return tmp_path


def connect(pki: Any, server: Any, **options: Any) -> ssl.SSLSocket:
    return client_context(pki.ca, **options).wrap_socket(server.dial(), server_hostname="server.example")


def echo(sock: ssl.SSLSocket, data: bytes = b"hello") -> bytes:
    sock.sendall(data)
    return sock.recv(len(data))


@pytest.mark.parametrize(
    ("arguments", "expression", "expected"),
    [
        (
            ["--tls-certificate", "cert.pem", "--tls-key", "key.pem"],
            "options.tls.verify_mode.name",
            "CERT_NONE",
        ),
        (["--tls-certificate", "both.pem"], "options.tls is not None", "True"),
        (
            ["--tls-certificate", "both.pem", "--tls-client-ca", "ca.pem"],
            "options.tls.verify_mode.name",
            "REQUIRED",
        ),
        (
            ["--tls-certificate", "both.pem", "--tls-client-ca", "ca.pem", "--tls-client-optional"],
            "options.tls.verify_mode.name",
            "OPTIONAL",
        ),
    ],
)
def test_options_reach_the_engine(
    netcore_main: Command, files: Path, arguments: list[str], expression: str, expected: str
) -> None:
    (files / "app.py").write_text(REPORT.replace("EXPRESSION", expression))
    done = netcore_main("run", "app:Report", ANY_PORT, TLS_PORT, *arguments)
    assert (done.returncode, expected in done.stdout) == (0, True), done.stderr


BOTH = ("--tls-certificate", "both.pem")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([TLS_PORT], f"address '{TLS_PORT}': it needs --tls-certificate"),
        ([ANY_PORT, *BOTH], "--tls-certificate: no ADDRESS has TLS"),
        ([TLS_PORT, "--tls-key", "key.pem"], "--tls-key: it needs --tls-certificate"),
        ([TLS_PORT, "--tls-alpn", "h2"], "--tls-alpn: it needs --tls-certificate"),
        ([TLS_PORT, "--tls-client-ca", "ca.pem"], "--tls-client-ca: it needs --tls-certificate"),
        ([TLS_PORT, *BOTH, "--tls-client-optional"], "--tls-client-optional: it needs --tls-client-ca"),
        ([TLS_PORT, *BOTH, "--tls-alpn", "h2,,http/1.1"], "'h2,,http/1.1' is no list of names"),
        ([TLS_PORT, *BOTH, "--tls-alpn", "é"], "a protocol's name is text, 1 to 255 characters of ASCII"),
        ([TLS_PORT, "--tls-certificate", "absent.pem"], "absent.pem: No such file or directory"),
        pytest.param(
            [TLS_PORT, "--tls-certificate", "."], ".: Is a directory", marks=pytest.mark.posix
        ),  # elsewhere it is a refused permission
        ([TLS_PORT, *BOTH, "--tls-key", "absent.key"], "absent.key: No such file or directory"),
        ([TLS_PORT, "--tls-certificate", "words.txt"], "words.txt: there is no certificate in PEM form"),
        ([TLS_PORT, "--tls-certificate", "cert.pem"], "cert.pem: there is no private key in PEM form"),
        ([TLS_PORT, *BOTH, "--tls-key", "other.key"], "other.key: the private key is not that of the"),
        ([TLS_PORT, *BOTH, "--tls-key", "encrypted.key"], "encrypted.key: the private key is encrypted"),
        ([TLS_PORT, *BOTH, "--tls-client-ca", "absent.pem"], "absent.pem: No such file or directory"),
        ([TLS_PORT, *BOTH, "--tls-client-ca", "key.pem"], "key.pem: there is no certificate in PEM form"),
    ],
)
def test_mistakes_are_one_line(
    netcore_main: Command, files: Path, arguments: list[str], complaint: str
) -> None:
    done = netcore_main("run", "app:Report", *arguments)
    assert done.returncode == 2, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if " WARNING netcore: " not in line)
    assert line.startswith("netcore: ")
    assert complaint in line


def test_a_file_that_may_not_be_read(
    monkeypatch: pytest.MonkeyPatch, netcore_main: Command, files: Path
) -> None:
    # Tests often run as root, who may read everything.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "cert.pem")

    monkeypatch.setattr("netcore.tls.server_context", refuse)
    done = netcore_main("run", "app:Report", TLS_PORT, "--tls-certificate", "cert.pem")
    assert (done.returncode, done.stderr) == (2, "netcore: cert.pem: Permission denied\n")


def test_without_tls_ssl_is_not_loaded(netcore_command: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", "'ssl' in __import__('sys').modules"))
    assert netcore_command("run", "app:Report", ANY_PORT).stdout == "False\n"


def test_it_serves(pki: Any, served: Serve, files: Path) -> None:
    with served("app:Echo", TLS_PORT, *BOTH, "--tls-alpn", "h2, http/1.1") as server:
        with connect(pki, server, alpn=["http/1.1", "h2"]) as sock:
            assert (sock.selected_alpn_protocol(), echo(sock)) == ("h2", b"hello")
        server.dial().close()  # nothing is said: nothing is wrong


def test_client_certificates(pki: Any, strange_client: tuple[str, str], served: Serve, files: Path) -> None:
    own = {"certificate": pki.path("client.pem"), "key": pki.path("client.key")}
    strange = dict(zip(("certificate", "key"), strange_client, strict=True))
    required = (*BOTH, "--tls-client-ca", "ca.pem")
    with served("app:Echo", TLS_PORT, *required) as server:
        with connect(pki, server, **own) as sock:
            assert echo(sock) == b"hello"
        for refused in ({}, strange):
            with pytest.raises(OSError), connect(pki, server, **refused) as sock:
                echo(sock)  # in TLS 1.3 the client hears only now
    with served("app:Echo", TLS_PORT, *required, "--tls-client-optional") as server:
        for accepted in (own, {}):
            with connect(pki, server, **accepted) as sock:
                assert echo(sock) == b"hello"
        with pytest.raises(OSError), connect(pki, server, **strange) as sock:
            echo(sock)


@pytest.fixture
def strange_client(pki: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The certificate and key of a client that another authority has issued."""
    certificate, key = type(pki)(tmp_path_factory.mktemp("strange"), "Strange").issue(
        "client", "DNS:x.example"
    )
    return str(certificate), str(key)


@pytest.mark.posix
def test_a_socket_that_is_inherited(pki: Any, files: Path) -> None:
    """As systemd passes it; see test_cli_given.py for one without TLS."""
    (files / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "netcore", "run", "app:Echo", f"tls+fd://{listener.fileno()}", *BOTH]
        with (
            client_context(pki.ca).wrap_socket(
                socket.create_connection(listener.getsockname(), timeout=30),
                server_hostname="server.example",
                do_handshake_on_connect=False,
            ) as early,
            subprocess.Popen(
                command, cwd=files, stderr=subprocess.PIPE, text=True, pass_fds=[listener.fileno()]
            ) as process,
        ):
            early.do_handshake()
            assert echo(early) == b"hello"
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            log = process.stderr.read()
            assert process.wait(30) == 0
    assert f"listening on tls://127.0.0.1:{port}" in log


# SIGHUP.


def serial(pki: Any, server: Any) -> str:
    """Which certificate a new connection is shown."""
    with connect(pki, server) as sock:
        assert echo(sock) == b"hello"
        return str(sock.getpeercert()["serialNumber"])


def until(server: Any, marker: str) -> str:
    while marker not in server.read_log():
        assert server.log[-1], server.log
    return str(server.log[-1])


@hangup
def test_a_new_certificate_is_for_the_next_connections(pki: Any, served: Serve, files: Path) -> None:
    with served("app:Echo", TLS_PORT, *BOTH) as server:
        with connect(pki, server) as early:
            first = early.getpeercert()["serialNumber"]
            assert serial(pki, server) == first
            new, key = pki.issue("renewed", "DNS:server.example")
            (files / "both.pem").write_text(new.read_text() + key.read_text())
            server.signal(signal.SIGHUP)
            until(server, "the certificate is loaded again")
            assert (second := serial(pki, server)) != first
            assert echo(early) == b"hello"
            for bad, complaint in (
                ("", "there is no certificate in PEM form"),
                (new.read_text() + (files / "key.pem").read_text(), "is not that of the certificate"),
            ):
                (files / "both.pem").write_text(bad)
                server.signal(signal.SIGHUP)
                line = until(server, "not loaded again")
                assert complaint in line and " ERROR netcore: " in line
                assert serial(pki, server) == second
            assert echo(early) == b"hello"
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "Traceback" not in "".join(server.log)


@hangup
def test_an_authority_can_be_withdrawn(
    pki: Any, strange_client: tuple[str, str], served: Serve, files: Path
) -> None:
    """And with it the sessions that its clients could resume."""
    context = client_context(pki.ca, certificate=pki.path("client.pem"), key=pki.path("client.key"))
    with served("app:Echo", TLS_PORT, *BOTH, "--tls-client-ca", "ca.pem") as server:
        with context.wrap_socket(server.dial(), server_hostname="server.example") as sock:
            assert echo(sock) == b"hello"
            session = sock.session
        with context.wrap_socket(server.dial(), server_hostname="server.example", session=session) as sock:
            assert echo(sock) == b"hello" and sock.session_reused
            session = sock.session
        shutil.copy(Path(strange_client[0]).with_name("ca.pem"), files / "ca.pem")
        server.signal(signal.SIGHUP)
        until(server, "the certificate is loaded again")
        for earlier in (None, session):
            with (
                pytest.raises(OSError),
                context.wrap_socket(server.dial(), server_hostname="server.example", session=earlier) as sock,
            ):
                assert echo(sock) == b""
        with connect(pki, server, certificate=strange_client[0], key=strange_client[1]) as sock:
            assert echo(sock) == b"hello"


@hangup
def test_without_tls_it_ends_the_process_as_ever(served: Serve) -> None:
    with served("app:Echo", ANY_PORT) as server:
        server.signal(signal.SIGHUP)
        assert server.wait() == -signal.SIGHUP
