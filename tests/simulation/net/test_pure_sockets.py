"""netcore's own sockets in Python over simulated ones: where they need more than ``socket.socket`` has."""

from __future__ import annotations

import errno
import socket
import tempfile

import pytest
from simulated import Yard

from netcore.sockets import Endpoint, PureSockets, SocketOptions
from netcore.testing.simulation.net.kernel import Kernel

pytestmark = pytest.mark.usefixtures("in_place")


def connected(yard: Yard, sockets: PureSockets) -> tuple[int, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, code = sockets.connect(
            Endpoint(socket.AF_INET, listener.getsockname()), socket.SOCK_STREAM, SocketOptions()
        )
        assert code == -errno.EINPROGRESS
        assert sockets.connected(fd) == -errno.EINPROGRESS
        peer, _ = listener.accept()
    assert sockets.connected(fd) == 0
    return fd, peer


def test_a_file_is_sent_by_reading_it(yard: Yard, host: Kernel) -> None:
    sockets = PureSockets()
    fd, peer = connected(yard, sockets)
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        assert sockets.sendfile(fd, file.fileno(), 2, 5) == 5
        assert sockets.sendfile(fd, file.fileno(), 10, 5) == 0
        number = file.fileno()
    assert peer.recv(10) == b"23456"
    assert sockets.sendfile(fd, number, 0, 5) == -errno.EBADF
    sockets.close([fd])
    peer.close()


def test_a_reset_does_not_wait_for_duplicates(yard: Yard, host: Kernel) -> None:
    sockets = PureSockets()
    fd, peer = connected(yard, sockets)
    with sockets.borrow(fd) as sock:
        copy = sock.dup()
    sockets.reset(fd)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    with pytest.raises(OSError, match=str(errno.ENOTCONN)):
        copy.getpeername()
    copy.close()
    peer.close()


@pytest.mark.unix_sockets
def test_a_reset_of_a_unix_socket_ends_it_for_duplicates(yard: Yard, host: Kernel) -> None:
    sockets = PureSockets()
    near, peer = socket.socketpair()
    copy = near.dup()
    fd = near.detach()
    sockets.attach(fd)
    sockets.reset(fd)
    assert peer.recv(1) == b""
    copy.close()
    peer.close()


def test_descriptors_run_out(yard: Yard, host: Kernel) -> None:
    sockets = PureSockets()
    listener = socket.create_server(("127.0.0.1", 0))
    clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
    yard.run(0.1)
    sockets.attach(listener.fileno())
    host.descriptor_limit = 4
    accepted, error = sockets.accept(listener.fileno(), 8)
    assert len(accepted) == 1
    assert error == -errno.EMFILE
    name = Endpoint(socket.AF_INET, listener.getsockname())
    assert sockets.connect(name, socket.SOCK_STREAM, SocketOptions()) == (-1, -errno.EMFILE)
    with pytest.raises(OSError, match=str(errno.EMFILE)):
        listener.dup()
    clients.pop().close()
    accepted += sockets.accept(listener.fileno(), 8)[0]
    assert len(accepted) == 2
    for fd, _ in accepted:
        host.close(fd)
    clients[0].close()
    sockets.release([listener.detach()])
