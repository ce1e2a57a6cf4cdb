"""What a loop makes of many sockets, and of those that are closed behind its back."""

import asyncio
import contextlib
import socket

import pytest

from netcore.aio import EventLoop, run


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@contextlib.contextmanager
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def test_hundreds_of_connections():
    count = 200

    async def client(n, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for line in (b"%d\n" % n, b"x" * 5000 + b"\n"):
            writer.write(line)
            assert await reader.readline() == line
        return writer

    async def main():
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=count)
        async with server:
            port = server.sockets[0].getsockname()[1]
            writers = await asyncio.gather(*(client(n, port) for n in range(count)))
            for writer in writers:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for writer in writers))

    run(main())


def test_a_server_of_several_addresses():
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, ["127.0.0.1", "127.0.0.2"], 0)
        async with server:
            names = sorted(sock.getsockname() for sock in server.sockets)
            assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
            for name in names:
                reader, writer = await asyncio.open_connection(*name)
                writer.write(b"here\n")
                assert await reader.readline() == b"here\n"
                writer.close()
                await writer.wait_closed()

    run(main())


def test_a_listener_that_is_closed_behind_its_back():
    async def main():
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=listener)
        await asyncio.sleep(0)
        socket.close(listener.detach())
        await asyncio.sleep(0.01)
        with socket.socket():  # takes the number, under which the listener is still known
            server.close()
            again = await loop.create_server(Echo, "127.0.0.1", 0)
            async with again:
                reader, writer = await asyncio.open_connection(*again.sockets[0].getsockname())
                writer.write(b"still\n")
                assert await reader.readline() == b"still\n"
                writer.close()
                await writer.wait_closed()

    run(main())


def test_a_socket_that_is_closed_while_somebody_waits_for_it():
    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        waiting = asyncio.ensure_future(loop.sock_recv(ours, 100))
        await asyncio.sleep(0)
        ours.close()
        theirs.close()
        await asyncio.sleep(0.01)  # nothing comes of it, as on the standard library's loop over a selector
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pair() as (one, other):  # on the same numbers, as a rule
            receiving = asyncio.ensure_future(loop.sock_recv(one, 100))
            await loop.sock_sendall(other, b"well")
            return await receiving

    assert run(main()) == b"well"


def test_readers_and_writers():
    async def main():
        loop = asyncio.get_running_loop()
        with pair() as (one, other):
            writable, readable = loop.create_future(), loop.create_future()
            loop.add_writer(one, lambda: writable.done() or writable.set_result(None))
            loop.add_reader(one, lambda: readable.done() or readable.set_result(one.recv(10)))
            await writable
            assert loop.remove_writer(one)
            other.send(b"there")
            assert await readable == b"there"
            assert loop.remove_reader(one)
            assert not loop.remove_reader(one)

    run(main())


@pytest.mark.wine("a datagram socket is not told of ICMP errors", run=False)
def test_nobody_takes_the_datagram():
    class Sender(asyncio.DatagramProtocol):
        def __init__(self):
            self.error = asyncio.get_running_loop().create_future()

        def error_received(self, error):
            if not self.error.done():
                self.error.set_result(error)

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            address = sock.getsockname()
        transport, sender = await loop.create_datagram_endpoint(Sender, remote_addr=address)
        transport.sendto(b"anybody?")
        error = await asyncio.wait_for(sender.error, 10)
        assert not transport.is_closing()
        transport.close()
        return error

    assert isinstance(run(main()), ConnectionError)


def test_a_poller_of_ones_own_is_closed_with_the_loop():
    loop = EventLoop("select")
    poller = loop.poller
    loop.close()
    with pytest.raises(ValueError, match="closed"):
        poller.wake()
