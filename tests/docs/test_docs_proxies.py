"""The recipes for HAProxy and nginx do what their page says, with the programs themselves on other ports."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import netcore
from netcore import Address
from netcore.proxy import ProxyHeader
from netcore.testing import RecordingHandler
from netcore.tls import server_context

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "proxies.md").read_text()
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
LOCAL = "127.0.0.1"

pytestmark = pytest.mark.clients

Start = Callable[..., Address]


def block(language: str, holding: str = "") -> str:
    """Returns the page's block in a language that has some text in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in found if holding in text)


def with_ports(text: str, ports: dict[int, int]) -> str:
    """Puts other ports into a recipe, each of which it must have."""
    for written, port in ports.items():
        text, count = re.subn(rf"\b{written}\b", f"<{port}>", text)
        assert count, f"the recipe has no port {written}"
    return re.sub("[<>]", "", text)


def free_port() -> int:
    with socket.create_server((LOCAL, 0)) as sock:
        return int(sock.getsockname()[1])


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Runs a proxy, from when it listens on a port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection((LOCAL, port), timeout=30):
                break
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[Start]:
    """Starts HAProxy with a recipe: ``haproxy(text, ports)``; returns where it listens."""
    with contextlib.ExitStack() as stack:

        def start(text: str, ports: dict[int, int]) -> Address:
            path = tmp_path / "haproxy.cfg"
            front = free_port()
            path.write_text(with_ports(text, {8000: front, **ports}))
            stack.enter_context(running([program("haproxy"), "-db", "-f", str(path)], front))
            return Address("tcp", LOCAL, front)

        yield start


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Start]:
    """The same for nginx."""
    with contextlib.ExitStack() as stack:

        def start(text: str, ports: dict[int, int]) -> Address:
            path = tmp_path / "nginx.conf"
            front = free_port()
            around = f"daemon off;\npid {tmp_path}/pid;\nevents {{}}\n"
            if text.startswith("stream"):
                if not STREAM_MODULE.exists():
                    pytest.skip("nginx has no stream module")
                around = f"load_module {STREAM_MODULE};\n{around}"
            path.write_text(around + with_ports(text, {8000: front, **ports}))
            command = [program("nginx"), "-c", str(path), "-e", str(tmp_path / "error.log")]
            stack.enter_context(running(command, front))
            return Address("tcp", LOCAL, front)

        yield start


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page's own Python defines."""
    namespace: dict[str, Any] = {"netcore": netcore, "ProxyHeader": ProxyHeader}
    for name in ("class Proxied", "class Agent"):
        text = block("python", name)
        exec(re.sub(r"^(netcore\.run\(|agent = ).*", "", text, flags=re.MULTILINE | re.DOTALL), namespace)
    return namespace


class Knowing(RecordingHandler):
    """Answers with the client's address."""

    def __init__(self) -> None:
        super().__init__(on_traffic=self.tell)

    def tell(self, conn: netcore.Conn) -> None:
        conn.write(b"%s says: %s" % (str(conn.remote_address).encode(), conn.read()))

    def headers(self) -> list[ProxyHeader]:
        """Those of the connections that were opened."""
        found = [event.conn.proxy for event in self.events if event.name == "on_open" and event.conn]
        assert None not in found
        return [header for header in found if header is not None]


def ask(address: Address, *pieces: bytes, end: bool = False) -> tuple[str, bytes]:
    """Says something on a connection of its own; returns its address there, and the first answer, or all."""
    with socket.create_connection((address.host, address.port), timeout=30) as sock:
        me = "tcp://{}:{}".format(*sock.getsockname())
        for piece in pieces:
            sock.sendall(piece)
        if not end:
            return me, sock.recv(1000)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := sock.recv(1000):
            answer += piece
        return me, answer


