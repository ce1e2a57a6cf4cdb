"""An engine with ``Options.admin``: when it answers, what it says, and what it leaves."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("h11", reason="h11 is not installed")
pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from asking import ask, connect

from netcore import Action, Address, Engine, EventHandler, OptionsError
from netcore.testing import RecordingHandler

ANY = "tcp://127.0.0.1:0"


def states(engine):
    return [(ask(engine.admin_address, path).status, ask(engine.admin_address, path).text) for path in PATHS]


PATHS = ("/health", "/ready")


def test_an_engine_without_one_has_no_address(serve):
    assert serve(EventHandler()).admin_address is None


def test_it_answers_from_before_on_boot_until_everything_has_ended(serve):
    seen = []

    def look(engine):
        seen.append(states(engine))

    engine = serve(RecordingHandler(on_boot=look, on_shutdown=look), admin=ANY)
    look(engine)
    engine.stop_accepting()
    look(engine)
    engine.stop()
    assert seen == [
        [(200, "booting\n"), (503, "booting\n")],
        [(200, "ready\n"), (200, "ready\n")],
        [(200, "draining\n"), (503, "draining\n")],
        [(503, "stopping\n"), (503, "stopping\n")],
    ]
    with pytest.raises(OSError):
        ask(engine.admin_address, "/")


def test_an_engine_accepts_once_on_boot_has_returned_and_until_it_is_told_not_to(serve):
    accepting = []
    engine = serve(RecordingHandler(on_boot=lambda engine: accepting.append(engine.accepting)))
    assert accepting == [False]
    assert engine.accepting
    engine.stop_accepting()
    assert not engine.accepting
    stopped = serve(RecordingHandler())
    stopped.stop()
    assert not stopped.accepting
    assert not Engine(EventHandler(), ANY).accepting
    with Engine(RecordingHandler(on_boot=lambda engine: Action.SHUTDOWN), ANY) as ended:
        assert not ended.accepting


def test_it_answers_while_every_loop_is_stuck(serve, dial):
    stuck, free = threading.Event(), threading.Event()

    def hang(conn):
        stuck.set()
        free.wait(30)

    engine = serve(RecordingHandler(on_traffic=hang), admin=ANY)
    sock = dial(engine)
    sock.sendall(b"x")
    assert stuck.wait(30)
    try:
        assert ask(engine.admin_address, "/health").status == 200
        assert len(ask(engine.admin_address, "/connections.json").json["connections"]) == 1
        assert b"netcore_connections{" in ask(engine.admin_address, "/metrics").body
    finally:
        free.set()


def test_its_own_traffic_is_in_no_metric_and_no_list_of_addresses(serve):
    engine = serve(EventHandler(), admin=ANY)
    for path in ("/", "/metrics", "/connections.json", "/stats.json"):
        assert ask(engine.admin_address, path).status == 200
    metrics = engine.metrics()
    assert metrics.accepted == metrics.bytes_received == metrics.bytes_sent == metrics.connections == 0
    assert engine.connections() == []
    assert len(engine.addresses) == 1
    assert engine.admin_address not in engine.addresses
    assert engine.admin_address.port != 0


def test_a_connection_is_shown_with_its_addresses(serve, dial):
    opened = threading.Event()
    engine = serve(RecordingHandler(on_open=lambda conn: opened.set()), admin=ANY, debug=True)
    sock = dial(engine)
    assert opened.wait(30)
    shown = ask(engine.admin_address, "/connections.json").json
    assert shown["total"] == 1
    (row,) = shown["connections"]
    assert row["local"] == str(engine.addresses[0])
    assert row["remote"] == str(Address("tcp", *sock.getsockname()))
    assert (row["network"], row["loop"], row["process"]) == ("tcp", 0, "0")
    assert row["id"] == engine.connections()[0].id
    assert set(row) == {
        *("id", "network", "local", "remote", "loop", "process", "age"),
        *("inbound_buffered", "outbound_buffered"),
    }


@pytest.mark.unix_sockets
def test_a_unix_socket_is_its_owners_only_and_goes_with_the_engine(serve, tmp_path):
    path = tmp_path / "admin"
    engine = serve(EventHandler(), admin=f"unix://{path}")
    if sys.platform != "win32":
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ask(engine.admin_address, "/health").status == 200
    engine.stop()
    assert not path.exists()


def test_what_cannot_be_bound_is_raised_by_start_and_leaves_nothing_open(open_descriptors):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = open_descriptors()
        port = taken.getsockname()[1]
        handler = RecordingHandler()
        engine = Engine(handler, ANY, admin=f"tcp://127.0.0.1:{port}")
        with pytest.raises(OSError, match=str(port)):
            engine.start()
        assert handler.events == []
        assert open_descriptors() == before
        assert "netcore-admin" not in [thread.name for thread in threading.enumerate()]


def test_a_start_that_fails_takes_it_down_again(open_descriptors):
    def fail(engine):
        raise ZeroDivisionError

    before = open_descriptors()
    engine = Engine(RecordingHandler(on_boot=fail), ANY, admin=ANY)
    with pytest.raises(ZeroDivisionError):
        engine.start()
    with pytest.raises(OSError):
        ask(engine.admin_address, "/")
    assert open_descriptors() == before


def test_an_engine_that_has_ended_leaves_nothing_open(serve, open_descriptors):
    before = open_descriptors()
    engine = serve(EventHandler(), admin=ANY)
    link = connect(engine.admin_address)
    engine.stop()
    link.close()
    assert open_descriptors() == before
    assert "netcore-admin" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    "address",
    ["udp://127.0.0.1:0", "tls://127.0.0.1:0", "fd://3", "http://127.0.0.1:0", "9000", 9000, None, True],
)
def test_an_address_that_is_none_for_it_is_an_error_of_the_option(address):
    with pytest.raises(OptionsError, match="option admin"):
        Engine(EventHandler(), ANY, admin=address)


def test_an_address_may_be_an_object(serve):
    assert ask(serve(EventHandler(), admin=Address.parse(ANY)).admin_address, "/health").status == 200


@pytest.mark.parametrize("missing", ["h11", "prometheus_client"])
def test_a_missing_package_is_one_sentence_before_anything_is_bound(missing):
    code = f"""
