"""Toys for the two seams of a stream: a filter that changes every byte, and a header before ``on_open``."""

from __future__ import annotations

from collections.abc import Sequence

from netcore.eventloop import Phase

KEY = 0x5A
CLOSING, ASK, ANSWER, HELLO = 0, 0xFFFF, 0xFFFE, 0xFFFD
"""Lengths of records that carry nothing: this side's end, a question, its answer, a greeting."""
LONGEST = 4000


class ToyError(Exception):
    """The peer does not play by the rules."""


def record(length: int, data: bytes = b"") -> bytes:
    return length.to_bytes(2, "big") + data


def disguise(data: bytes) -> bytes:
    return bytes(byte ^ KEY for byte in data)


def encode(data: bytes) -> bytes:
    """What a peer sends for some bytes: records of at most ``LONGEST`` bytes, each byte changed."""
    pieces = (data[i : i + LONGEST] for i in range(0, len(data), LONGEST))
    return b"".join(record(len(piece), disguise(piece)) for piece in pieces)


def decode(raw: bytes) -> tuple[bytes, list[int]]:
    """Takes records apart; returns the bytes and the records that carry none. The last may be incomplete."""
    plain, signs, at = bytearray(), [], 0
    while at + 2 <= len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        at += 2
        if length in (CLOSING, ASK, ANSWER, HELLO):
            signs.append(length)
            continue
        plain += disguise(raw[at : at + length])
        at += length
    return bytes(plain), signs


class ToyFilter:
    """Records with a length and changed bytes; questions are answered; a record of none ends a direction.

    Args:
        greets: Whether to greet first and to hold everything back until the peer has greeted.
    """

    def __init__(self, greets: bool = False) -> None:
        self.ended = False
        self.failure: Exception | None = None
        self.calls: list[str] = []
        self._raw = bytearray()
        self._out = bytearray(record(HELLO) if greets else b"")
        self._waits = greets
        self._held = bytearray()
        self._finishes = False

    @property
    def held(self) -> int:
        return len(self._held) + (self._finishes and self._waits)

    def feed(self, data: memoryview) -> bytes:
        assert not self.ended and self.failure is None, "fed after the end"
        self.calls.append("feed")
        self._raw += data
        plain = bytearray()
        while len(self._raw) >= 2 and not self.ended and self.failure is None:
            length = int.from_bytes(self._raw[:2], "big")
            if not self._sign(length):
                if length > LONGEST:
                    self._out += record(CLOSING)
                    self.failure = ToyError(f"a record of {length} bytes")
                    break
                if len(self._raw) < 2 + length:
                    break
                plain += disguise(self._raw[2 : 2 + length])
                del self._raw[: 2 + length]
        return bytes(plain)

    def _sign(self, length: int) -> bool:
        if length == CLOSING:
            self.ended = True
        elif length == ASK:
            self._out += record(ANSWER)
        elif length == HELLO:
            self._waits = False
            held, self._held = bytes(self._held), bytearray()
            self._out += encode(held)
            if self._finishes:
                self._out += record(CLOSING)
        elif length != ANSWER:
            return False
        del self._raw[:2]
        return True

    def wrap(self, chunks: Sequence[bytes | memoryview]) -> None:
        assert not self._finishes, "wrapped after the end"
        self.calls.append("wrap")
        data = b"".join(chunks)
        if self._waits:
            self._held += data
        else:
            self._out += encode(data)

    def finish(self) -> None:
        assert not self._finishes, "finished twice"
        self.calls.append("finish")
        self._finishes = True
        if not self._waits:
            self._out += record(CLOSING)

    def output(self) -> bytes:
        out, self._out = bytes(self._out), bytearray()
        return out

    def end_of_stream(self) -> Exception | None:
        return None if self._finishes else ToyError("cut off")


class ToyHeader(Phase):
    """A line before everything else, ``HELLO name\\n``, which is answered by ``WELCOME\\n``.

    Args:
        answers: Whether to answer.
        timeout: Seconds for the line.
    """

    def __init__(self, answers: bool = False, timeout: float = 3) -> None:
        self.timeout = timeout
        self.done = False
        self.name = b""
        self._line = bytearray()
        self._answers = answers
        self._out = b""

    def feed(self, data: bytes) -> bytes:
        assert not self.done, "fed after the end"
        self._line += data
        line, newline, rest = bytes(self._line).partition(b"\n")
        if len(line) > 100 or not (line.startswith(b"HELLO ") or b"HELLO ".startswith(line)):
            self._out = b"WHO?\n" if self._answers else b""
            raise ToyError("no greeting")
        if not newline:
            return b""
        self.done = True
        self.name = line[6:]
        self._out = b"WELCOME\n" if self._answers else b""
        return rest

    def output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def prepare(self, conn) -> None:
        conn.context = self.name


class ToyHandshake(Phase):
    """Puts a greeting filter on, and passes when both sides have greeted."""

    timeout = 3.0

    def __init__(self) -> None:
        self.filter = ToyFilter(greets=True)
        self.early = b""

    @property
    def done(self) -> bool:
        return not self.filter._waits

    def feed(self, data: bytes) -> bytes:
        with memoryview(data) as view:
            self.early += self.filter.feed(view)
        if self.filter.failure is not None:
            raise self.filter.failure
        return b""

    def output(self) -> bytes:
        return self.filter.output()

    def prepare(self, conn) -> None:
        conn.put_on(self.filter)
        conn.store(self.early)
