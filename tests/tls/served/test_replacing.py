"""Another context for the next connections, while an engine serves."""

from __future__ import annotations

import pytest

from netcore import EngineNotRunningError, UnsupportedOperationError
from netcore.testing import RecordingHandler


@pytest.fixture
def shown(tls, connect):
    """Returns the names in the certificate that a new connection is shown."""

    def names(engine):
        context = tls.client_context()
        context.check_hostname = False
        with connect(engine, context) as sock:
            found = {name for _, name in sock.getpeercert()["subjectAltName"]}
            sock.unwrap()
        return found

    return names


@pytest.mark.parametrize("loops", [1, 2])
def test_another_context_is_for_the_next_connections(tls, engine, connect, receive, shown, loops):
    server = engine("tls://127.0.0.1:0", "tcp://127.0.0.1:0", num_event_loops=loops)
    assert "server.example" in shown(server)
    with connect(server) as early:
        server.replace_tls(tls.server_context("other"))
        for _ in range(3):
            assert shown(server) == {"other.example"}
        early.sendall(b"hello")
        assert receive(early, 5) == b"hello"
        early.unwrap()


def test_what_cannot_take_its_place(tls, engine, serve, connect):
    server = engine()
    with pytest.raises(TypeError, match=r"needs an ssl\.SSLContext, not 'cert\.pem'"):
        server.replace_tls("cert.pem")
    with pytest.raises(ValueError, match="this is a client's"):
        server.replace_tls(tls.client_context())
    with connect(server) as sock:
        sock.unwrap()
    server.stop()
    with pytest.raises(EngineNotRunningError):
        server.replace_tls(tls.server_context())
    plain = serve(RecordingHandler(), "tcp://127.0.0.1:0")
    with pytest.raises(UnsupportedOperationError, match="no listener with TLS"):
        plain.replace_tls(tls.server_context())
