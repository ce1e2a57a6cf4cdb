"""What the outcomes of connecting are called, whatever the system calls them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest

from netcore import UnsupportedOperationError
from netcore._platform import pack_linger
from netcore.sockets import Endpoint, NativeSockets, PureSockets, SocketOptions, Sockets, options, unpack_name
from netcore.sockets.connecting import connect_result

BACKENDS = [PureSockets, pytest.param(NativeSockets, marks=pytest.mark.native)]
IPV4 = Endpoint(socket.AF_INET, ("127.0.0.1", 9))
UNIX = Endpoint(getattr(socket, "AF_UNIX", -1), "/nowhere")
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def outcome(monkeypatch: pytest.MonkeyPatch, result: int | Exception, endpoint: Endpoint, kind: int) -> int:
    """Connects where connect(2) gives what it is told to, and closes what is left open."""

    def connect_ex(sock: socket.socket, name: object) -> int:
        if isinstance(result, int):
            return result
        raise result

    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    sockets = PureSockets()
    fd, code = sockets.connect(endpoint, kind, SocketOptions())
    assert (fd >= 0) == (code in (0, -errno.EINPROGRESS))
    if fd >= 0:
        sockets.close([fd])
    return code


@pytest.mark.parametrize("code", ["EINPROGRESS", "EALREADY", "WSAEWOULDBLOCK"])
def test_what_is_under_way_has_one_name(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    if hasattr(errno, code):
        assert outcome(monkeypatch, getattr(errno, code), IPV4, STREAM) == -errno.EINPROGRESS


@pytest.mark.parametrize("kind", [STREAM, DATAGRAM])
def test_without_a_local_port_nothing_is_under_way(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    assert outcome(monkeypatch, errno.EAGAIN, IPV4, kind) == -errno.EADDRNOTAVAIL


@pytest.mark.unix_sockets
def test_a_full_backlog_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(monkeypatch, errno.EAGAIN, UNIX, STREAM) == -errno.EAGAIN
    assert outcome(monkeypatch, errno.EINPROGRESS, UNIX, STREAM) == -errno.EINPROGRESS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENETUNREACH, "no way"), -errno.ENETUNREACH),
        (OSError("an error of the library's own"), -errno.EINVAL),
        (socket.gaierror(-2, "no address"), -errno.EINVAL),
    ],
)
def test_what_is_raised_becomes_a_number(monkeypatch: pytest.MonkeyPatch, error: OSError, code: int) -> None:
    assert outcome(monkeypatch, error, IPV4, STREAM) == code


@pytest.mark.unix_sockets
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_path_that_is_too_long(backend: Callable[[], Sockets]) -> None:
    endpoint = Endpoint(UNIX.family, "/x" * 200)
    assert backend().connect(endpoint, STREAM, SocketOptions()) == (-1, -errno.ENAMETOOLONG)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_family_that_does_not_exist(backend: Callable[[], Sockets]) -> None:
    fd, code = backend().connect(Endpoint(250, ""), STREAM, SocketOptions())
    assert fd == -1
    assert code < 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_options_that_fail_leave_nothing_open(
    backend: Callable[[], Sockets], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    def apply(self: SocketOptions, sock: socket.socket) -> None:
        made.append(sock)
        raise errors.pop()

    monkeypatch.setattr(options.SocketOptions, "apply", apply)
    errors: list[Exception] = [UnsupportedOperationError("not here"), OSError(errno.EPERM, "not you")]
    assert backend().connect(IPV4, STREAM, SocketOptions()) == (-1, -errno.EPERM)
    with pytest.raises(UnsupportedOperationError):
        backend().connect(IPV4, STREAM, SocketOptions())
    assert [sock.fileno() for sock in made] == [-1, -1]


class Answers:
    """A socket whose kernel answers as it is told to.

    Attributes:
        shown: The one that is looked at in its stead, for whether it is writable.
    """

    shown: socket.socket

    def __init__(self, code: int | OSError, name: OSError | None = None) -> None:
        self.code, self.name = code, name

    def fileno(self) -> int:
        return self.shown.fileno()

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        if isinstance(self.code, int):
            return self.code
        raise self.code

    def getpeername(self) -> tuple[str, int]:
        if self.name is not None:
            raise self.name
        return "127.0.0.1", 9


def failure(code: int) -> OSError:
    return OSError(code, "as told")


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        (Answers(0), 0),
        (Answers(errno.ECONNREFUSED), -errno.ECONNREFUSED),
        (Answers(errno.ECONNREFUSED, failure(errno.ENOTCONN)), -errno.ECONNREFUSED),
        (Answers(0, failure(errno.EINVAL)), 0),
        (Answers(failure(errno.EINVAL)), 0),
        (Answers(0, failure(errno.ENOBUFS)), -errno.ENOBUFS),
    ],
)
def test_what_the_kernel_says_of_a_connection(answers: Answers, result: int) -> None:
    assert connect_result(answers) == result  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [errno.ENOTCONN, errno.EINPROGRESS])
def test_what_is_not_connected_and_yet_reported_was_reset(code: int) -> None:
    """Windows has no error for what was reset as soon as it was connected."""
    answers = Answers(0, failure(code))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # which is never writable
        answers.shown = listener
        assert connect_result(answers) == -errno.EINPROGRESS  # type: ignore[arg-type]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answers.shown = ours
        assert connect_result(answers) == -errno.ECONNRESET  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reset_whose_error_was_told_already(backend: Callable[[], Sockets]) -> None:
    sockets = backend()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, _ = sockets.connect(Endpoint(socket.AF_INET, listener.getsockname()), STREAM, SocketOptions())
        accepted, _ = listener.accept()
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
    accepted.close()
    codes = [sockets.connected(fd) for _ in range(2)]
    assert codes[1] == -errno.ECONNRESET, codes
    sockets.close([fd])


@pytest.mark.native
def test_a_connection_is_asked_for_without_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """BSD has none for a socket that could not connect, and without a family an object asks for it."""
    given: list[object] = []
    make = socket.socket.__init__

    def init(self: socket.socket, *arguments: object, **named: object) -> None:
        given.append(arguments)
        make(self, *arguments, **named)  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        sockets = NativeSockets()
        fd, _ = sockets.connect(Endpoint(socket.AF_INET, listener.getsockname()), STREAM, SocketOptions())
        monkeypatch.setattr(socket.socket, "__init__", init)
        sockets.connected(fd)
        assert given
        assert all(given)
        sockets.close([fd])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_peer_of_a_datagram_socket(backend: Callable[[], Sockets]) -> None:
    sockets = backend()
    with socket.socket(socket.AF_INET, DATAGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        endpoint = Endpoint(socket.AF_INET, peer.getsockname())
        fd, code = sockets.connect(endpoint, DATAGRAM, SocketOptions())
        assert code == 0
        assert sockets.connected(fd) == 0
        address = unpack_name(sockets.remote_name(fd), "udp")
        assert (address.host, address.port) == endpoint.name
        sockets.close([fd])
