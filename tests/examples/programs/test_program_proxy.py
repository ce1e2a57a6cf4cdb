"""The proxies among the examples, by callbacks and by coroutines, between real clients and servers."""

from __future__ import annotations

import errno
import functools
import importlib
import os
import socket
import subprocess
import threading

import pytest

from netcore import Engine
from netcore.testing.conformance import wires

pytestmark = pytest.mark.clients


@pytest.fixture
def target():
    """A listening socket to be proxied to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@pytest.fixture(params=["proxy", "async_proxy"])
def start_proxy(request, start):
    """Starts either of them."""
    return functools.partial(start, request.param)


def address_of(listener: socket.socket) -> str:
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("loops", ["1", "2"])
def test_much_goes_there_and_back(start, start_proxy, client, loops: str) -> None:
    socat = client("socat")
    echo = start("echo")
    proxy = start_proxy("--to", str(echo.addresses[0]), "--loops", loops)
    data = os.urandom(8 << 20)
    command = [socat, "-t30", "-", "TCP:{}:{}".format(*proxy.host_and_port)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=True)
    assert done.stdout == data


def test_each_direction_ends_by_itself(talk, start_proxy, target) -> None:
    proxy = start_proxy("--to", address_of(target))
    near = talk(proxy, "-N")
    far, _ = target.accept()
    with far, far.makefile("rb") as received:
        near.say("question")
        near.end()
        assert received.read() == b"question\n"  # up to the end
        far.sendall(b"answer\n")
        assert near.hear() == "answer"
        far.shutdown(socket.SHUT_WR)
        assert near.hear_all() == ""


def test_a_name_is_looked_up_and_an_answer_is_not_needed_first(talk, start_proxy, target) -> None:
    port = target.getsockname()[1]
    proxy = start_proxy("--to", f"tcp4://localhost:{port}")
    near = talk(proxy)
    far, _ = target.accept()
    with far:
        far.sendall(b"welcome\n")
        assert near.hear() == "welcome"


def test_without_a_target_the_client_is_let_go(talk, start_proxy) -> None:
    proxy = start_proxy("--to", "tcp://{}:{}".format(*wires.refusing_name()))
    near = talk(proxy)
    assert near.hear_all() == ""
    assert "refused" in proxy.log.read_text()


@pytest.mark.parametrize("up", [True, False])
def test_the_slow_side_slows_the_fast_one_down(start_proxy, target, up: bool) -> None:
    proxy = start_proxy("--to", address_of(target))
    target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    with socket.socket() as near:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        near.connect(("127.0.0.1", proxy.addresses[0].port))
        far, _ = target.accept()
        with far:
            fast, slow = (near, far) if up else (far, near)
            fast.settimeout(0.5)
            piece = os.urandom(65536)
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 256 << 20:
                    sent += fast.send(piece[sent % len(piece) :])
            fast.settimeout(30)
            thread = threading.Thread(target=fast.shutdown, args=(socket.SHUT_WR,))
            thread.start()
            slow.settimeout(30)
            got = 0
            while data := slow.recv(1 << 20):
                assert data == (piece * (len(data) // len(piece) + 2))[got % len(piece) :][: len(data)]
                got += len(data)
            thread.join(30)
            assert got == sent


@pytest.mark.wine("no error of a receive after a reset")
def test_a_reset_is_passed_on(start_proxy, target) -> None:
    proxy = start_proxy("--to", address_of(target))
    with socket.create_connection(("127.0.0.1", proxy.addresses[0].port), timeout=30) as near:
        far, _ = target.accept()
        near.sendall(b"x")
        assert far.recv(1) == b"x"
        wires.reset(far)
        with pytest.raises(ConnectionResetError):
            near.recv(1)


@pytest.mark.unix_sockets
@pytest.mark.parametrize("name", ["proxy", "async_proxy"])
def test_a_proxy_does_not_dial_itself(tmp_path, name) -> None:
    Proxy = importlib.import_module(f"examples.{name}").Proxy

    address = f"unix://{tmp_path}/proxy.sock"
    with pytest.raises(OSError, match="is the proxy itself") as refused:
        Engine(Proxy(address), address).start()
    assert refused.value.errno == errno.ELOOP
