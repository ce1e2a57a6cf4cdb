"""No argument, however odd, ends a loop or leaves something half done: all methods and kinds."""

from __future__ import annotations

import decimal
import fractions
import io
import math
import socket
import ssl
import threading

import pytest

from netcore import Address, Client, Engine, NetcoreError, UnsupportedOperationError
from netcore._platform import linger_of
from netcore.connection import (
    CheckedDatagramConn,
    CheckedDatagramConnection,
    CheckedStreamConnection,
    DatagramConn,
    DatagramConnection,
    StreamConnection,
)
from netcore.connection.datagram import answer
from netcore.testing import RecordingHandler

TEXT = b"hello world"


class Whole:
    """A whole number, as other libraries have them."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


class Raising:
    """Raises whatever is asked of it."""

    def __index__(self):
        raise LookupError("on purpose")

    __iter__ = __len__ = __float__ = __int__ = __bool__ = __index__
    __buffer__ = lambda self, flags: self.__index__()  # noqa: E731


class Odd:
    """Has nothing that is asked of it."""

    def __repr__(self):
        return "<odd>"


def released():
    view = memoryview(b"x")
    view.release()
    return view


def half_way():
    yield b"one"
    raise LookupError("on purpose")


COUNTS = [2.0, -1.0, math.nan, math.inf, 1e308, decimal.Decimal(2), fractions.Fraction(2), "2", b"2", None]
COUNTS += [[], 2j, Odd(), Raising(), int]
BUFFERS = ["text", None, 3, 3.5, Odd(), [b"x"], released(), Raising(), str]
LISTS = [None, 3, "text", b"bytes", [b"one", "two"], [b"one", None], [bytearray(b"one"), 3], half_way, Odd()]
LISTS += [[released()], Raising(), [b"one", Raising()]]
FILES = [None, 3, "text", b"x", Odd(), io.StringIO("text"), str]
FUNCTIONS = [3, "text", b"", [], Odd(), 0]
SECONDS = [math.nan, 0, -1, -math.inf, True, "1", b"1", decimal.Decimal(1), [1], 1j, Odd(), Raising()]
PORTS = [3.5, "53", decimal.Decimal(53), True, -1, 10**400, None]
ADDRESSES = [None, 3, "", "127.0.0.1:53", "ftp://x:1", b"udp://127.0.0.1:53", [], Odd(), Raising()]
ADDRESSES += [Address("", "x"), Address("udp", 3), Address(None)]
ADDRESSES += [Address("udp", "127.0.0.1", port) for port in PORTS]


SERVERS, CLIENTS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXTS = [None, 3, "cert.pem", ssl.SSLContext, CLIENTS, Odd()]
SWITCHES = ["yes", b"", 1.5, [], Odd(), Raising()]
REASONS = [[], {}, set(), bytearray(b"full"), ("full", [])]
NAMES = [None, "", ".example", 3, b"localhost", [], Odd()]

SINK = io.BytesIO
ELSEWHERE = Address("udp", "192.0.2.99", 5353)

CALLS = {
    "read": (COUNTS, lambda conn, odd: conn.read(odd)),
    "peek": (COUNTS, lambda conn, odd: conn.peek(odd)),
    "next": (COUNTS, lambda conn, odd: conn.next(odd)),
    "discard": (COUNTS, lambda conn, odd: conn.discard(odd)),
    "read_into": ([*BUFFERS, b"read only"], lambda conn, odd: conn.read_into(odd)),
    "write_to": (FILES, lambda conn, odd: conn.write_to(odd)),
    "write": (BUFFERS, lambda conn, odd: conn.write(odd)),
    "writev": (LISTS, lambda conn, odd: conn.writev(odd() if odd is half_way else odd)),
    "read_from": (FILES, lambda conn, odd: conn.read_from(odd)),
    "sendfile": (FILES, lambda conn, odd: conn.sendfile(odd)),
    "sendfile offset": (COUNTS, lambda conn, odd: conn.sendfile(SINK(b"file"), odd)),
    "sendfile count": (
        [c for c in COUNTS if c is not None],
        lambda conn, odd: conn.sendfile(SINK(b"x"), 0, odd),
    ),
    "send_to": (BUFFERS, lambda conn, odd: conn.send_to(odd, ELSEWHERE)),
    "send_to where": (ADDRESSES, lambda conn, odd: conn.send_to(b"x", odd)),
    "async_write": (BUFFERS, lambda conn, odd: conn.async_write(odd, print)),
    "async_write callback": (FUNCTIONS, lambda conn, odd: conn.async_write(b"x", odd)),
    "async_writev": (LISTS, lambda conn, odd: conn.async_writev(odd() if odd is half_way else odd, print)),
    "async_writev callback": (FUNCTIONS, lambda conn, odd: conn.async_writev([b"x"], odd)),
    "start_tls": (CONTEXTS, lambda conn, odd: conn.start_tls(odd)),
    "start_tls side": (SWITCHES, lambda conn, odd: conn.start_tls(SERVERS, server_side=odd)),
    "start_tls name": (
        NAMES,
        lambda conn, odd: conn.start_tls(CLIENTS, server_side=False, server_hostname=odd),
    ),
    "start_tls callback": (FUNCTIONS, lambda conn, odd: conn.start_tls(SERVERS, callback=odd)),
    "pause_reading": (REASONS, lambda conn, odd: conn.pause_reading(odd)),
    "resume_reading": (REASONS, lambda conn, odd: conn.resume_reading(odd)),
    "wake": (FUNCTIONS, lambda conn, odd: conn.wake(odd)),
    "close": (FUNCTIONS, lambda conn, odd: conn.close(odd)),
    "set_deadline": (SECONDS, lambda conn, odd: conn.set_deadline(odd)),
    "set_read_deadline": (SECONDS, lambda conn, odd: conn.set_read_deadline(odd)),
    "set_write_deadline": (SECONDS, lambda conn, odd: conn.set_write_deadline(odd)),
}

EXPECTED = (TypeError, ValueError, BufferError, io.UnsupportedOperation, UnsupportedOperationError)


def is_refusal(error, odd):
    if isinstance(error, LookupError) and not isinstance(error, NetcoreError):
        return odd is half_way or "Raising" in repr(odd)
    return isinstance(error, EXPECTED)


class Bench:
    """One connection of a kind, in whose ``on_traffic`` something is tried."""

    def __init__(self, world, kind, toys):
        self.kind = kind
        self.trial = None
        self.outcome = None
        self.w = w = world(on_traffic=self.on_traffic)
        if kind.startswith("server"):
            self.fd = 60
            w.sockets.attach(self.fd)
            w.loop.listen_for_datagrams(self.fd, socket.AF_INET, Address("udp", "192.0.2.1", 9000)).start()
        elif kind.startswith("dialled"):
            self.fd, remote = 61, Address("udp", "192.0.2.9", 53)
            w.sockets.attach(self.fd)
            hosted = w.loop._hosted
            self.conn = hosted.establish_datagrams(self.fd, socket.AF_INET, remote, remote, None)
        else:
            self.conn = w.connect()
            self.fd = self.conn.fd
            if kind == "filtered stream":
                self.conn.put_on(toys.ToyFilter())
        self.toys = toys

    def on_traffic(self, conn):
        if self.kind == "kept stream" and self.trial is None:
            return  # so that it is unread in a buffer of the connection's own
        here, waiting = conn.inbound_buffered, conn.outbound_buffered
        try:
            self.outcome = self.trial(conn)
        except BaseException as error:
            self.outcome = error
        self.changed = (conn.inbound_buffered - here, conn.outbound_buffered - waiting, conn.closed)
        self.left = conn.read()

    def run(self, trial):
        """Tries something on a connection with ``TEXT`` unread."""
        if self.kind == "kept stream":
            self.feed(TEXT[:5])
            self.trial = trial
            self.feed(TEXT[5:])
        else:
            self.trial = trial
            self.feed(TEXT)
        self.trial = None
        self.w.turns(3)
        return self.outcome

    def feed(self, data):
        if "datagram" in self.kind:
            self.w.sockets.feed_datagram(self.fd, data)
            self.w.turns()
        else:
            self.w.feed(self.conn, self.toys.encode(data) if self.kind == "filtered stream" else data)

    @property
    def sent(self):
        if "datagram" in self.kind:
            return [data for data, _ in self.w.sockets.datagrams[self.fd]]
        raw = bytes(self.w.sockets.sent[self.fd])
        return self.toys.decode(raw)[0] if self.kind == "filtered stream" else raw


KINDS = ["stream", "kept stream", "filtered stream", "server datagram", "dialled datagram"]


@pytest.fixture(params=[False, True], ids=["", "debug"])
def bench(request, world, toys):
    def make(kind):
        return Bench(lambda **callbacks: world(shared={"debug": request.param}, **callbacks), kind, toys)

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_an_odd_argument_is_refused_and_changes_nothing(bench, kind, name):
    odds, call = CALLS[name]
    subject = bench(kind)
    for odd in odds:
        before = subject.sent
        error = subject.run(lambda conn, odd=odd: call(conn, odd))
        assert is_refusal(error, odd), (odd, error)
        assert subject.changed == (0, 0, False), odd
        assert subject.left == TEXT, odd
        assert subject.sent == before, odd
    assert subject.run(lambda conn: conn.write(conn.read(5))) == 5
    assert subject.sent in (TEXT[:5], [TEXT[:5]])
    assert not {"on_error", "on_close", "on_timeout"} & set(subject.w.handler.names())


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_whatever_has_an_index(bench, kind):
    subject = bench(kind)
    assert subject.run(lambda conn: conn.read(Whole(2))) == TEXT[:2]
    assert subject.run(lambda conn: bytes(conn.peek(Whole(3)))) == TEXT[:3]
    assert subject.run(lambda conn: bytes(conn.next(Whole(3)))) == TEXT[:3]
    assert subject.left == TEXT[3:]
    assert subject.run(lambda conn: conn.discard(Whole(4))) == 4
    assert subject.run(lambda conn: conn.read(Whole(-5))) == TEXT
    assert subject.run(lambda conn: conn.read(10**400)) == TEXT
    assert subject.run(lambda conn: conn.discard(-(10**400))) == len(TEXT)
    assert subject.run(lambda conn: conn.read(True)) == TEXT[:1]


@pytest.mark.parametrize("kind", ["stream", "kept stream", "filtered stream"])
def test_parts_of_files_are_whole_numbers_too(bench, kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 5000)
    subject = bench(kind)
    with path.open("rb") as file:
        for source in (file, io.BytesIO(path.read_bytes())):
            before = len(subject.sent)
            assert subject.run(lambda conn, s=source: conn.sendfile(s, Whole(3), Whole(4))) == 4
            assert subject.run(lambda conn, s=source: conn.sendfile(s, 10**400)) == 0
            assert subject.run(lambda conn, s=source: conn.sendfile(s, 49_998, 10**400)) == 2
            assert subject.sent[before:] == b"345689"


class Index:
    """A count whose own code uses the connection."""

    def __init__(self, act):
        self.act = act

    def __index__(self):
        self.act()
        return 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_count_may_use_the_connection_itself(bench, kind):
    subject = bench(kind)
    assert subject.run(lambda conn: conn.read(Index(lambda: conn.discard(2)))) == TEXT[2:6]
    assert subject.run(lambda conn: conn.read(Index(conn.read))) == b""
    assert subject.run(lambda conn: conn.discard(Index(lambda: conn.read(9)))) == 2


# Files that return nonsense.


class File:
    """Returns one result after the other, and then what ends it."""

    def __init__(self, *results):
        self.results = list(results)
        self.given = []

    def write(self, data):
        self.given.append(bytes(data))
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result

    def read(self, n=-1):
        result = self.results.pop(0) if self.results else b""
        if isinstance(result, Exception):
            raise result
        return result


def blocking(n):
    error = BlockingIOError()
    error.characters_written = n
    return error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("result", ["x", "", 2.0, -1, 12, 10**400, decimal.Decimal(2), [], Odd(), math.nan])
def test_a_file_that_claims_nonsense_to_have_been_written(bench, kind, result):
    subject = bench(kind)
    error = subject.run(lambda conn: conn.write_to(File(3, result)))
    assert isinstance(error, (TypeError, ValueError)), error
    assert subject.left == TEXT[3:], "what no file has taken is still here"
    assert subject.changed == (-3, 0, False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("result", [None, 0, False])
def test_a_file_that_takes_no_more(bench, kind, result):
    subject = bench(kind)
    assert subject.run(lambda conn: conn.write_to(File(3, Whole(2), result))) == 5
    assert subject.left == TEXT[5:]


@pytest.mark.parametrize("kind", ["stream", "kept stream", "filtered stream"])
def test_a_file_that_blocks_says_what_it_has_taken(bench, kind):
    subject = bench(kind)
    assert isinstance(subject.run(lambda conn: conn.write_to(File(blocking(4)))), BlockingIOError)
    assert subject.left == TEXT[4:]
    for nonsense in (-3, 12):
        assert isinstance(subject.run(lambda conn, n=nonsense: conn.write_to(File(blocking(n)))), ValueError)
        assert subject.left == TEXT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("result", ["text", 3, 2.5, [b"x"], Odd(), Raising()])
def test_a_file_that_reads_nonsense(bench, kind, result):
    subject = bench(kind)
    error = subject.run(lambda conn: conn.read_from(File(result)))
    assert is_refusal(error, result), error
    assert not subject.sent
    assert subject.left == TEXT
    if "datagram" not in kind:
        assert is_refusal(subject.run(lambda conn: conn.sendfile(File(result))), result)
        assert not subject.sent
        subject.run(lambda conn: conn.read_from(File(b"before ", result)))
        assert subject.sent == b"before ", "what it had read well is sent"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_has_nothing_now(bench, kind):
    subject = bench(kind)
    assert subject.run(lambda conn: conn.read_from(File(None, b"later"))) == 0
    assert not subject.sent


@pytest.mark.parametrize("kind", ["stream", "filtered stream"])
def test_a_file_that_reads_more_than_it_was_asked_for(bench, kind):
    subject = bench(kind)
    assert subject.run(lambda conn: conn.read_from(File(b"x" * 70_000))) == 70_000
    assert subject.run(lambda conn: conn.sendfile(File(b"y" * 70_000))) == 70_000
    assert subject.sent == b"x" * 70_000 + b"y" * 70_000
    error = subject.run(lambda conn: conn.sendfile(File(b"1234", b"56"), 0, 5))
    assert isinstance(error, ValueError)
    assert subject.sent.endswith(b"y1234"), "neither more than was asked for, nor a part of it"


# On a socket.

KEEP = {"idle": 1, "interval": 1, "count": 1}
DURATIONS = [odd for odd in SECONDS if type(odd) is not int]
SIZES = [*(odd for odd in COUNTS if not isinstance(odd, int)), -1, 2**31, 10**400]
SETTINGS = {
    "set_read_buffer": (SIZES, lambda conn, odd: conn.set_read_buffer(odd)),
    "set_write_buffer": (SIZES, lambda conn, odd: conn.set_write_buffer(odd)),
    "set_linger": (
        [odd for odd in DURATIONS if odd != -math.inf],
        lambda conn, odd: conn.set_linger(odd),
    ),
    "set_no_delay": (COUNTS, lambda conn, odd: conn.set_no_delay(odd)),
    "set_keep_alive": (COUNTS, lambda conn, odd: conn.set_keep_alive(odd, **KEEP)),
    "idle": (DURATIONS, lambda conn, odd: conn.set_keep_alive(True, **{**KEEP, "idle": odd})),
    "interval": (DURATIONS, lambda conn, odd: conn.set_keep_alive(True, **{**KEEP, "interval": odd})),
    "count": (SIZES, lambda conn, odd: conn.set_keep_alive(True, **{**KEEP, "count": odd})),
}


def settings_of(sock):
    names = [(socket.SOL_SOCKET, name) for name in ("SO_RCVBUF", "SO_SNDBUF", "SO_KEEPALIVE")]
    values = [sock.getsockopt(level, getattr(socket, name)) for level, name in names]
    return [*values, sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)]


@pytest.mark.wine("settings of a duplicate", run=False)
@pytest.mark.parametrize("scheme", ["tcp", "udp", pytest.param("unix", marks=pytest.mark.unix_sockets)])
@pytest.mark.parametrize("dialled", [False, True])
@pytest.mark.parametrize("options", [{}, {"debug": True}, {"edge_triggered": True}], ids=str)
def test_settings_and_all_the_rest_on_a_socket(serve, tmp_path, scheme, dialled, options):
    wrong, done = [], threading.Event()

    def on_traffic(conn):
        if dialled != (conn.remote_address == engine.addresses[0]):
            if not dialled:
                return
            conn.write(conn.read())
            return
        with socket.socket(fileno=conn.dup()) as copy:
            before = settings_of(copy)
            for name, (odds, call) in {**CALLS, **SETTINGS}.items():
                for odd in odds:
                    try:
                        result = call(conn, odd)
                    except BaseException as error:
                        if not is_refusal(error, odd):
                            wrong.append((name, odd, error))
                    else:
                        wrong.append((name, odd, result))
            if settings_of(copy) != before:
                wrong.append(("settings", before, settings_of(copy)))
        if conn.read() != TEXT or conn.closed:
            wrong.append(("state", conn))
        done.set()

    handler = RecordingHandler(on_traffic=on_traffic)
    engine = serve(
        handler, f"unix://{tmp_path}/s" if scheme == "unix" else f"{scheme}://127.0.0.1:0", **options
    )
    conn = engine.dial(engine.addresses[0]).result(30)
    conn.async_write(TEXT)
    assert done.wait(30)
    assert wrong == []
    assert engine.running
    assert not {"on_error", "on_close"} & set(handler.names())


def test_settings_take_what_is_right(serve, dial):
    handler = RecordingHandler()
    dial(serve(handler))
    conn = handler.wait_for("on_open").conn
    conn.set_read_buffer(Whole(65536))
    conn.set_no_delay(0)
    for seconds in (-1, -0.5, -math.inf):
        conn.set_linger(seconds)
    for size in (0, 2**31 - 1):
        conn.set_write_buffer(size)
    with socket.socket(fileno=conn.dup()) as copy:
        for seconds, expected in ((0, 0), (0.2, 1), (7, 7), (math.inf, 32767), (10**400, 32767)):
            conn.set_linger(seconds)
            assert linger_of(copy) == expected
        conn.set_linger(-1)
        assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)[0] == 0


@pytest.mark.parametrize("timeout", [None, 0, math.inf])
def test_a_callback_cannot_take_a_turn_of_its_own_loop(serve, dial, receive, timeout):
    def on_traffic(conn):
        with pytest.raises(RuntimeError, match="inside a turn"):
            conn.loop.turn(timeout)
        conn.write(conn.read())

    sock = dial(serve(RecordingHandler(on_traffic=on_traffic)))
    sock.sendall(b"x")
    assert receive(sock, 1) == b"x"


# What is no connection.


@pytest.mark.parametrize("odd", [None, 3, "tcp://127.0.0.1:1", Odd(), b""])
def test_what_is_no_socket_is_not_enrolled(serve, odd):
    engine = serve(RecordingHandler())
    with Client(RecordingHandler()) as client:
        for enroll in (engine.enroll, engine.loops[0].enroll, client.enroll):
            with pytest.raises(TypeError, match="enroll needs a socket"):
                enroll(odd)
    assert engine.connection_count == 0


@pytest.mark.parametrize("odd", ADDRESSES, ids=lambda odd: type(odd).__name__)
def test_what_is_no_address_is_not_dialled(serve, odd):
    engine = serve(RecordingHandler())
    with Client(RecordingHandler()) as client:
        for call in (engine.dial, engine.loops[0].dial, client.dial, engine.dup_listener):
            if odd is None and call == engine.dup_listener:
                continue
            with pytest.raises((TypeError, ValueError)):
                call(odd)
    with pytest.raises((TypeError, ValueError)):
        Engine(RecordingHandler(), odd)


@pytest.mark.parametrize("odd", [None, "1", 3.5, Odd(), -1, 10**400])
def test_an_odd_number_names_no_connection(serve, odd):
    assert serve(RecordingHandler()).get(odd) is None


def test_every_method_of_a_connection_is_in_the_tables():
    """What takes an argument and is new is to be tried as well."""
    without = {"abort", "dup", "flush", "shutdown_write"}
    tried = {name.split()[0] for name in (*CALLS, *SETTINGS)} - {"idle", "interval", "count"}
    conn = __import__("netcore").Conn
    public = {name for name, value in vars(conn).items() if callable(value) and not name.startswith("_")}
    assert tried == public - without
    classes = (StreamConnection, CheckedStreamConnection, DatagramConnection, CheckedDatagramConnection)
    for cls in (*classes, DatagramConn, CheckedDatagramConn, answer.DatagramConn):
        assert all(callable(getattr(cls, name)) for name in public)
