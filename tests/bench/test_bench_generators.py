"""The load generators notice a server that does not do its job."""

import json
import os
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kcp_net import Line
from kcp_over_udp import echoing
from kcp_relay import Relay

from netcore.kcp import KcpOptions, wire

Reply = Callable[[bytes], bytes | None]

BROKEN = {
    "echo": (lambda data: data, 0, ""),
    "one bit off": (lambda data: data[:-1] + bytes([data[-1] ^ 1]), 1, "other bytes"),
    "shifted": (lambda data: data[1:] + data[:1], 1, "other bytes"),
}
STREAM = {
    **BROKEN,
    "twice": (lambda data: data + data, 1, "more bytes"),
    "closed": (lambda data: b"", 1, "closed by the server"),
}
DATAGRAM = {
    **BROKEN,
    "longer": (lambda data: data + b"!", 1, "another size"),
    "cut": (lambda data: data[:-1], 1, "another size"),
}


@contextmanager
def serving_stream(reply: Reply, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answers connections with what `reply` makes of each piece; b"" ends a connection, None is no answer."""

    def answer(accepted: socket.socket) -> None:
        try:
            with (
                accepted if context is None else context.wrap_socket(accepted, server_side=True) as connection
            ):
                while data := connection.recv(65536):
                    said = reply(data)
                    if said == b"":
                        break
                    connection.sendall(said or b"")
        except (ConnectionError, ssl.SSLError):
            pass  # the load generator has had enough

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # shut down
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = [threading.Thread(target=serve)]
        threads[0].start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def serving_datagrams(reply: Reply, swallow: int = 0) -> Iterator[int]:
    """Answers datagrams, except each `swallow`th; an empty one ends it."""

    def serve() -> None:
        count = 0
        while True:
            data, sender = sock.recvfrom(65536)
            if not data:
                return
            count += 1
            if not swallow or count % swallow:
                sock.sendto(reply(data) or b"", sender)

    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()[1]
        with socket.socket(type=socket.SOCK_DGRAM) as end:
            end.sendto(b"", sock.getsockname())
        thread.join(30)
        assert not thread.is_alive()


def run(
    program: str, port: int, *arguments: float, options: tuple[str, ...] = ()
) -> tuple[dict[str, Any], str]:
    for longer in (1, 10):  # where a busy machine has let nothing through in a short window
        asked = [each * longer if isinstance(each, float) else each for each in arguments]
        command = [program, *options, "127.0.0.1", str(port), *map(str, asked)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
        answer = json.loads(done.stdout)
        if answer["messages"] or answer["errors"]:
            break
    return answer, done.stderr


def check(answer: dict[str, Any], complaints: str, errors: int, complaint: str) -> None:
    assert answer["errors"] == errors
    assert (answer["messages"] > 0) == (errors == 0)
    assert complaint in complaints


@pytest.mark.parametrize(("reply", "errors", "complaint"), STREAM.values(), ids=STREAM)
def test_stream(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_stream(reply) as port:
        check(*run(generator("load_stream"), port, 1, 64, 1, 0, 0.1), errors, complaint)


@pytest.mark.parametrize(("reply", "errors", "complaint"), STREAM.values(), ids=STREAM)
def test_connect(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_stream(reply) as port:
        answer, complaints = run(generator("load_connect"), port, 1, 64, 0, 0.1)
    # A connection is over with its reply: what follows a first copy is seen only if it came with it.
    if complaint != "more bytes" or answer["errors"]:
        check(answer, complaints, errors, complaint)


KCP = {**BROKEN, "twice": STREAM["twice"]}


@pytest.mark.parametrize(("reply", "errors", "complaint"), KCP.values(), ids=KCP)
@pytest.mark.parametrize(("size", "depth"), [(64, 1), (20_000, 3)])
def test_kcp_stream(
    generator: Callable[[str], str], reply: Reply, errors: int, complaint: str, size: int, depth: int
) -> None:
    with echoing(KcpOptions(), reply) as port:
        answer, complaints = run(generator("load_stream_kcp"), port, 2, size, depth, 0, 0.5)
    # Of longer messages some bytes come back before all are sent, and then twice as many are not too many.
    if size == 64 or complaint != "more bytes":
        check(answer, complaints, 2 * errors, complaint)


@pytest.mark.parametrize(
    "line",
    [Line(doubled=0.3, delay=0.001, jitter=0.01), Line(loss=0.2, doubled=0.1, delay=0.001, jitter=0.003)],
    ids=["overtaken", "lossy"],
)
def test_kcp_over_a_bad_line(generator: Callable[[str], str], line: Line) -> None:
    with echoing(KcpOptions(dead_link=1000)) as port, Relay(port, line) as relay:
        answer, complaints = run(generator("load_stream_kcp"), relay.port, 5, 5000, 4, 0, 1.5)
        check(answer, complaints, 0, "")
        answer, complaints = run(generator("load_open_kcp"), relay.port, 5, 64, 200, 0, 1.0)
        check(answer, complaints, 0, "")
    assert answer["messages"] + answer["unanswered"] >= 200


def test_a_server_of_kcp_is_asked_whether_it_is_there(importable: None) -> None:
    from bench.process import answers_kcp, free_port

    assert not answers_kcp(free_port())
    with echoing(KcpOptions()) as port:
        assert answers_kcp(port)


def test_kcp_asks_for_a_window_that_is_closed(generator: Callable[[str], str]) -> None:
    asked = threading.Event()

    def reply(data: bytes) -> bytes:
        conversation = int.from_bytes(data[:4], "little")
        segments = wire.parse(data, conversation)
        if any(segment.command == wire.ASK for segment in segments):
            asked.set()
        told = wire.Segment(wire.TELL, 0, 128 if asked.is_set() else 0, 0, 0, 0, b"")
        answers = [told]
        for segment in segments:
            if segment.command == wire.PUSH:
                took = told._replace(timestamp=segment.timestamp, number=segment.number)
                answers += [took._replace(command=wire.ACK)]
                answers += [took._replace(command=wire.PUSH, payload=segment.payload)]
        return b"".join(wire.pack(conversation, answer) for answer in answers)

    with serving_datagrams(reply) as port:
        answer, complaints = run(generator("load_stream_kcp"), port, 1, 64, 1, 0, 0.5)
    check(answer, complaints, 0, "")
    assert asked.is_set()
    assert answer["messages"] > 1


@pytest.mark.parametrize(
    "reply",
    [lambda data: b"", lambda data: data[:-1], lambda data: bytes([data[0] ^ 1]) + data[1:]],
    ids=["nothing", "cut", "another's"],
)
def test_what_is_not_of_the_kcp_session_is_a_failure(generator: Callable[[str], str], reply: Reply) -> None:
    with serving_datagrams(reply) as port:
        answer, complaints = run(generator("load_stream_kcp"), port, 1, 64, 1, 0, 0.5)
    check(answer, complaints, 1, "not of the session")


@pytest.fixture
def context(importable: None) -> ssl.SSLContext:
    """A server's; its test is skipped where no client of TLS can be made, or no certificate."""
    from bench import certificate, toolchain

    if reason := toolchain.missing_openssl() or certificate.missing():
        pytest.skip(reason)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.files())
    return context


