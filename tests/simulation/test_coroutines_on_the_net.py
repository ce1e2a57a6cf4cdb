"""What programs of asyncio do on a simulated net: streams, datagrams, sockets, names, TLS, trouble."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pki import Pki

from netcore import Action, Conn, EventHandler
from netcore.testing.simulation import Host, Simulation

posix = pytest.mark.skipif(sys.platform == "win32", reason="asyncio has Unix sockets on POSIX systems only")


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


@pytest.fixture
def server(simulation: Simulation) -> Host:
    return simulation.host("server")


@pytest.fixture
def client(simulation: Simulation) -> Host:
    return simulation.host("client")


class Echo(EventHandler):
    def on_traffic(self, conn: Conn) -> Action | None:
        conn.write(conn.read())
        return None


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def serve_echo(**named: Any) -> None:
    listening = await asyncio.start_server(echo, port=7000, **named)
    async with listening:
        await listening.serve_forever()


async def ask(message: bytes = b"hello", **named: Any) -> bytes:
    reader, writer = await asyncio.open_connection("server", 7000, **named)
    writer.write(message)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_streams(simulation: Simulation, server: Host, client: Host) -> None:
    server.program(serve_echo)
    simulation.run(until=1)

    assert client.program(ask).result() == b"hello"
    assert 1.003 < simulation.now < 1.1


def test_much_at_once(simulation: Simulation, server: Host, client: Host) -> None:
    message = bytes(range(256)) * 10_000
    server.program(serve_echo)
    simulation.link("server", "client", latency=0.01, bandwidth=10_000_000, loss=0.01)
    simulation.run(until=1)

    async def flood() -> bytes:
        reader, writer = await asyncio.open_connection("server", 7000)
        received = asyncio.create_task(reader.readexactly(len(message)))
        for at in range(0, len(message), 100_000):
            writer.write(message[at : at + 100_000])
            await writer.drain()
        answer = await received
        writer.close()
        return answer

    assert client.program(flood).result() == message


def test_an_engine_is_dialled_by_a_program(simulation: Simulation, server: Host, client: Host) -> None:
    server.engine(Echo(), "tcp://:7000")

    async def ask_slowly() -> bytes:
        reader, writer = await asyncio.open_connection("server", 7000)
        for each in (b"a", b"b"):
            writer.write(each)
            await asyncio.sleep(60)
        answer = await reader.readexactly(2)
        writer.close()
        return answer

    assert client.program(ask_slowly).result() == b"ab"
    assert simulation.now > 120


def test_a_program_is_dialled_by_a_client(simulation: Simulation, server: Host, client: Host) -> None:
    server.program(serve_echo)
    simulation.run(until=1)
    received = []

    class Caller(EventHandler):
        def on_open(self, conn: Conn) -> Action | None:
            conn.write(b"hello")
            return None

        def on_traffic(self, conn: Conn) -> Action | None:
            received.append(conn.read())
            return Action.CLOSE

    client.dial("tcp://server:7000", handler=Caller()).result()
    simulation.run(until=lambda: received != [])

    assert received == [b"hello"]


def test_a_program_and_an_engine_share_a_host(simulation: Simulation, server: Host) -> None:
    server.engine(Echo(), "tcp://127.0.0.1:7000")

    async def local() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
        writer.write(b"here")
        answer = await reader.readexactly(4)
        writer.close()
        return answer

    assert server.program(local).result() == b"here"


def test_refused_and_unreachable(simulation: Simulation, server: Host, client: Host) -> None:
    async def try_to() -> list[str]:
        seen = []
        for host in ("10.0.0.1", "10.99.99.99"):
            try:
                await asyncio.open_connection(host, 7000)
            except OSError as error:
                seen.append(type(error).__name__)
        return seen

    assert client.program(try_to).result() == ["ConnectionRefusedError", "OSError"]


def test_datagrams(simulation: Simulation, server: Host, client: Host) -> None:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data.upper(), addr)

    class Client(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.answers: asyncio.Queue[bytes] = asyncio.Queue()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.answers.put_nowait(data)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("0.0.0.0", 7000))
        with contextlib.closing(transport):
            await loop.create_future()

    async def call() -> list[bytes]:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Client, remote_addr=("server", 7000))
        with contextlib.closing(transport):
            for each in (b"a", b"b", b"c"):
                transport.sendto(each)
            return [await protocol.answers.get() for _ in range(3)]

    server.program(serve)
    simulation.run(until=1)

    assert sorted(client.program(call).result()) == [b"A", b"B", b"C"]


@posix
def test_unix_sockets(simulation: Simulation, server: Host) -> None:
    async def main() -> bytes:
        listening = await asyncio.start_unix_server(echo, "/run/echo.sock")
        async with listening:
            reader, writer = await asyncio.open_unix_connection("/run/echo.sock")
            writer.write(b"hello")
            answer = await reader.readexactly(5)
            writer.close()
            await writer.wait_closed()
            return answer

    assert server.program(main).result() == b"hello"


def test_sockets_of_the_program_itself(simulation: Simulation, server: Host, client: Host) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener:
            listener.setblocking(False)
            listener.bind(("0.0.0.0", 7000))
            listener.listen()
            sock, _ = await loop.sock_accept(listener)
            with sock:
                while data := await loop.sock_recv(sock, 100):
                    await loop.sock_sendall(sock, data)

    async def call() -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("10.0.0.1", 7000))
            await loop.sock_sendall(sock, b"hello")
            answer = bytearray(5)
            await loop.sock_recv_into(sock, answer)
            return bytes(answer)

    server.program(serve)
    simulation.run(until=1)

    assert client.program(call).result() == b"hello"


def test_names_take_their_time_and_nobody_elses(simulation: Simulation, server: Host, client: Host) -> None:
    simulation.names.plan("server", delay=5.0)
    ticks = []

    async def main() -> object:
        async def tick() -> None:
            while True:
                ticks.append(asyncio.get_running_loop().time())
                await asyncio.sleep(1)

        ticking = asyncio.create_task(tick())
        found = await asyncio.get_running_loop().getaddrinfo("server", 80, type=socket.SOCK_STREAM)
        ticking.cancel()
        name = await asyncio.get_running_loop().getnameinfo(("10.0.0.1", 80))
        return [entry[4][:2] for entry in found], name[0]

    assert client.program(main).result() == ([("10.0.0.1", 80), ("fd00::1", 80)], "server")
    assert simulation.now > 5
    assert len(ticks) in (5, 6)


def test_names_that_are_unknown(simulation: Simulation, client: Host) -> None:
    async def main() -> None:
        await asyncio.open_connection("nobody.example", 80)

    with pytest.raises(socket.gaierror):
        client.program(main).result()


def test_a_lookup_may_be_cancelled(simulation: Simulation, server: Host, client: Host) -> None:
    simulation.names.plan("server", delay=50.0)

    async def main() -> None:
        await asyncio.wait_for(asyncio.open_connection("server", 7000), 1)

    with pytest.raises(asyncio.TimeoutError):
        client.program(main).result()
    assert simulation.now < 2


def test_a_partition_is_seen_as_silence(simulation: Simulation, server: Host, client: Host) -> None:
    server.program(serve_echo)

    async def main() -> list[str]:
        reader, writer = await asyncio.open_connection("server", 7000)
        seen = []
        for message in (b"1", b"2"):
            writer.write(message)
            try:
                seen.append((await asyncio.wait_for(reader.readexactly(1), 10)).decode())
            except asyncio.TimeoutError:
                seen.append("silence")
            await asyncio.sleep(10)
        seen.append((await reader.readexactly(1)).decode())
        writer.close()
        return seen

    simulation.run(until=1)
    simulation.call_at(5, simulation.partition, "server", "client")
    simulation.call_at(60, simulation.heal, "server", "client")

    assert client.program(main).result() == ["1", "silence", "2"]
    assert simulation.now > 60


def test_a_crash_is_silence_and_a_restart_resets(simulation: Simulation, server: Host, client: Host) -> None:
    begun = []
    ended = []

    async def serve(disk: list[str]) -> None:
        begun.append(simulation.now)
        disk.append("begun")
        try:
            await serve_echo()
        finally:
            ended.append("a crash runs no finally clause")

    async def main() -> list[str]:
        reader, writer = await asyncio.open_connection("server", 7000)
        seen = []
        while seen[-1:] != ["ConnectionResetError"]:
            writer.write(b"hello")
            try:
                await asyncio.wait_for(reader.readexactly(5), 20)
            except asyncio.TimeoutError:
                seen.append("silence")
            except OSError as error:
                seen.append(type(error).__name__)
            else:
                seen.append("an answer")
                await asyncio.sleep(2)
        writer.close()
        assert (await ask()) == b"hello"
        return seen

    disk: list[str] = []
    program = server.program(serve, disk)
    server.program(ask())
    simulation.run(until=1)
    caller = client.program(main)
    simulation.call_at(2, server.crash)
    simulation.run(until=2.5)
    assert program.done() and "crashed" in repr(program)
    with pytest.raises(RuntimeError, match="host 'server' has crashed, and program serve with it"):
        program.result()
    simulation.run(until=30)
    server.restart()

    (again,) = server.programs
    assert again is not program and again.name == "serve"
    assert caller.result()[:2] == ["an answer", "silence"]
    assert len(begun) == 2
    assert disk == ["begun", "begun"]
    assert ended == []


def test_a_host_that_crashes_itself_ends_after_that_step(simulation: Simulation, server: Host) -> None:
    after = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(server.crash)
        loop.call_soon(after.append, "the same turn")
        loop.call_later(1, after.append, "later")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        after.append("the coroutine")

    program = server.program(main)
    simulation.run(until=10)

    assert program.done()
    assert after == ["the same turn"]


def test_tls(simulation: Simulation, server: Host, client: Host, pki: Pki) -> None:
    certificate, key = pki.issue("simulated", "DNS:server")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=str(pki.ca))
    server.program(lambda: serve_echo(ssl=ours))
    simulation.run(until=1)

    async def main() -> bytes:
        reader, writer = await asyncio.open_connection("server", 7000, ssl=theirs)
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.close()
        await writer.wait_closed()
        return answer

    assert client.program(main).result() == b"hello"


@pytest.mark.parametrize(
    "start",
    [
        lambda: asyncio.create_subprocess_exec(sys.executable, "-c", ""),
        lambda: asyncio.create_subprocess_shell("true"),
    ],
)
def test_there_are_no_processes(simulation: Simulation, server: Host, start: Callable[[], Any]) -> None:
    async def main() -> None:
        await start()

    with pytest.raises(RuntimeError, match=r"starting a process cannot be simulated on host 'server'"):
        server.program(main).result()


def test_there_are_no_signals(server: Host) -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        with pytest.raises(NotImplementedError, match="no signals"):
            loop.add_signal_handler(2, print)
        return loop.remove_signal_handler(2)

    assert server.program(main).result() is False


def test_there_are_no_pipes(server: Host) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for connect in (loop.connect_read_pipe, loop.connect_write_pipe):
            with pytest.raises(NotImplementedError, match="no pipes"):
                await connect(asyncio.Protocol, sys.stdout)

    server.program(main).result()


def test_files_are_sent(simulation: Simulation, server: Host, client: Host, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(content)

    async def on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), open(tmp_path / "file", "rb") as file:
            assert await reader.read() == b"hello"
            assert await asyncio.get_running_loop().sendfile(writer.transport, file) == len(content)

    async def serve() -> None:
        async with await asyncio.start_server(on, port=7000) as listening:
            await listening.serve_forever()

    server.program(serve)
    simulation.run(until=1)
    assert client.program(ask).result() == content


def test_a_server_at_several_names_of_one_address(server: Host) -> None:
    async def main() -> list[Any]:
        async with await asyncio.start_server(echo, ["::1", "localhost", "127.0.0.1"], 7000) as listening:
            return sorted(sock.getsockname()[:2] for sock in listening.sockets)

    assert server.program(main).result() == [("127.0.0.1", 7000), ("::1", 7000)]
