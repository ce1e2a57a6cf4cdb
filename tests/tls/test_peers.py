"""Against others: the program openssl as client and as server, and Python's own ssl on a socket."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import subprocess
import threading
import time

import pytest

from netcore.tls import TlsCertificateError, TlsError, TlsFilter, TlsTruncatedError

pytestmark = [pytest.mark.posix, pytest.mark.clients]

PATIENCE = 30.0
MEGABYTE = bytes(range(256)) * 4096


class Driver:
    """Drives a filter over a socket by hand.

    Attributes:
        got: The plain bytes that have come.
        over: Whether the network's stream has ended.
    """

    def __init__(self, sock: socket.socket, filter_: TlsFilter) -> None:
        self.sock = sock
        self.filter = filter_
        self.got = bytearray()
        self.over = False
        sock.settimeout(PATIENCE)

    def flush(self) -> None:
        if out := self.filter.output():
            self.sock.sendall(out)

    def step(self, size: int = 65536) -> None:
        """Sends what there is, and takes what comes next."""
        self.flush()
        data = self.sock.recv(size)
        self.over = not data
        if data and not self.filter.ended and self.filter.failure is None:
            with memoryview(data) as view:
                self.got += self.filter.feed(view)
            self.flush()

    def until(self, done) -> None:
        while not done():
            assert not self.over, (
                f"the stream has ended; got {bytes(self.got[-200:])!r}, {self.filter.failure}"
            )
            self.step()

    def shake_hands(self) -> None:
        self.until(lambda: self.filter.done or self.filter.failure is not None)

    def say(self, data: bytes) -> None:
        self.filter.wrap([data])
        self.flush()

    def expect(self, data: bytes) -> None:
        self.until(lambda: data in self.got)
        del self.got[: self.got.index(data) + len(data)]


# Python's ssl.


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE)
    with ours, theirs:
        yield ours, theirs


def in_thread(function, *arguments):
    """Runs a blocking peer beside; ``result()`` waits for it."""
    outcome = []

    def run() -> None:
        try:
            outcome.append((function(*arguments), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(PATIENCE)
        assert outcome, "it has not come to an end"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return result


def echo_all(sock):
    """Echoes until the peer's end, then ends as well."""
    count = 0
    with sock:
        while data := sock.recv(16384):
            sock.sendall(data)
            count += len(data)
        sock.unwrap()
    return count


def test_pythons_client_and_server_echo_a_megabyte(tls, pair):
    ours, theirs = pair
    server = in_thread(
        lambda: echo_all(
            tls.server_context().wrap_socket(theirs, server_side=True, suppress_ragged_eofs=False)
        )
    )
    filter_ = TlsFilter(tls.client_context(), server_side=False, server_hostname="server.example")
    driver = Driver(ours, filter_)
    driver.shake_hands()
    for at in range(0, len(MEGABYTE), 50000):
        driver.say(MEGABYTE[at : at + 50000])
        driver.expect(MEGABYTE[at : at + 50000])
    assert not driver.got
    filter_.finish()
    driver.until(lambda: filter_.ended)
    assert server() == len(MEGABYTE)


def test_pythons_client_against_our_server(tls, pair):
    ours, theirs = pair

    def client():
        with tls.client_context().wrap_socket(
            theirs, server_hostname="server.example", suppress_ragged_eofs=False
        ) as sock:
            sock.sendall(b"question")
            answer = sock.recv(100)
            version = sock.version()
            sock.unwrap()
            return answer, version

    result = in_thread(client)
    filter_ = TlsFilter(tls.server_context(), server_side=True)
    driver = Driver(ours, filter_)
    driver.expect(b"question")
    driver.say(b"answer")
    driver.until(lambda: filter_.ended)
    filter_.finish()
    driver.flush()
    assert result() == (b"answer", filter_.info.version)


def test_pythons_client_that_cuts_the_line(tls, pair):
    ours, theirs = pair

    def client():
        sock = tls.client_context().wrap_socket(theirs, server_hostname="server.example")
        sock.sendall(b"and then")
        assert sock.recv(100) == b"yes?"  # with unread bytes it would be a reset
        sock.close()

    result = in_thread(client)
    filter_ = TlsFilter(tls.server_context(), server_side=True)
    driver = Driver(ours, filter_)
    driver.expect(b"and then")
    driver.say(b"yes?")
    while not driver.over:
        driver.step()
    assert type(filter_.end_of_stream()) is TlsTruncatedError
    result()


