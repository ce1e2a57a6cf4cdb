"""check_sockets says what is wrong with the datagrams of broken sockets."""

from __future__ import annotations

import errno
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from netcore.sockets import CONNECTED, PureSockets
from netcore.testing import Simulation, check_sockets
from netcore.testing.conformance import wires


class CutsShort(PureSockets):
    def __init__(self) -> None:
        super().__init__(4096)

    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        return [(b"x" * 4096 if data is None else data, name) for data, name in received], code


class DropsEmptyOnes(PureSockets):
    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        return [each for each in received if each[0]], code


class ForgetsTheSender(PureSockets):
    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        return [(data, CONNECTED) for data, _ in received], code


class IgnoresTheLimit(PureSockets):
    def receive_datagrams(self, fd, limit):
        return super().receive_datagrams(fd, 64)


class ReportsTheEnd(PureSockets):
    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        return received, code or (0 if len(received) == limit else -errno.EAGAIN)


class JoinsChunks(PureSockets):
    def send_datagrams(self, fd, chunks, names):
        return super().send_datagrams(fd, [b"".join(chunks)], names[:1])


class SkipsEmptyOnes(PureSockets):
    def send_datagrams(self, fd, chunks, names):
        kept = [i for i, chunk in enumerate(chunks) if len(chunk)]
        return super().send_datagrams(fd, [chunks[i] for i in kept], [names[i] for i in kept])


class SendsAllToTheFirst(PureSockets):
    def send_datagrams(self, fd, chunks, names):
        return super().send_datagrams(fd, chunks, names[:1] * len(chunks))


class HidesFailures(PureSockets):
    def send_datagrams(self, fd, chunks, names):
        super().send_datagrams(fd, chunks, names)
        return ()


class StopsAtAFailure(PureSockets):
    def send_datagrams(self, fd, chunks, names):
        for i, (chunk, name) in enumerate(zip(chunks, names, strict=True)):
            failures = super().send_datagrams(fd, [chunk], [name])
            if failures:
                return [(i, failures[0][1])]
        return ()


class HidesErrors(PureSockets):
    def receive_datagrams(self, fd, limit):
        return super().receive_datagrams(fd, limit)[0], 0


class RaisesErrors(PureSockets):
    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        if code:
            raise OSError(-code, "refused")
        return received, code


class ViewsOfOneBuffer(PureSockets):
    def receive_datagrams(self, fd, limit):
        received, code = super().receive_datagrams(fd, limit)
        return [(memoryview(data), name) for data, name in received], code


NO_ICMP = pytest.mark.wine("a datagram socket is not told of ICMP errors")


@pytest.fixture
def datagrams_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("netcore.testing.conformance.check_sockets")
    monkeypatch.setattr(module, "_RULES", ())


WAITED_FOR = (JoinsChunks, SkipsEmptyOnes, StopsAtAFailure)
"""These take as long as the checks are patient; on the way to the others' faults patience costs nothing."""


BROKEN = [
    (CutsShort, "does not give each datagram whole|cuts a long datagram short and does not say so"),
    (DropsEmptyOnes, "does not give each datagram whole, empty ones included"),
    (ForgetsTheSender, "does not give the packed name of the sender"),
    (IgnoresTheLimit, "with a limit of 3 gives 64"),
    (ReportsTheEnd, r"reports -\d+ where nothing went wrong"),
    (JoinsChunks, "does not send each chunk as one datagram|loses datagrams: 1 of 5"),
    (SkipsEmptyOnes, "loses datagrams: 4 of 5 arrive"),
    (SendsAllToTheFirst, "does not send each chunk to its own name"),
    (HidesFailures, "of one datagram that is too long reports"),
    (StopsAtAFailure, "a failure stops send_datagrams"),
    pytest.param(HidesErrors, "instead of ECONNREFUSED after an ICMP error", marks=NO_ICMP),
    pytest.param(RaisesErrors, "the sockets raised ConnectionRefusedError", marks=NO_ICMP),
    (ViewsOfOneBuffer, "gives something other than bytes"),
]
"""What has a fault, and what is said of it."""


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
def test_says_what_is_wrong(
    datagrams_only, broken: Callable[[], Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken in WAITED_FOR:
        monkeypatch.setattr(wires, "PATIENCE", 1.0)
    with pytest.raises(AssertionError, match=sentence) as caught:
        check_sockets(broken)
    assert str(caught.value).endswith(".")


@pytest.mark.once
@pytest.mark.parametrize(("broken", "sentence"), BROKEN)
def test_says_so_on_a_simulated_host(datagrams_only, broken: Callable[[], Any], sentence: str) -> None:
    with Simulation(0).host("a"), pytest.raises(AssertionError, match=sentence):
        check_sockets(broken)


def test_a_backend_of_streams_alone_is_not_asked(datagrams_only) -> None:
    check_sockets(object)
