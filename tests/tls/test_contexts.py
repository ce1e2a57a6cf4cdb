"""Contexts, and what is said about files that are of no use."""

from __future__ import annotations

import ssl

import pytest

from netcore.tls import TlsFileError, client_context, load_certificate, server_context


def test_what_a_servers_context_is(pki):
    context = server_context(pki.path("server.pem"), pki.path("server.key"))
    assert context.protocol is ssl.PROTOCOL_TLS_SERVER
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for option in (ssl.OP_NO_RENEGOTIATION, ssl.OP_NO_COMPRESSION):
        assert context.options & option
    assert not context.options & ssl.OP_NO_TICKET
    assert context.verify_mode is ssl.CERT_NONE
    modern = ssl.TLSVersion.TLSv1_3
    context = server_context(str(pki.path("server.pem")), str(pki.path("server.key")), minimum_version=modern)
    assert context.minimum_version is modern


def test_what_a_clients_context_is(pki):
    for context in (client_context(), client_context(pki.ca)):
        assert context.protocol is ssl.PROTOCOL_TLS_CLIENT
        assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    careless = client_context(verify=False)
    assert not careless.check_hostname and careless.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("required", "mode"),
    [(False, ssl.CERT_OPTIONAL), (True, ssl.CERT_REQUIRED)],
    ids=["optional", "required"],
)
def test_client_certificates(pki, required, mode):
    context = server_context(
        pki.path("server.pem"), pki.path("server.key"), client_ca=pki.ca, require_client_certificate=required
    )
    assert context.verify_mode is mode
    assert len(context.get_ca_certs()) == 1


def test_both_in_one_file(pki, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(pki.path("server.key").read_bytes() + pki.path("server.pem").read_bytes())
    server_context(both)
    client_context(pki.ca, certificate=both)


def test_a_folder_of_authorities(pki, tmp_path):
    client_context(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        client_context(tmp_path / "nowhere")


# Passwords.


def test_a_key_with_a_password(pki):
    key = pki.encrypt("server")
    for password in (pki.PASSWORD, pki.PASSWORD.encode(), lambda: pki.PASSWORD):
        server_context(pki.path("server.pem"), key, password=password)


def test_a_password_nobody_asks_for(pki):
    server_context(pki.path("server.pem"), pki.path("server.key"), password=lambda: pytest.fail("asked"))


def test_a_wrong_password_and_none(pki):
    certificate, key = pki.path("server.pem"), pki.encrypt("server")
    for password in ("wrong", lambda: b"wrong", ""):
        refused(f"{key}: the password of the private key is wrong", certificate, key, password=password)
    refused(f"{key}: the private key is encrypted, and there is no password for it", certificate, key)


def test_a_password_of_a_clients_key(pki):
    certificate, key = pki.path("client.pem"), pki.encrypt("client")
    client_context(pki.ca, certificate=certificate, key=key, password=pki.PASSWORD)
    with pytest.raises(TlsFileError, match="the password of the private key is wrong"):
        client_context(pki.ca, certificate=certificate, key=key, password="wrong")
    with pytest.raises(TlsFileError, match="there is no password for it"):
        client_context(pki.ca, certificate=certificate, key=key)


def test_a_password_that_cannot_be_had(pki):
    def fail() -> str:
        raise LookupError("no vault")

    with pytest.raises(LookupError, match="no vault"):
        server_context(pki.path("server.pem"), pki.encrypt("server"), password=fail)


# Files.


def refused(text, *arguments, **options):
    with pytest.raises(TlsFileError) as caught:
        server_context(*arguments, **options)
    assert str(caught.value).startswith(text), caught.value
    assert "_ssl.c" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.fixture
def file(tmp_path):
    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_a_file_that_is_not_there(pki, tmp_path):
    nowhere = tmp_path / "nowhere.pem"
    for arguments in ((nowhere,), (pki.path("server.pem"), nowhere), (nowhere, pki.path("server.key"))):
        with pytest.raises(FileNotFoundError) as caught:
            server_context(*arguments)
        assert caught.value.filename == str(nowhere)
    for options in ({"ca": nowhere}, {"certificate": nowhere}):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
            client_context(**options)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
        server_context(pki.path("server.pem"), pki.path("server.key"), client_ca=nowhere)


def test_a_file_that_is_a_folder(pki, tmp_path):
    with pytest.raises(OSError) as caught:
        server_context(tmp_path, pki.path("server.key"))
    assert caught.value.filename == str(tmp_path)


def test_a_certificate_that_is_none(pki, file):
    key = pki.path("server.key")
    for content in (b"", "hello\n", key.read_bytes(), b"\x30\x82\x01\x00" * 20):
        path = file("certificate.pem", content)
        refused(f"{path}: there is no certificate in PEM form", path, key)
    good = pki.path("server.pem").read_text()
    path = file("certificate.pem", good[:200] + good[204:])
    refused(f"{path}: a certificate is broken: ", path, key)
    chain = file("chain.pem", good + good[:200])
    refused(f"{chain}: a certificate is broken: ", chain, key)


def test_a_key_that_is_none(pki, file):
    certificate = pki.path("server.pem")
    for content in (b"", "hello\n", certificate.read_bytes()):
        path = file("some.key", content)
        refused(f"{path}: there is no private key in PEM form", certificate, path)
    elsewhere = "and no other file is named for it"
    refused(f"{certificate}: there is no private key in PEM form, {elsewhere}", certificate)
    good = pki.path("server.key").read_text()
    path = file("some.key", good[:60] + good[68:])
    refused(f"{path}: the private key is broken: ", certificate, path)


def test_a_key_of_another_certificate(pki):
    certificate, key = pki.path("server.pem"), pki.path("other.key")
    refused(f"{key}: the private key is not that of the certificate in {certificate}", certificate, key)


def test_authorities_that_are_none(pki, file):
    path = file("ca.pem", "hello\n")
    text = f"{path}: there is no certificate in PEM form"
    refused(text, pki.path("server.pem"), pki.path("server.key"), client_ca=path)
    with pytest.raises(TlsFileError) as caught:
        client_context(path)
    assert str(caught.value) == text


# Arguments.


def test_contradictions(pki):
    with pytest.raises(ValueError, match="require_client_certificate needs the client_ca"):
        server_context(pki.path("server.pem"), pki.path("server.key"), require_client_certificate=True)
    with pytest.raises(ValueError, match="a key needs the certificate"):
        client_context(pki.ca, key=pki.path("client.key"))


@pytest.mark.parametrize(
    "alpn", ["h2", [b"h2"], ["h2", ""], ["x" * 256], ["höchst"], [f"{i:0250}" for i in range(300)]]
)
def test_protocols_that_cannot_be(alpn):
    with pytest.raises(ValueError, match=r"^alpn "):
        client_context(alpn=alpn)


# Loading again.


def test_a_new_certificate_serves_the_next_connection(tls, pki):
    server, client = tls.server_context(), tls.client_context()
    before = tls.wire(client, server)
    load_certificate(server, pki.path("other.pem"), pki.path("other.key"))
    after = tls.wire(client, server, name="other.example")
    assert after.client.done
    assert before.client.info.peer_certificate != after.client.info.peer_certificate
    assert before.send(before.server, b"as before") == b"as before"


def test_files_that_are_of_no_use_leave_all_as_it_was(tls, pki):
    server, client = tls.server_context(), tls.client_context()
    for certificate, key in (("other", "server"), ("server", "other")):
        with pytest.raises(TlsFileError):
            load_certificate(server, pki.path(f"{certificate}.pem"), pki.path(f"{key}.key"))
        assert tls.wire(client, server).client.done