# The program openssl.


def reader_of(stream):
    """Collects what a program says; returns a function that waits for a pattern in it."""
    said = bytearray()

    def wait_for(pattern: bytes) -> re.Match:
        deadline = time.monotonic() + PATIENCE
        while True:
            if found := re.search(pattern, bytes(said)):
                del said[: found.end()]
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {bytes(said)!r}"
            if select.select([stream], [], [], left)[0]:
                data = stream.read1(65536)
                assert data, f"it has ended without {pattern!r}: {bytes(said)!r}"
                said.extend(data)

    return wait_for


class Program:
    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            ["openssl", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.wait_for = reader_of(self.process.stdout)

    def type(self, text: bytes) -> None:
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def leave(self) -> int:
        """Ends its input; returns its status."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


FLAGS = {ssl.TLSVersion.TLSv1_2: "-tls1_2", ssl.TLSVersion.TLSv1_3: "-tls1_3"}


@pytest.fixture
def s_client(tls, pki):
    """Starts the client and returns it with what drives our side: ``s_client(context, *arguments)``."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE)
    started = [listener]

    def start(context, *arguments):
        port = listener.getsockname()[1]
        program = Program(
            *("s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", pki.ca, "-verify_return_error"),
            *("-servername", "server.example", FLAGS[tls.version], *arguments),
        )
        started.append(program)
        sock, _ = listener.accept()
        started.append(sock)
        return program, Driver(sock, TlsFilter(context, server_side=True))

    yield start
    for each in reversed(started):
        each.__exit__(None, None, None)


def test_s_client_talks_and_leaves(tls, s_client):
    program, driver = s_client(tls.server_context(), "-verify_hostname", "server.example")
    driver.shake_hands()
    assert driver.filter.info.server_name == "server.example"
    program.type(b"hello from openssl\n")
    driver.expect(b"hello from openssl\n")
    driver.say(b"hello from netcore\n")
    program.wait_for(b"hello from netcore\n")
    program.process.stdin.close()
    driver.until(lambda: driver.filter.ended)
    driver.filter.finish()
    driver.flush()
    assert program.process.wait(PATIENCE) == 0


def test_s_client_that_is_ended(tls, s_client):
    program, driver = s_client(tls.server_context())
    driver.shake_hands()
    driver.filter.finish()
    driver.flush()
    program.wait_for(b"closed")
    assert program.process.wait(PATIENCE) == 0


def test_s_client_with_alpn_and_a_certificate(tls, s_client, pki):
    context = tls.server_context(client_ca=pki.ca, require_client_certificate=True, alpn=["h2"])
    own = ("-cert", pki.path("client.pem"), "-key", pki.path("client.key"))
    program, driver = s_client(context, "-alpn", "http/1.1,h2", *own)
    driver.shake_hands()
    info = driver.filter.info
    assert info.alpn == "h2"
    assert info.peer_certificate == ssl.PEM_cert_to_DER_cert(pki.path("client.pem").read_text())
    program.wait_for(b"ALPN protocol: h2")


def test_s_client_does_not_trust_us(tls, s_client, strange_pki):
    _, driver = s_client(tls.server_context(), "-CAfile", strange_pki.ca)
    driver.until(lambda: driver.filter.failure is not None)
    assert "the client has refused, with the alert unknown_ca" in str(driver.filter.failure)


def test_s_client_resumes(tls, s_client, tmp_path):
    context = tls.server_context()
    kept = tmp_path / "session.pem"
    program, driver = s_client(context, "-sess_out", kept)
    driver.shake_hands()
    assert not driver.filter.info.session_reused
    driver.say(b"hi\n")
    program.wait_for(b"hi\n")
    program.process.stdin.close()
    driver.until(lambda: driver.filter.ended)
    driver.filter.finish()
    driver.flush()
    program.process.wait(PATIENCE)
    _, driver = s_client(context, "-sess_in", kept)
    driver.shake_hands()
    assert driver.filter.info.session_reused


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_3], ids=["1.3"], indirect=True)
def test_s_client_changes_its_keys(tls, s_client):
    program, driver = s_client(tls.server_context())
    driver.shake_hands()
    driver.say(b"at your command\n")
    program.wait_for(b"at your command\n")
    for number, command in enumerate((b"k\n", b"K\n", b"K\n")):  # its own; both sides'
        program.type(command)
        program.wait_for(b"KEYUPDATE")
        word = b"after %d\n" % number
        program.type(word)
        driver.expect(word)
        driver.say(b"answer %d\n" % number)
        program.wait_for(b"answer %d\n" % number)


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2], ids=["1.2"], indirect=True)
@pytest.mark.parametrize("permissive", [False, True])
def test_s_client_that_renegotiates(tls, s_client, permissive):
    context = tls.server_context()
    if permissive:
        context.options &= ~ssl.OP_NO_RENEGOTIATION
    program, driver = s_client(context)
    driver.shake_hands()
    program.type(b"hello\n")
    driver.expect(b"hello\n")
    program.type(b"R\n")
    driver.until(lambda: driver.filter.failure is not None)
    assert type(driver.filter.failure) is TlsError
    assert str(driver.filter.failure) == "the client wants to renegotiate"


