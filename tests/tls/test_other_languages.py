"""Peers that do not stand on OpenSSL as Python does: Go's crypto/tls, and Node's tls."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from netcore import Action, Client
from netcore.testing import RecordingHandler

# Go's first build of its own library takes a while.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

PATIENCE = 60
HERE = Path(__file__).with_name("peers")
MEGABYTE = bytes(range(256)) * 4096
GO_AHEAD = b"220 go ahead\r\n"


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    """The command of the peer in Go."""
    if (compiler := shutil.which("go")) is None:
        pytest.skip("there is no Go")
    environment = os.environ | {"GO111MODULE": "off", "GOFLAGS": ""}
    program = tmp_path_factory.mktemp("go") / "peer"
    command = [compiler, "build", "-o", str(program), str(HERE / "peer.go")]
    built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return [str(program)]


@pytest.fixture(scope="module")
def node():
    """The command of the peer in JavaScript."""
    if (interpreter := shutil.which("node")) is None:
        pytest.skip("there is no Node")
    return [interpreter, str(HERE / "peer.js")]


@pytest.fixture(params=["go", "node"])
def peer(request):
    """The command of a peer."""
    return request.getfixturevalue(request.param)


def version_of(tls):
    return {ssl.TLSVersion.TLSv1_2: "1.2", ssl.TLSVersion.TLSv1_3: "1.3"}[tls.version]


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_a_client_says_a_megabyte_and_its_end(tls, serve, pki, peer, way):
    context = tls.server_context(alpn=["toy"])

    def on_traffic(conn):
        if conn.tls is None:
            assert conn.read() == b"STARTTLS\r\n"
            conn.write(GO_AHEAD)
            conn.start_tls(context)
        else:
            conn.write(conn.read())

    handler = RecordingHandler(on_traffic=on_traffic, on_eof=lambda conn: Action.CLOSE)
    scheme = "tls" if way == "tls" else "tcp"
    engine = serve(handler, f"{scheme}://127.0.0.1:0", tls=context)
    command = [*peer, "client", f"127.0.0.1:{engine.addresses[0].port}", str(pki.ca)]
    command += ["starttls"] if way == "starttls" else []
    done = subprocess.run(command, input=MEGABYTE, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout == MEGABYTE) == (0, True), done.stderr
    version, protocol = done.stderr.decode().split()[-2:]
    assert version.endswith(version_of(tls)) and protocol == "toy"
    event = handler.wait_for("on_close")
    assert event.detail is None, "it was an end in order"
    assert (event.conn.tls.alpn, event.conn.tls.server_name) == ("toy", "server.example")


def test_a_server_hears_a_megabyte_and_its_end(tls, pki, peer):
    heard = bytearray()

    def on_traffic(conn):
        heard.extend(conn.read())
        if len(heard) == len(MEGABYTE) and not conn.closed:
            conn.shutdown_write()

    handler = RecordingHandler(on_traffic=on_traffic, on_eof=lambda conn: Action.CLOSE)
    command = [*peer, "server", str(pki.path("server.pem")), str(pki.path("server.key"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, Client(handler, tls=tls.client_context(alpn=["toy"])) as client:
        port = int(process.stdout.readline())
        conn = client.dial(f"tls://127.0.0.1:{port}", server_hostname="server.example")
        assert (conn.tls.version, conn.tls.alpn) == (f"TLSv{version_of(tls)}", "toy")
        conn.async_write(MEGABYTE)
        assert handler.wait_for("on_close", timeout=PATIENCE).detail is None, "it was an end in order"
        assert process.wait(PATIENCE) == 0, process.stderr.read()
    assert heard == MEGABYTE