def only_one_server(text: str) -> str:
    """Leaves the first server of the recipe, without its agent."""
    text = re.sub(r"^ +server two .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r" agent-(check|port) .*", "", text)


@pytest.mark.parametrize("check", ["check", "check check-ssl verify none"])
def test_haproxy_before_tls(serve, haproxy, pki, caplog, check):
    handler = Knowing()
    certificate, key = pki.path("server.pem"), pki.path("server.key")
    engine = serve(handler, "tls://127.0.0.1:0", tls=server_context(certificate, key), proxy_protocol=True)
    text = block("haproxy", "backend secured").replace("check", check)
    front = haproxy(text, {9443: engine.addresses[0].port})
    trust = ssl.create_default_context(cafile=pki.ca)
    with socket.create_connection((front.host, front.port), timeout=30) as sock:
        me = "tcp://{}:{}".format(*sock.getsockname())
        with trust.wrap_socket(sock, server_hostname="server.example") as secured:
            secured.sendall(b"hello")
            assert secured.recv(1000) == f"{me} says: hello".encode()
    client = handler.wait_for("on_traffic").conn
    assert client is not None and client.tls is not None and client.proxy is not None
    assert client.tls.server_name == "server.example"
    assert (client.proxy.local, client.proxy.tlvs) == (False, ())
    assert str(client.peer_address) != me
    checks = engine.metrics().accepted + 2
    deadline = time.monotonic() + 30
    while engine.metrics().accepted < checks:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "could not be opened" not in caplog.text
    assert any(header.local for header in handler.headers()) == ("check-ssl" in check)


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("send-proxy", []),
        ("send-proxy-v2", []),
        ("send-proxy-v2-ssl", [0x20]),
        ("send-proxy-v2 proxy-v2-options crc32c,unique-id", [0x03, 0x05]),
    ],
)
def test_haproxy(serve, haproxy, words, kinds):
    handler = Knowing()
    engine = serve(handler, proxy_protocol=True)
    text = only_one_server(block("haproxy")).replace("send-proxy-v2", words)
    front = haproxy(text, {9000: engine.addresses[0].port})
    me, answer = ask(front, b"hello", end=True)
    assert answer == f"{me} says: hello".encode()
    header = next(header for header in handler.headers() if str(header.source) == me)
    assert header.destination == front
    assert header.version == (1 if words == "send-proxy" else 2)
    assert [kind for kind, _ in header.tlvs] == kinds


def test_haproxy_behind_which_clients_come_by_ipv6_or_a_unix_socket(serve, haproxy, tmp_path):
    handler = Knowing()
    engine = serve(handler, proxy_protocol=True)
    sides = f"bind [::1]:8001\n    bind unix@{tmp_path}/front\n    bind 127.0.0.1:8000"
    text = only_one_server(block("haproxy")).replace("bind 127.0.0.1:8000", sides)
    other = free_port()
    haproxy(text, {9000: engine.addresses[0].port, 8001: other})
    with socket.create_connection(("::1", other), timeout=30) as sock:
        sock.sendall(b"hello")
        port = sock.getsockname()[1]
        assert sock.recv(1000) == b"tcp://[::1]:%d says: hello" % port
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(f"{tmp_path}/front")
        sock.sendall(b"hello")
        assert sock.recv(1000).startswith(b"tcp://127.0.0.1:")
    conn = next(event.conn for event in reversed(handler.events) if event.name == "on_traffic")
    assert conn.proxy.local, "not that it is so by the specification, but the page tells of it"


def test_haproxys_health_checks_are_told_apart(serve, haproxy):
    handler = Knowing()
    engine = serve(handler, proxy_protocol=True)
    haproxy(only_one_server(block("haproxy")), {9000: engine.addresses[0].port})
    handler.wait_for("on_close", 3)
    checks = [header for header in handler.headers() if header.local]
    assert len(checks) >= 2
    assert engine.metrics().proxy_failures == 0


