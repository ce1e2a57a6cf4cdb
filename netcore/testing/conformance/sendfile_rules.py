"""What sending a part of a file must do."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from netcore.testing.conformance.rules import require
from netcore.testing.conformance.send_rules import DEAD
from netcore.testing.conformance.sockets_bench import SocketsBench, receive_exactly

__all__ = ["SENDFILE_RULES"]

_SIZE: Final = 100_003
_POSITION: Final = 17


@contextmanager
def _file() -> Iterator[tuple[int, bytes]]:
    """Makes a file with random bytes, positioned where no sending should begin."""
    content = random.Random(1).randbytes(_SIZE)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        os.lseek(file.fileno(), _POSITION, os.SEEK_SET)
        yield file.fileno(), content


def _sends_the_part(bench: SocketsBench) -> None:
    for tcp in (False, True):
        fd, peer = bench.pair(tcp)
        with _file() as (file, content):
            for offset, count in ((0, 10), (1, 8192), (_SIZE - 5, 5), (_SIZE - 5, 1000), (0, _SIZE)):
                end = min(offset + count, _SIZE)
                got = b""
                while len(got) < end - offset:
                    at = offset + len(got)
                    n = bench.sockets.sendfile(fd, file, at, count - len(got))
                    require(n > 0, f"sendfile() of {count} bytes to a peer that receives gives {n}.")
                    require(n <= end - at, f"sendfile() gives {n} where {end - at} bytes are to be sent.")
                    got += receive_exactly(peer, n, "sendfile() counts bytes that do not arrive.")
                require(got == content[offset:end], "sendfile() does not send the bytes from the offset on.")
            position = os.lseek(file, 0, os.SEEK_CUR)
            require(position == _POSITION, "sendfile() moves the position of the file.")


def _tells_the_end_of_the_file(bench: SocketsBench) -> None:
    fd, _ = bench.pair()
    with _file() as (file, _content):
        for offset in (_SIZE, _SIZE + 1000):
            n = bench.sockets.sendfile(fd, file, offset, 10)
            require(n == 0, f"sendfile() from byte {offset} of {_SIZE} gives {n} instead of 0.")


def _tells_that_the_kernel_is_full(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    with _file() as (file, content):
        taken = 0
        while (n := bench.sockets.sendfile(fd, file, taken % _SIZE, _SIZE)) > 0 and taken < 1 << 28:
            taken += n
        require(n == -errno.EAGAIN, f"sendfile() to a peer that does not receive gives {n}, not -EAGAIN.")
        got = receive_exactly(peer, taken, "sendfile() counts bytes that do not arrive.")
        require(got == (content * (taken // _SIZE + 1))[:taken], "a full socket changes bytes of a file.")
        n = bench.sockets.sendfile(fd, file, 0, 10)
        require(n == 10, f"sendfile() of 10 bytes to a socket that has room again gives {n}.")


def _reports_errors_of_files(bench: SocketsBench) -> None:
    fd, peer = bench.pair()
    peer.close()
    bench.until_dead(fd)
    with _file() as (file, _):
        n = bench.sockets.sendfile(fd, file, 0, 10)
        require(n in DEAD, f"sendfile() to a dead connection gives {n} instead of a negative errno.")


SENDFILE_RULES: Final[tuple[Callable[[SocketsBench], None], ...]] = (
    _sends_the_part,
    _tells_the_end_of_the_file,
    _tells_that_the_kernel_is_full,
    _reports_errors_of_files,
)