@pytest.mark.parametrize(("reply", "errors", "complaint"), STREAM.values(), ids=STREAM)
@pytest.mark.parametrize("size", [64, 50_000])
def test_tls_stream(
    generator: Callable[[str], str],
    context: ssl.SSLContext,
    reply: Reply,
    errors: int,
    complaint: str,
    size: int,
) -> None:
    with serving_stream(reply, context) as port:
        answer, complaints = run(generator("load_stream_tls"), port, 1, size, 1, 0, 0.1)
    if size == 64 or complaint not in ("more bytes", "closed by the server"):  # seen before all is sent
        check(answer, complaints, errors, complaint)


@pytest.mark.parametrize(("reply", "errors", "complaint"), BROKEN.values(), ids=BROKEN)
def test_tls_handshakes(
    generator: Callable[[str], str], context: ssl.SSLContext, reply: Reply, errors: int, complaint: str
) -> None:
    with serving_stream(reply, context) as port:
        check(*run(generator("load_connect_tls"), port, 2, 64, 0, 0.1), 2 * errors, complaint)
    assert context.session_stats()["hits"] == 0


def test_tls_sessions_are_resumed(generator: Callable[[str], str], context: ssl.SSLContext) -> None:
    with serving_stream(lambda data: data, context) as port:
        answer, complaints = run(generator("load_connect_tls"), port, 2, 64, 0, 0.2, options=("--resumed",))
    check(answer, complaints, 0, "")
    stats = context.session_stats()
    assert stats["hits"] >= answer["messages"] - 2
    assert stats["accept_good"] - stats["hits"] <= 2  # the first of each


def test_a_session_that_is_not_resumed_is_a_failure(
    generator: Callable[[str], str], context: ssl.SSLContext
) -> None:
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    from bench import certificate

    other.load_cert_chain(*certificate.files())
    contexts = iter([context])

    class Forgetful(ssl.SSLContext):
        def wrap_socket(self, sock: socket.socket, *args: Any, **named: Any) -> ssl.SSLSocket:
            return next(contexts, other).wrap_socket(sock, server_side=True)  # of other keys for tickets

    with serving_stream(lambda data: data, Forgetful(ssl.PROTOCOL_TLS_SERVER)) as port:
        answer, complaints = run(generator("load_connect_tls"), port, 1, 64, 0, 0.2, options=("--resumed",))
    assert (answer["messages"], answer["errors"]) == (1, 1)
    assert "the session was not resumed" in complaints


