"""The clients: conversations of many kinds, each of which knows byte for byte what it must get back."""

import random
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.soak.server import RESPONSE, RUDE

_PATIENCE = 60.0
"""Seconds without a byte after which a conversation counts as hung."""


class Wrong(Exception):
    """Bytes were lost, doubled or changed, or did not come."""


@dataclass
class Ledger:
    """What all conversations of a run add up to. Any thread."""

    conversations: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, sent: int, received: int) -> None:
        with self.lock:
            self.conversations[kind] += 1
            self.sent += sent
            self.received += received

    def complain(self, text: str) -> None:
        with self.lock:
            self.faults.append(text)


class Talk:
    """One connection, and the account of it."""

    def __init__(self, port: int, chance: random.Random, receive_buffer: int = 0) -> None:
        self.chance = chance
        self.sock = socket.socket()
        self.sock.settimeout(_PATIENCE)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", port))
        self.sent = bytearray()
        self.got = bytearray()

    def data(self, size: int) -> bytes:
        return bytes([self.chance.randrange(RUDE)]) + self.chance.randbytes(size - 1) if size else b""

    def send(self, data: bytes) -> None:
        self.sent += data
        self.sock.sendall(data)

    def take(self, portion: int = 65536) -> bool:
        """Receives once; False at the end of the stream."""
        try:
            data = self.sock.recv(portion)
        except TimeoutError as error:
            raise Wrong(
                f"nothing came for {_PATIENCE:g} s, {len(self.got)} of {len(self.sent)} bytes"
            ) from error
        self.got += data
        return bool(data)

    def expect(self, size: int, portion: int = 65536) -> None:
        """Receives until so many bytes have come in all."""
        while len(self.got) < size:
            if not self.take(portion):
                raise Wrong(f"the end came after {len(self.got)} of {size} bytes")

    def check(self, wanted: bytes, whole: bool) -> None:
        """Compares what has come with what was to come."""
        if not wanted.startswith(self.got):
            at = next(i for i, (a, b) in enumerate(zip(self.got, wanted, strict=False)) if a != b)
            raise Wrong(f"byte {at} of {len(self.got)} is wrong")
        if whole and len(self.got) != len(wanted):
            raise Wrong(f"{len(self.got)} of {len(wanted)} bytes came")

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def echo(talk: Talk) -> None:
    for _ in range(talk.chance.randint(1, 30)):
        talk.send(talk.data(talk.chance.choice((1, 64, 1000, 20_000, 100_000))))
        talk.expect(len(talk.sent))


def short(talk: Talk) -> None:
    talk.send(b"x")
    talk.expect(1)


def half_close(talk: Talk) -> None:
    talk.send(talk.data(talk.chance.randint(1, 200_000)))
    talk.sock.shutdown(socket.SHUT_WR)
    while talk.take():
        pass


def slow_reader(talk: Talk) -> None:
    talk.send(talk.data(3_000_000))
    for _ in range(10):
        time.sleep(0.02)
        talk.take(10_000)
    talk.expect(len(talk.sent))


def reset(talk: Talk) -> None:
    talk.send(talk.data(talk.chance.randint(1, 300_000)))
    if talk.chance.random() < 0.5:
        talk.take()
    talk.reset()


def vanish(talk: Talk) -> None:
    talk.send(talk.data(50_000))


def rude(talk: Talk) -> None:
    """Is answered and closed on while it still sends; the answer must arrive all the same."""
    talk.sent += RESPONSE
    talk.sock.sendall(bytes([RUDE]) + bytes(2_000_000))
    while talk.take():
        pass


def frames(talk: Talk) -> None:
    stream = b"".join(
        struct.pack(">I", size) + talk.data(size)
        for size in (talk.chance.choice((0, 1, 60, 5000, 70_000)) for _ in range(talk.chance.randint(1, 40)))
    )
    while len(talk.sent) < len(stream):
        at = len(talk.sent)
        talk.send(stream[at : at + talk.chance.choice((1, 100, 1000, 60_000))])
        if talk.chance.random() < 0.3 and select.select([talk.sock], [], [], 0)[0]:
            talk.take()
    talk.expect(len(stream))


KINDS: dict[str, tuple[str, Callable[[Talk], None], int, bool]] = {
    "echo": ("echo", echo, 30, True),
    "short": ("echo", short, 40, True),
    "half-close": ("echo", half_close, 10, True),
    "slow reader": ("echo", slow_reader, 3, True),
    "reset": ("echo", reset, 10, False),
    "vanish": ("echo", vanish, 5, False),
    "rude": ("echo", rude, 3, True),
    "frames": ("frames", frames, 15, True),
}
"""By kind: the service, the conversation, its weight, and whether all of it must come back."""


def converse(kind: str, mode: str, ports: dict[str, int], chance: random.Random, ledger: Ledger) -> None:
    """Has one conversation and enters it; where connections are reset on purpose only order counts."""
    service, talk_about, _, whole = KINDS[kind]
    talk = None
    try:
        talk = Talk(ports[f"{service} {mode}"], chance, 8192 if kind == "slow reader" else 0)
        try:
            talk_about(talk)
            talk.check(bytes(talk.sent), whole and mode != "harsh")
        except (ConnectionError, Wrong) as error:
            if mode != "harsh" or "nothing came" in str(error):
                raise
            talk.check(bytes(talk.sent), whole=False)
    except (OSError, Wrong) as error:
        if mode != "harsh" or isinstance(error, Wrong | TimeoutError):
            ledger.complain(f"{kind} with {mode} sockets: {str(error) or type(error).__name__}")
    finally:
        if talk is not None:
            talk.sock.close()
            ledger.add(f"{kind}, {mode}", len(talk.sent), len(talk.got))


def datagrams(port: int, chance: random.Random, ledger: Ledger) -> None:
    """Asks with datagrams; one may be lost on the way, but what comes must have been asked, and once."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.2)
        asked = {chance.randbytes(chance.randint(8, 1200)) for _ in range(50)}
        received = 0
        for data in list(asked):
            sock.send(data)
        try:
            for _ in range(len(asked)):
                data = sock.recv(2000)
                received += len(data)
                if data not in asked:
                    ledger.complain("datagrams: one came twice, or was never asked")
                asked.discard(data)
        except TimeoutError:
            pass
    ledger.add("datagrams, plain", sum(map(len, asked)) + received, received)


def run_round(seconds: float, threads: int, ports: dict[str, int], seed: int, ledger: Ledger) -> None:
    """Talks on so many threads for so many seconds, until the last conversation has ended."""
    end = time.monotonic() + seconds
    weights = [weight for _, _, weight, _ in KINDS.values()]

    def work(chance: random.Random) -> None:
        while time.monotonic() < end:
            if "datagrams plain" in ports and chance.random() < 0.05:
                datagrams(ports["datagrams plain"], chance, ledger)
                continue
            (kind,) = chance.choices(list(KINDS), weights)
            converse(kind, chance.choice(("plain", "plain", "gentle", "harsh")), ports, chance, ledger)

    workers = [threading.Thread(target=work, args=(random.Random(f"{seed} {i}"),)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