def test_haproxy_with_tls_in_front(serve, haproxy, tmp_path):
    both = tmp_path / "both.pem"
    command = f"{program('openssl')} req -x509 -newkey rsa:2048 -nodes -subj /CN=netcore.test"
    files = ["-keyout", str(both), "-out", str(tmp_path / "certificate")]
    made = subprocess.run([*command.split(), *files], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with both.open("a") as file:
        file.write((tmp_path / "certificate").read_text())
    handler = Knowing()
    engine = serve(handler, proxy_protocol=True)
    text = only_one_server(block("haproxy")).replace(
        "send-proxy-v2", "send-proxy-v2-ssl proxy-v2-options authority"
    )
    front = haproxy(
        text.replace("bind 127.0.0.1:8000", f"bind 127.0.0.1:8000 ssl crt {both}"),
        {9000: engine.addresses[0].port},
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "certificate"))
    context.check_hostname = False
    with (
        socket.create_connection((front.host, front.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="netcore.test") as sock,
    ):
        sock.sendall(b"hello")
        assert sock.recv(1000) == "tcp://{}:{} says: hello".format(*sock.getsockname()).encode()
    header = next(header for header in handler.headers() if header.source)
    told = dict(header.tlvs)
    assert told[0x02] == b"netcore.test"
    assert told[0x20][0] & 1  # PP2_CLIENT_SSL
    assert b"TLSv1." in told[0x20]


def serve_at(port: int, handler: netcore.EventHandler, **options: object) -> netcore.Engine:
    engine = netcore.Engine(handler, f"tcp://{LOCAL}:{port}", **options)
    engine.start()
    return engine


def test_servers_are_replaced_without_a_failed_request(haproxy, page):
    engines, agents, ports = [], [], {}
    for written in (9000, 9001):
        engines.append(serve_at(0, page["Proxied"](), proxy_protocol=True))
        agent = page["Agent"]()
        agents.append((agent, serve_at(0, agent)))
        ports[written] = engines[-1].addresses[0].port
        ports[written + 100] = agents[-1][1].addresses[0].port
    front = haproxy(block("haproxy"), ports)
    failed: list[object] = []
    served = [0] * 4
    over = threading.Event()

    def request_again_and_again(which: int) -> None:
        while not over.is_set():
            try:
                me, answer = ask(front, b"hello", end=bool(which % 2))
                assert answer == f"{me} says: hello".encode(), answer
            except Exception as error:
                failed.append(error)
            else:
                served[which] += 1

    clients = [threading.Thread(target=request_again_and_again, args=(i,)) for i in range(len(served))]
    for client in clients:
        client.start()
    try:
        for i in (0, 1):
            agent, answering = agents[i]
            old, port, agent_port = engines[i], engines[i].addresses[0].port, answering.addresses[0].port
            page["leave"](old, agent)
            assert not old.running
            answering.stop()
            engines[i] = serve_at(port, page["Proxied"](), proxy_protocol=True)
            agent = page["Agent"]()
            agents[i] = agent, serve_at(agent_port, agent)
            deadline = time.monotonic() + 60
            while not engines[i].metrics().messages and time.monotonic() < deadline:
                time.sleep(0.05)  # until clients come again
            assert engines[i].metrics().messages, "no client has come to the successor"
    finally:
        over.set()
        for client in clients:
            client.join()
        for engine in (*engines, *(answering for _, answering in agents)):
            engine.stop()
    assert not failed, failed[:3]
    assert all(served)


def test_an_engine_is_replaced_behind_haproxys_back(haproxy):
    """The successor shares the listener: HAProxy need not know."""
    engine = serve_at(0, Knowing(), proxy_protocol=True)
    front = haproxy(only_one_server(block("haproxy")), {9000: engine.addresses[0].port})
    failed: list[object] = []
    served = [0] * 3
    over = threading.Event()

    def request_again_and_again(which: int) -> None:
        while not over.is_set():
            try:
                me, answer = ask(front, b"hello")
                assert answer == f"{me} says: hello".encode(), answer
                served[which] += 1
            except Exception as error:
                failed.append(error)

    clients = [threading.Thread(target=request_again_and_again, args=(i,)) for i in range(len(served))]
    for client in clients:
        client.start()
    try:
        for _ in range(5):
            successor = netcore.Engine(
                Knowing(), netcore.GivenListener(engine.dup_listener()), proxy_protocol=True
            )
            successor.start()
            engine.stop_accepting()
            assert engine.drain(30)
            engine.stop()
            engine, before = successor, sum(served)
            while sum(served) < before + 50 and not failed:
                time.sleep(0.01)
    finally:
        over.set()
        for client in clients:
            client.join()
        engine.stop()
    assert not failed, failed[:3]


def test_nginx(serve, nginx):
    handler = Knowing()
    engines = [serve(handler, proxy_protocol=True) for _ in range(2)]
    ports = {9000 + i: engine.addresses[0].port for i, engine in enumerate(engines)}
    front = nginx(block("nginx", "stream {"), ports)
    for end in (False, True):  # for the second it needs proxy_half_close
        me, answer = ask(front, b"hello", end=end)
        assert answer == f"{me} says: hello".encode()
    header = next(header for header in handler.headers() if str(header.source) == me)
    assert (header.destination, header.version) == (front, 1)


def test_nginx_for_http(serve, nginx, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    engine = serve(import_module("examples.http_server").HttpServer())
    front = nginx(block("nginx", "http {"), {8080: engine.addresses[0].port})
    client = http.client.HTTPConnection(front.host, front.port, timeout=30)
    for _ in range(3):
        client.request("GET", "/")
        response = client.getresponse()
        response.read()
        assert response.getheader("Server", "").startswith("nginx")
        assert response.status < 500
    client.close()
    assert engine.metrics().accepted <= 2  # one of them the look whether nginx is there
