"""What is read in a ClientHello beside OpenSSL, and what is refused for it."""

from __future__ import annotations

import shutil
import socket
import subprocess

import pytest

from netcore.tls import TlsFilter, TlsHandshakeError
from netcore.tls.hello import HelloReader

X25519, P256, FFDHE2048, FFDHE3072, FFDHE4096, FFDHE8192, GREASE = 29, 23, 0x100, 0x101, 0x102, 0x104, 0x0A0A


def vector(data, size=2):
    return len(data).to_bytes(size, "big") + data


def extension(kind, data):
    return kind.to_bytes(2, "big") + vector(data)


def numbers(values):
    return b"".join(value.to_bytes(2, "big") for value in values)


def groups(*values):
    return extension(10, vector(numbers(values)))


def shares(*values):
    return extension(51, vector(b"".join(numbers([value]) + vector(b"share") for value in values)))


def hello(*extensions):
    body = bytes(34) + vector(b"session", 1) + vector(b"\x13\x01") + vector(b"\0", 1)
    message = b"\x01" + vector(body + vector(b"".join(extensions)), 3)
    return b"\x16\x03\x01" + vector(message)


def read(record):
    reader = HelloReader()
    assert reader.feed(record)
    return reader


@pytest.mark.parametrize(
    ("extensions", "costly"),
    [
        ((), False),
        ((shares(X25519), groups(X25519, FFDHE8192)), False),
        ((groups(FFDHE8192, X25519), shares(FFDHE8192)), True),
        ((groups(X25519, FFDHE4096), shares(X25519, FFDHE4096)), False),
        ((groups(X25519, FFDHE4096), shares(FFDHE4096, X25519)), True),
        ((groups(FFDHE2048, FFDHE3072), shares(FFDHE3072)), False),
        ((groups(GREASE, FFDHE8192), shares(GREASE, FFDHE8192)), True),
        ((groups(GREASE, X25519), shares(GREASE, X25519)), False),
        ((shares(), groups(FFDHE8192)), True),  # OpenSSL would ask for a share of it
        ((shares(), groups(FFDHE8192, P256)), False),  # and here for one of P-256
        ((shares(GREASE), groups(GREASE)), False),
        ((groups(FFDHE8192),), False),  # TLS 1.2, which has no such key exchange here
        ((shares(FFDHE8192),), True),
        ((extension(51, b""),), False),
        ((extension(51, b"\0\4\1\4"),), False),  # cut off
        ((extension(10, b"\0"), shares()), False),
    ],
)
def test_what_a_key_exchange_would_cost(extensions, costly):
    assert read(hello(*extensions)).costly is costly


def test_the_name_wherever_it_stands():
    name = extension(0, vector(b"\0" + vector(b"server.example")))
    for extensions in ((name,), (groups(X25519), name, shares(X25519)), (shares(FFDHE8192), name)):
        assert read(hello(*extensions)).server_name == "server.example"
    for odd in (
        b"",
        b"\0",
        vector(b"\1" + vector(b"x")),
        vector(b"\0" + b"\xff\xff"),
        vector(b"\0" + vector(b"\xe9")),
    ):
        assert read(hello(extension(0, odd))).server_name is None


def test_any_cut_and_any_byte(tls):
    """Nothing of it is an exception."""
    whole = hello(extension(0, vector(b"\0" + vector(b"a.example"))), groups(X25519), shares(X25519))
    body = whole[9:]
    for at in range(len(body)):
        message = b"\x01" + vector(body[:at], 3)
        read(b"\x16\x03\x01" + vector(message))
        for byte in (0, 0xFF):
            read(whole[: 9 + at] + bytes([byte]) + whole[10 + at :])


OPENSSL = shutil.which("openssl")


def offer(tls, name):
    """Has openssl offer one group to a filter; returns the filter."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        where = "{}:{}".format(*listener.getsockname())
        command = [OPENSSL, "s_client", "-connect", where, "-groups", name]
        client = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        sock, _ = listener.accept()
    with sock, client:
        sock.settimeout(30)
        server = TlsFilter(tls.server_context(), server_side=True)
        while not server.done and server.failure is None:
            data = sock.recv(65536)
            if not data:
                server.give_up(server.end_of_stream())
            else:
                server.feed(memoryview(data))
            sock.sendall(server.output())
        sock.close()
        client.wait(30)
        return server


@pytest.mark.skipif(OPENSSL is None, reason="there is no program openssl")
@pytest.mark.parametrize(
    ("name", "served"),
    [("X25519", True), ("P-384", True), ("ffdhe2048", True), ("ffdhe4096", False), ("ffdhe8192", False)],
)
def test_the_groups_of_openssl(tls13, name, served):
    server = offer(tls13, name)
    assert server.done is served, server.failure
    if not served:
        assert type(server.failure) is TlsHandshakeError
        assert "costs too much" in str(server.failure)


def test_the_ciphers_of_tls_1_2(tls12):
    names = {
        cipher["name"] for cipher in tls12.server_context().get_ciphers() if cipher["protocol"] != "TLSv1.3"
    }
    assert names and all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA" in name) for name in names)
    client = tls12.client_context()
    client.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    wire = tls12.wire(client)
    assert "knows no cipher suite that fits" in str(wire.server.failure)
