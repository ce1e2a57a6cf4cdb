"""One engine after the other on the same socket, and who removes its file."""

from __future__ import annotations

import os
import socket

import pytest

from netcore import Action, Engine, EventHandler, GivenListener
from netcore.testing import RecordingHandler

unix_sockets = pytest.mark.unix_sockets


def echo(conn):
    conn.write(conn.read())


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.sock")


@pytest.fixture
def given(path):
    """The descriptor of a Unix listener that somebody else has bound."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(16)
    yield sock.detach()
    sock.close()


def served(path, receive):
    """Asks whoever serves a path."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        client.sendall(b"who")
        return receive(client, 3) == b"who"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", pytest.param("unix", marks=unix_sockets)])
def test_no_connection_is_lost_between_two_engines(serve, dial, receive, path, address):
    first = serve(EventHandler(), f"unix://{path}" if address == "unix" else address)
    fd = first.dup_listener()
    where = first.addresses[0]
    first.stop()
    early = dial(first)  # nobody accepts now: it waits in the backlog
    early.sendall(b"early")
    second = serve(RecordingHandler(on_traffic=echo), GivenListener(fd, unlink=True))
    assert second.addresses == (where,)
    assert receive(early, 5) == b"early"


@unix_sockets
def test_the_successors_file_stays_and_goes_with_the_successor(serve, receive, path):
    handler = RecordingHandler(on_traffic=echo)
    predecessor = serve(EventHandler(), f"unix://{path}")
    successor = serve(handler, GivenListener(predecessor.dup_listener(), unlink=True))
    predecessor.stop()
    assert served(path, receive)
    assert handler.names().count("on_open") == 1, "the predecessor's look was a connection"
    third = serve(RecordingHandler(on_traffic=echo), GivenListener(successor.dup_listener(), unlink=True))
    successor.stop()
    assert served(path, receive)
    third.stop()
    assert not os.path.exists(path)


@unix_sockets
@pytest.mark.parametrize("fails", ["at start", "in on_boot", "later"])
def test_a_successor_that_fails_leaves_the_file_to_the_predecessor(serve, receive, path, fails):
    predecessor = serve(RecordingHandler(on_traffic=echo), f"unix://{path}")
    fd = predecessor.dup_listener()
    handler = RecordingHandler(on_boot=lambda engine: 1 / 0 if fails == "in on_boot" else None)
    others = ["tcp://192.0.2.1:9"] * (fails == "at start")  # TEST-NET-1, which nobody's interface has
    successor = Engine(handler, GivenListener(fd, unlink=True), *others)
    if fails == "later":
        successor.start()
        successor.stop()
    else:
        with pytest.raises((OSError, ZeroDivisionError)):
            successor.start()
        assert not os.get_blocking(fd), "the predecessor's listener blocks now"
        os.close(fd)
    assert served(path, receive)
    predecessor.stop()
    assert not os.path.exists(path)


@unix_sockets
def test_a_file_stays_as_long_as_the_duplicate_of_a_listener_is_open(serve, path):
    engine = serve(EventHandler(), f"unix://{path}")
    with socket.socket(fileno=engine.dup_listener(f"unix://{path}")):
        engine.stop()
        assert os.path.exists(path)


@unix_sockets
@pytest.mark.parametrize("unlink", [True, False])
def test_the_file_goes_with_the_duty_alone(serve, receive, path, given, unlink):
    engine = serve(RecordingHandler(on_traffic=echo), GivenListener(given, unlink=unlink))
    assert served(path, receive)
    engine.stop_accepting()
    engine.stop()
    assert os.path.exists(path) is not unlink


@unix_sockets
def test_the_plain_address_of_a_descriptor_leaves_the_file(serve, path, given):
    serve(EventHandler(), f"fd://{given}").stop()
    assert os.path.exists(path)


@unix_sockets
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["nothing", "file", "socket"])
def test_what_has_taken_the_files_place_stays(serve, path, given, when, what):
    other = socket.socket(socket.AF_UNIX)

    def replace():
        os.unlink(path)
        if what == "file":
            with open(path, "w") as file:
                file.write("precious")
        elif what == "socket":
            other.bind(path)

    with other:
        if when == "before":
            replace()
        engine = serve(EventHandler(), GivenListener(given, unlink=True))
        if when == "after":
            replace()
        engine.stop()
        assert os.path.exists(path) == (what != "nothing")


@unix_sockets
def test_a_relative_path_is_found_again_from_elsewhere(serve, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("x.sock")
        sock.listen()
        engine = serve(EventHandler(), GivenListener(sock.detach(), unlink=True))
    assert str(engine.addresses[0]) == "unix://x.sock"
    monkeypatch.chdir("/")
    engine.stop()
    assert not (tmp_path / "x.sock").exists()


@unix_sockets
@pytest.mark.parametrize("end", ["shutdown", "stop", "error"])
def test_the_duty_begins_when_on_boot_has_returned(path, given, end):
    def on_boot(engine):
        if end == "error":
            raise ZeroDivisionError
        return Action.SHUTDOWN if end == "shutdown" else engine.stop(30) and None

    engine = Engine(RecordingHandler(on_boot=on_boot), GivenListener(given, unlink=True))
    try:
        engine.start()
    except ZeroDivisionError:
        os.close(given)
    assert engine.join(30)
    assert os.path.exists(path) == (end == "error")