import sys
sys.modules[{missing!r}] = None
import netcore
try:
    netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0", admin="tcp://127.0.0.1:0")
except netcore.OptionsError as error:
    print(error)
netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"option admin needs the package {missing}: pip install 'netcore-io[admin]'\n"


def test_without_it_nothing_of_it_is_imported():
    code = """
import sys
import netcore
with netcore.Engine(netcore.EventHandler(), "tcp://127.0.0.1:0"):
    print([name for name in sys.modules if name.partition(".")[0] in ("h11", "prometheus_client", "rich")])
    print([name for name in sys.modules if name.startswith("netcore.admin")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


@pytest.mark.posix
def test_a_forked_child_keeps_nothing_of_it_open(serve):
    engine = serve(EventHandler(), admin=ANY)
    (read, write), (wait, go) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, b"forked")
            os.read(wait, 1)
        finally:
            os._exit(0)
    try:
        assert os.read(read, 6) == b"forked"
        assert ask(engine.admin_address, "/health").status == 200
        engine.stop()
        with pytest.raises(OSError):
            connect(engine.admin_address)
    finally:
        os.write(go, b"x")
        os.waitpid(child, 0)
        for fd in (read, write, wait, go):
            os.close(fd)


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://:0"])
def test_a_public_address_is_warned_of(serve, caplog, address):
    serve(EventHandler(), admin=address)
    assert "can be reached from other machines" in caplog.text


def test_a_private_one_is_not(serve, caplog, tmp_path: Path):
    serve(EventHandler(), admin=ANY)
    if hasattr(socket, "AF_UNIX"):
        serve(EventHandler(), admin=f"unix://{tmp_path / 'admin'}")
    assert caplog.text == ""
