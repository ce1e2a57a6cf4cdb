"""What ``dial`` promises settles: with slow name servers, dead addresses, a stop and a fork."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import wait

import pytest

from netcore import Client, EngineNotRunningError, EventHandler
from netcore.sockets import SocketOptions
from netcore.testing import RecordingHandler


@pytest.fixture
def slow_names(monkeypatch):
    """Makes lookups wait until the test is over; returns what they ask for."""
    over = threading.Event()
    asked = []
    real = socket.getaddrinfo

    def slow(host, *arguments, **named):
        asked.append(host)
        over.wait(30)
        return real("127.0.0.1", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield asked
    over.set()


def test_a_slow_name_server_costs_few_threads_and_what_has_timed_out_is_not_asked(slow_names, new_threads):
    with Client(EventHandler()) as client:
        futures = [client.engine.dial(f"tcp://host{i}.example:9", timeout=0.05) for i in range(2000)]
        done = wait(futures, 60)
        assert not done.not_done
        assert {type(future.exception()) for future in futures} == {TimeoutError}
        assert len(new_threads("netcore-resolve")) <= 8
        assert len(slow_names) <= 8


def test_a_stop_does_not_wait_for_lookups_and_fails_their_dials(slow_names, new_threads):
    client = Client(EventHandler())
    client.start()
    futures = [client.engine.dial(f"tcp://host{i}.example:9") for i in range(100)]
    while not slow_names:
        time.sleep(0.001)
    assert client.stop(20)
    assert new_threads("netcore-resolve"), "they go on until the end of the test"
    assert {type(future.exception(0)) for future in futures} == {EngineNotRunningError}
    assert len(slow_names) <= 8


def test_another_engine_has_threads_of_its_own(slow_names, monkeypatch, serve):
    engine = serve(RecordingHandler())
    with Client(EventHandler()) as stuck, Client(EventHandler()) as free:
        for i in range(100):
            stuck.engine.dial(f"tcp://host{i}.example:9", timeout=60)
        while len(slow_names) < 8:
            time.sleep(0.001)
        monkeypatch.undo()
        assert free.dial(f"tcp://localhost:{engine.addresses[0].port}", timeout=30).closed is False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_looks_names_up_on_threads_of_its_own(slow_names, monkeypatch, serve):
    engine = serve(RecordingHandler())
    target = f"tcp://localhost:{engine.addresses[0].port}"
    with Client(EventHandler()) as client:
        ours = [client.engine.dial(f"tcp://host{i}.example:9") for i in range(20)]
        while len(slow_names) < 8:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                monkeypatch.undo()
                for future in ours:
                    assert isinstance(future.exception(10), EngineNotRunningError)
                with Client(EventHandler()) as another:
                    another.dial(target, timeout=10)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not any(future.done() for future in ours)


def test_a_black_hole_does_not_keep_from_the_next_address(monkeypatch):
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        port = hole.getsockname()[1]
        filling = []
        for _ in range(4):  # from then on its SYNs are dropped
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            filling.append(sock)
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **named: real("127.0.0.1", *rest, **named) + real("::1", *rest, **named),
        )
        handler = RecordingHandler()
        with socket.create_server(("::1", port), family=socket.AF_INET6), Client(handler) as client:
            conn = client.dial(f"tcp://two.example:{port}", timeout=30)
            if sys.platform == "linux":
                assert conn.remote_address.host == "::1"
            assert handler.names().count("on_open") == 1
            assert client.engine.metrics().dialled == 1
        for sock in filling:
            sock.close()


@pytest.mark.posix
def test_signal_handlers_and_finalizers_dial(serve):
    engine = serve(RecordingHandler())
    targets = (engine.addresses[0], f"tcp://localhost:{engine.addresses[0].port}")
    futures = []

    class Dying:
        def __init__(self):
            self.circle = self

        def __del__(self):
            dial()

    with Client(EventHandler()) as client:

        def dial(*_):
            futures.append(client.engine.dial(targets[len(futures) % 2], timeout=60))

        before = signal.signal(signal.SIGALRM, dial)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for i in range(100):
                Dying()
                dial()
                if i % 10 == 0:
                    gc.collect()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        gc.collect()
        settled = wait(list(futures), 60)
        assert not settled.not_done
        assert {type(future.exception()) for future in settled.done} == {type(None)}
        assert len(settled.done) > 200


@pytest.mark.parametrize("network", ["tcp", "udp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_dial_does_not_connect_to_itself(monkeypatch, network, host):
    """The port is chosen here as the kernel may choose it: the very one that is dialled."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if network == "tcp" else socket.SOCK_DGRAM
    try:
        with socket.socket(family, kind) as probe:
            probe.bind((host.strip("[]"), 0))
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("needs IPv6")
    real = SocketOptions.apply

    def apply(self, sock):
        real(self, sock)
        sock.bind((host.strip("[]"), port))

    monkeypatch.setattr(SocketOptions, "apply", apply)
    handler = RecordingHandler()
    with Client(handler) as client:
        with pytest.raises(ConnectionRefusedError):
            client.dial(f"{network}://{host}:{port}", timeout=30)
        assert client.engine.metrics().dialled == client.engine.connection_count == 0
    assert "on_open" not in handler.names()
