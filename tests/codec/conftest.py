"""Feeding decoders in every way that a network could."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from netcore._native import MISSING
from netcore.codec import Codec, Decoder
from netcore.connection import Limits
from netcore.errors import FrameError
from netcore.eventloop import Loop, Shared
from netcore.poll import open_poller
from netcore.sockets import open_sockets
from netcore.testing import ManualClock

Result = bytes | type[FrameError]


def drain(decoder: Decoder) -> list[Result]:
    """Takes everything there is, one frame at a time; an error is shown as its class."""
    results: list[Result] = []
    while True:
        try:
            frame = decoder.next_frame()
        except FrameError as error:
            results.append(type(error))
            continue
        if frame is None:
            return results
        assert type(frame) is bytes
        results.append(frame)


def drain_in_batches(decoder: Decoder) -> list[Result]:
    """Takes everything there is through ``next_frames``."""
    results: list[Result] = []
    while True:
        try:
            frames = list(decoder.next_frames())
        except FrameError as error:
            results.append(type(error))
            continue
        if not frames:
            return results
        results += frames


def decode(
    decoder: Decoder, pieces: Iterable[bytes], take: Callable[[Decoder], list[Result]]
) -> list[Result]:
    results: list[Result] = []
    for piece in pieces:
        decoder.feed(piece)
        results += take(decoder)
    return results


def cut(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """Cuts data into pieces of random length, mostly short ones."""
    at = 0
    while at < len(data):
        size = rng.choice((1, 2, 3, 5, 17, 100, 1000))
        yield data[at : at + size]
        at += size


def splittings(data: bytes) -> Iterator[Sequence[bytes]]:
    """Yields the data whole, byte by byte, in two at each place (some places of long data), at random."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for i in range(1, len(data), max(1, len(data) // 40)):
        yield [data[:i], data[i:]]
    for seed in range(10):
        yield list(cut(data, random.Random(seed)))


@pytest.fixture(params=["native", "pure"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes codecs search natively, however little there is, or in Python."""
    if request.param == "native" and MISSING:
        pytest.skip(MISSING)
    monkeypatch.setenv("NETCORE_CODEC", request.param)
    monkeypatch.setattr("netcore.codec.batch.WORTH_A_CALL", 1)
    return str(request.param)


@pytest.fixture
def take() -> Callable[[Decoder], list[Result]]:
    """The function ``drain``."""
    return drain


@pytest.fixture
def decode_all() -> Callable[..., list[Result]]:
    """Decodes data in all splittings, by single frames and in batches, and expects the same each time."""

    def run(codec: Codec, data: bytes, pending: int | None = None) -> list[Result]:
        decoder = codec.decoder()
        expected = decode(decoder, [data], drain)
        left = decoder.pending
        assert pending is None or left == pending
        for pieces in splittings(data):
            for take in (drain, drain_in_batches):
                decoder = codec.decoder()
                assert decode(decoder, pieces, take) == expected, pieces
                assert decoder.pending == left, pieces
        return expected

    return run


@pytest.fixture
def check(decode_all: Callable[..., list[Result]]) -> Callable[..., None]:
    """Checks what data decodes to: as it is, and with the beginning of more behind it.

    ``check(codec, data, *results, tail=b"", pending=0)``: the tail is the beginning of a good frame, and
    ``pending`` what is held after the data.
    """

    def run(codec: Codec, data: bytes, *expected: Result, tail: bytes = b"", pending: int = 0) -> None:
        assert decode_all(codec, data, pending) == list(expected)
        if tail:
            assert decode_all(codec, data + tail, pending + len(tail)) == list(expected)

    return run


class Peer:
    """The other end of a connection to a loop of its own, which runs when it is told to."""

    def __init__(self, handler: Any, **limits: int) -> None:
        self.handler = handler
        self.poller = open_poller()
        shared = Shared(handler, Limits(**limits))
        self.loop = Loop(0, shared, self.poller, open_sockets(65_536, self.poller), ManualClock())
        self.loop.claim()
        near, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        opened = self.loop.enroll(near)
        self.turns()
        self.conn = opened.result(0)
        self.received = bytearray()
        self._closed = False

    def turns(self) -> None:
        for _ in range(4):
            self.loop.execute(int)  # it does not wait, then
            self.loop.turn()

    def send(self, data: bytes) -> bool:
        while data:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                if self.conn.paused:
                    return True
            except OSError:
                return False
            self.turns()
            self.receive()
        return True

    def receive(self) -> None:
        while True:
            try:
                data = self.sock.recv(1 << 20)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            self.received += data
            self.turns()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.sock.close()
        for _ in range(3):
            self.turns()
        self.loop.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Connects a peer to a handler: ``peer(handler, **limits)``."""
    peers: list[Peer] = []

    def make(handler: Any, **limits: int) -> Peer:
        peers.append(Peer(handler, **limits))
        return peers[-1]

    yield make
    while peers:
        peers.pop().close()
