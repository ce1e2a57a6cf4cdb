"""Sending files where the system call does not serve, and reading at an offset without pread(2)."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from netcore import _platform
from netcore.sockets import PureSockets, files
from netcore.testing import check_sockets


def refuse(code):
    def sendfile(fd, file, offset, count):
        raise OSError(code, os.strerror(code))

    return sendfile


@pytest.mark.usefixtures("known_to_wine")
@pytest.mark.parametrize("system_call", [None, refuse(errno.EINVAL), refuse(errno.ENOSYS)])
def test_files_are_read_where_they_cannot_be_sent(monkeypatch, system_call):
    monkeypatch.setattr(files, "SENDFILE", system_call)
    check_sockets(PureSockets)


def test_the_fallback_waits_for_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "SENDFILE", None)
    (tmp_path / "x").write_bytes(bytes(1 << 20))
    near, far = socket.socketpair()
    near.setblocking(False)
    sockets = PureSockets()
    fd = near.detach()
    sockets.attach(fd)
    with far, (tmp_path / "x").open("rb") as file:
        n = taken = 0
        while n >= 0:
            n = sockets.sendfile(fd, file.fileno(), 0, 1 << 20)
            taken += max(n, 0)
        assert n == -errno.EAGAIN
        assert taken
    sockets.close([fd])


def test_errors_are_numbers(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "SENDFILE", refuse(errno.EIO))
    near, far = socket.socketpair()
    with near, far, (tmp_path / "x").open("wb+") as file:
        assert files.send_file(lambda fd: near, near.fileno(), file.fileno(), 0, 1) == -errno.EIO


def test_reading_at_an_offset_keeps_the_position(monkeypatch, tmp_path):
    (tmp_path / "x").write_bytes(b"0123456789")
    for pread in (_platform._PREAD, None):
        monkeypatch.setattr(_platform, "_PREAD", pread)
        with (tmp_path / "x").open("rb", buffering=0) as file:
            file.seek(3)
            assert _platform.read_at(file.fileno(), 4, 5) == b"5678"
            assert _platform.read_at(file.fileno(), 4, 10) == b""
            assert file.tell() == 3