@pytest.fixture
def s_server(tls, pki):
    """Starts the server, and connects to it: ``s_server(context, *arguments)``."""
    started = []

    def start(context, *arguments, name="server"):
        own = ("-cert", pki.path(f"{name}.pem"), "-key", pki.path(f"{name}.key"))
        program = Program("s_server", "-accept", "127.0.0.1:0", *own, FLAGS[tls.version], *arguments)
        started.append(program)
        port = int(program.wait_for(rb"ACCEPT [^\n]*:(\d+)\n")[1])
        sock = socket.create_connection(("127.0.0.1", port))
        started.append(sock)
        return program, Driver(sock, TlsFilter(context, server_side=False, server_hostname="server.example"))

    yield start
    for each in reversed(started):
        each.__exit__(None, None, None)


def test_s_server_turns_words_round(tls, s_server):
    _, driver = s_server(tls.client_context(), "-rev")
    driver.say(b"netcore\n")
    driver.expect(b"erocten\n")
    driver.filter.finish()
    driver.until(lambda: driver.filter.ended or driver.over)
    assert driver.filter.end_of_stream() is None


def test_s_server_talks_with_alpn_and_changes_its_keys(tls, s_server):
    program, driver = s_server(tls.client_context(alpn=["h2"]), "-alpn", "h2")
    driver.shake_hands()
    assert driver.filter.info.alpn == "h2"
    driver.say(b"hello from netcore\n")
    program.wait_for(b"hello from netcore\n")
    program.type(b"hello from openssl\n")
    driver.expect(b"hello from openssl\n")
    if tls.version is ssl.TLSVersion.TLSv1_3:
        for command in (b"k\n", b"K\n"):
            program.type(command)
            driver.step()  # the message itself
            program.type(b"afterwards " + command)
            driver.expect(b"afterwards " + command)
            driver.say(b"understood " + command)
            program.wait_for(b"understood " + command)
    program.type(b"Q\n")
    driver.until(lambda: driver.filter.ended or driver.over)


def test_s_server_with_a_certificate_of_the_past(tls, s_server):
    program, driver = s_server(tls.client_context(), name="expired")
    driver.shake_hands()
    assert type(driver.filter.failure) is TlsCertificateError
    driver.flush()
    program.wait_for(b"certificate expired")


def test_s_server_asks_for_a_certificate(tls, s_server, pki):
    own = {"certificate": pki.path("client.pem"), "key": pki.path("client.key")}
    program, driver = s_server(tls.client_context(**own), "-Verify", "2", "-CAfile", pki.ca)
    driver.shake_hands()
    driver.say(b"it is me\n")
    program.wait_for(b"it is me\n")
    program, driver = s_server(tls.client_context(), "-Verify", "2", "-CAfile", pki.ca)
    driver.until(lambda: driver.filter.failure is not None)
    assert "the server has refused, with the alert" in str(driver.filter.failure)