@pytest.mark.parametrize(("reply", "errors", "complaint"), STREAM.values(), ids=STREAM)
def test_open_loop(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_stream(reply) as port:
        answer, complaints = run(generator("load_open"), port, 1, 64, 100, 0, 0.1)
    assert answer["errors"] == errors
    # What is sent while the first reply is on its way may make "more" bytes only others.
    assert complaint == "more bytes" or complaint in complaints
    if not errors:
        assert answer["messages"] + answer["unanswered"] >= 10


@pytest.mark.parametrize(
    ("reply", "failure"),
    [(lambda data: data, ""), (lambda data: data[1:] + data[:1], "wrong"), (lambda data: b"", "reset")],
    ids=["echo", "shifted", "closed"],
)
def test_arrivals(generator: Callable[[str], str], reply: Reply, failure: str) -> None:
    with serving_stream(reply) as port:
        answer, complaints = run(generator("load_arrivals"), port, 64, 200, 0, 0.5)
    assert not complaints
    kinds = {kind: answer[kind] for kind in ("refused", "reset", "wrong", "unanswered")}
    assert {kind for kind, count in kinds.items() if count} == ({failure} if failure else set())
    if failure:
        assert answer["messages"] == 0
        assert kinds[failure] > 50
    else:
        assert answer["messages"] > 50
        assert 0 < answer["p50_us"] <= answer["longest_us"] * 1.02  # a histogram's step
        assert 0 < answer["gap_us"] <= 0.6e6


def test_arrivals_where_nobody_listens(generator: Callable[[str], str], importable: None) -> None:
    from bench.process import free_port

    answer, complaints = run(generator("load_arrivals"), free_port(), 64, 200, 0, 0.2)
    assert not complaints
    assert answer["refused"] > 20
    assert answer["messages"] == answer["unanswered"] == 0


def test_arrivals_go_on_while_nobody_accepts(generator: Callable[[str], str]) -> None:
    stall, seen = 0.3, 0

    def hesitate(data: bytes) -> bytes | None:
        nonlocal seen
        seen += 1
        if seen == 20:
            threading.Event().wait(stall)
        return None if seen == 40 else data

    with serving_stream(hesitate) as port:
        answer, _ = run(generator("load_arrivals"), port, 64, 200, 0, 0.5)
    assert answer["unanswered"] == 1
    assert answer["messages"] > 50  # each connection has a thread, and waits for none but its own
    assert answer["longest_us"] >= 3e6  # that of the one without an answer, for which it was waited


@pytest.mark.parametrize(("reply", "errors", "complaint"), BROKEN.values(), ids=BROKEN)
def test_mixed(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_stream(reply) as port:
        answer, complaints = run(generator("load_mixed"), port, 3, 64, 1000, 4, 0, 0.5)
    check(answer, complaints, 4 * errors, complaint)  # each of the connections, the heavy one as well
    assert (answer["bulk_bytes"] > 0) == (errors == 0)
    assert answer["bulk_bytes"] % 1000 == 0


@pytest.mark.parametrize(("reply", "errors", "complaint"), BROKEN.values(), ids=BROKEN)
def test_mostly_idle(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_stream(reply) as port:
        answer, complaints = run(generator("load_idle"), port, 5, 64, 2, 0, 0.5)
    check(answer, complaints, 2 * errors, complaint)  # those that were active
    assert answer["server_pss_bytes"] == 0  # no process was named


def test_idle_connections_have_their_turns(generator: Callable[[str], str]) -> None:
    turns: dict[int, int] = {}
    under_way: list[int] = []

    def count(data: bytes) -> bytes:
        turns[threading.get_ident()] = turns.get(threading.get_ident(), 0) + len(data) // 64
        under_way.append(len(data))
        return data

    with serving_stream(count) as port:
        run(generator("load_idle"), port, 10, 64, 1, 0, 0.5)
    assert set(under_way) == {64}
    assert len(turns) == 10
    assert max(turns.values()) - min(turns.values()) <= 1


def test_memory_of_the_server_is_read(generator: Callable[[str], str]) -> None:
    with serving_stream(lambda data: data) as port:
        answer, _ = run(generator("load_idle"), port, 2, 64, 1, 0, 0.05, os.getpid())
    assert answer["server_pss_bytes"] > 1 << 20


def test_the_time_of_a_server_is_that_of_all_its_processes(generator: Callable[[str], str]) -> None:
    with serving_stream(lambda data: data) as port:
        one, _ = run(generator("load_stream"), port, 2, 64, 1, 0, 0.2, os.getpid())
        twice, _ = run(generator("load_stream"), port, 2, 64, 1, 0, 0.2, os.getpid(), os.getpid())
    times = [answer["server_cpu_seconds"] / answer["messages"] for answer in (one, twice)]
    assert times[1] > 1.2 * times[0] > 0  # about twice as much


def test_an_open_loop_does_not_wait_for_a_server_that_stalls(generator: Callable[[str], str]) -> None:
    stall, seen = 0.3, 0

    def hesitate(data: bytes) -> bytes:
        nonlocal seen
        seen += 1
        if seen == 20:
            threading.Event().wait(stall)
        return data

    with serving_stream(hesitate) as port:
        answer, _ = run(generator("load_open"), port, 1, 64, 500, 0, 1.0)
    assert answer["errors"] == 0
    assert answer["messages"] + answer["unanswered"] >= 500
    # 150 messages were due meanwhile, each of which waited for the rest of the stall; a closed loop would
    # have sent one.
    assert answer["p999_us"] > 0.9 * stall * 1e6
    assert answer["p99_us"] > 0.8 * stall * 1e6


def test_what_an_open_loop_has_no_answer_to_counts_with_its_age(generator: Callable[[str], str]) -> None:
    with serving_stream(lambda data: None) as port:
        answer, _ = run(generator("load_open"), port, 3, 64, 300, 0, 0.5)
    assert (answer["errors"], answer["messages"]) == (0, 0)
    assert answer["unanswered"] >= 150
    assert answer["p50_us"] > 0.2e6
    assert answer["p999_us"] > 0.4e6


@pytest.mark.parametrize(("reply", "errors", "complaint"), DATAGRAM.values(), ids=DATAGRAM)
def test_datagram(generator: Callable[[str], str], reply: Reply, errors: int, complaint: str) -> None:
    with serving_datagrams(reply) as port:
        check(*run(generator("load_datagram"), port, 1, 64, 4, 0, 0.1), errors, complaint)


def test_lost_datagrams_are_counted_and_replaced(generator: Callable[[str], str]) -> None:
    with serving_datagrams(lambda data: data, swallow=50) as port:
        answer, _ = run(generator("load_datagram"), port, 2, 64, 4, 0, 1.0)
    assert answer["errors"] == 0
    assert answer["lost"] > 0
    assert answer["messages"] > 49 * answer["lost"] / 2


def test_frames_are_framed(generator: Callable[[str], str]) -> None:
    seen = bytearray()

    def remember(data: bytes) -> bytes:
        seen.extend(data)
        return data

    with serving_stream(remember) as port:
        answer, _ = run(generator("load_stream"), port, 1, 1000, 16, 0, 0.05, options=("--frames",))
    assert answer["errors"] == 0
    frames = len(seen) // 1004
    assert frames > 16
    assert all(struct.unpack_from(">I", seen, i * 1004) == (1000,) for i in range(frames))


def test_naps_between_replies(generator: Callable[[str], str]) -> None:
    with serving_stream(lambda data: data) as port:
        answer, complaints = run(generator("load_stream"), port, 5, 64, 1, 0, 0.2, options=("--naps",))
    check(answer, complaints, 0, "")
    assert answer["p50_us"] >= 490  # of the 500 that it sleeps for, but for a histogram's step
    assert answer["messages"] <= 5 * 0.2 / 490e-6


def test_lines_are_lines(generator: Callable[[str], str]) -> None:
    seen = bytearray()

    def remember(data: bytes) -> bytes:
        seen.extend(data)
        return data

    with serving_stream(remember) as port:
        answer, _ = run(generator("load_stream"), port, 1, 500, 16, 0, 0.05, options=("--lines",))
    assert answer["errors"] == 0
    lines = bytes(seen).split(b"\n")[:-1]
    assert len(lines) > 16
    assert {len(line) for line in lines} == {499}


@pytest.mark.parametrize("server", ["echo_epoll", "frames_epoll"])
def test_messages_larger_than_socket_buffers_with_several_under_way(
    generator: Callable[[str], str], importable: None, server: str
) -> None:
    from bench.process import free_port

    frames = server == "frames_epoll"
    port = free_port()
    with subprocess.Popen([generator(server), str(port)]) as process:
        try:
            wait_for(port)
            size, options = (60_000, ("--frames",)) if frames else (3_000_000, ())
            answer, complaints = run(
                generator("load_stream"), port, 3, size, 30, 0, 0.3, process.pid, options=options
            )
        finally:
            process.kill()
    assert not complaints
    assert answer["messages"] > 0
    assert answer["server_cpu_seconds"] >= 0


def wait_for(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=30).close()
            return
        except ConnectionRefusedError:
            threading.Event().wait(0.01)
    raise AssertionError("the server does not accept")
