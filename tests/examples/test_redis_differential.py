"""The engine beside a real redis-server: the same commands, the same replies, byte for byte."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hiredis")

import hiredis

from examples.redis_server import Server, Session

_MARK = b"*2\r\n$4\r\nECHO\r\n$9\r\n<the end>\r\n"
_MARK_REPLY = b"$9\r\n<the end>\r\n"


def encode(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Pair:
    """Two servers that get the same bytes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.real = self._dial()
        self.session: Session = Server().connect()
        self.ask(b"FLUSHALL\r\n")

    def _dial(self) -> socket.socket:
        real = socket.socket(socket.AF_UNIX)
        real.settimeout(30)
        real.connect(self._path)
        return real

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """What the real server answers, and what the engine does."""
        self.real.sendall(data + _MARK)
        expected = b""
        while not expected.endswith(_MARK_REPLY):
            received = self.real.recv(1 << 16)
            assert received, f"the real server closed after {data!r}"
            expected += received
        actual, closed = self.session.receive(data)
        assert not closed
        return expected.removesuffix(_MARK_REPLY), actual

    def until_close(self, data: bytes) -> tuple[bytes, bytes]:
        """The same for something after which both close the connection."""
        expected = b""
        with self._dial() as real, contextlib.suppress(ConnectionResetError):
            real.sendall(data)
            while received := real.recv(1 << 16):
                expected += received
        actual, closed = Server().connect().receive(data)
        assert closed
        return expected, actual


@pytest.fixture
def pair(real_redis: str) -> Iterator[Pair]:
    pair = Pair(real_redis)
    yield pair
    pair.real.close()


# Replies whose elements come in no particular order.
_UNORDERED = {
    b"smembers",
    b"sinter",
    b"sunion",
    b"sdiff",
    b"keys",
    b"hkeys",
    b"hvals",
    b"spop",
    b"srandmember",
}
_UNORDERED_PAIRS = {b"hgetall", b"hrandfield", b"config"}
_SCANS = {b"scan", b"sscan", b"hscan", b"zscan"}


def _canonical(words: list[bytes], reply: bytes) -> Any:
    """The reply in a form that may be compared: most as they are, unordered ones sorted."""
    name = words[0].lower() if words else b""
    if reply[:1] not in b"*~%" or name not in _UNORDERED | _UNORDERED_PAIRS | _SCANS:
        return reply
    reader = hiredis.Reader()
    reader.feed(reply)
    value = reader.gets()
    if name in _SCANS:
        value = value[1]
    if isinstance(value, dict):
        return reply[:1], sorted(value.items())
    in_pairs = name in _UNORDERED_PAIRS or name in (b"hscan", b"zscan")
    if in_pairs and value and not isinstance(value[0], list) and len(words) != 3:
        value = list(zip(value[::2], value[1::2], strict=True))
    return reply[:1], sorted(value)


SCRIPTS = sorted((Path(__file__).parent / "redis_scripts").glob("*.txt"))


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_gets_the_same_replies(pair: Pair, script: Path, protocol: int) -> None:
    """Each line is sent as it is, an inline request."""
    hello = b"HELLO %d\r\n" % protocol
    pair.ask(hello)
    for line in script.read_bytes().splitlines():
        expected, actual = pair.ask(line + b"\r\n")
        assert _canonical(line.split(), actual) == _canonical(line.split(), expected), line.decode()


# What the capital letters in the templates stand for, besides K, a key.
_KINDS: dict[str, tuple[str, ...]] = {
    "V": ("a", "b", "c", "d", "", "1", "22", "x y", "\r\n", "\x00\xff"),
    "N": ("0", "-1", "10", "9223372036854775807", "007", "1.5", "-9223372036854775808", "3e2"),
    "I": ("0", "1", "-1", "2", "-2", "5", "-100", "100", "9223372036854775807", "x"),
    "C": ("0", "1", "2", "3", "10", "-1", "x"),
    "F": ("0.1", "-0.25", "1e3", "1000.001", "-7", "x", "3.14159265358979"),
    "S": ("0", "1", "1.5", "-2", "inf", "-inf", "0.1", "1e10", "nan"),
    "B": ("-inf", "+inf", "0", "(1", "1.5", "(-2", "10", "x"),
    "P": ("*", "list?", "[a-h]*", "?????[^12]", "*1*"),
    "T": ("4000000000", "4100000000", "4000000000000", "x"),
}
_TYPES = ("string", "list", "set", "hash", "zset")


def _templates() -> list[tuple[str, list[str]]]:
    """Pairs of the type of a command's keys and its words."""
    templates: list[tuple[str, list[str]]] = []
    kind = ""
    for line in (SCRIPTS[0].parent / "random.templates").read_text().splitlines():
        if line.startswith("#"):
            kind = line.removeprefix("# ")
        else:
            templates.append((kind, line.split()))
    return templates


_TEMPLATES = _templates()


def _command(chance: random.Random) -> list[bytes]:
    """A random command: ``?`` marks what may be left out, ``+`` what may be repeated, ``-`` is nothing."""
    kind, template = chance.choice(_TEMPLATES)
    words: list[str] = []
    for token in template:
        repeat = chance.randint(1, 3) if token.endswith("+") else 1
        if token.endswith("?"):
            repeat = chance.randint(0, 1)
        name = token.rstrip("+?")
        for _ in range(repeat):
            if name == "K":
                # Now and then a key of another type.
                own = kind in _TYPES and chance.random() < 0.95
                words.append((kind if own else chance.choice(_TYPES)) + chance.choice("123"))
            else:
                words.append(chance.choice(_KINDS.get(name) or name.split("/")))
    return [word.encode("latin-1") for word in words if word != "-"]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_random_commands_get_the_same_replies(pair: Pair, seed: int, protocol: int) -> None:
    chance = random.Random(seed)
    pair.ask(b"HELLO %d\r\n" % protocol)
    history = []
    for _ in range(1000):
        words = _command(chance)
        history.append(words)
        expected, actual = pair.ask(encode(words))
        if _canonical(words, expected) != _canonical(words, actual):
            related = [past for past in history if set(words[1:]) & set(past[1:])]
            pytest.fail(f"redis: {expected[:500]!r}\nengine: {actual[:500]!r}\nafter {related[-15:]}")


MALFORMED = [
    b"*x\r\n",
    b"*\r\n",
    b"*01\r\n",
    b"*+1\r\n",
    b"*-0\r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*1" + b"1" * 70_000,
    b"*1\r\nPING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n:4\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n-PING\r\n",
    b"*1\r\n=8\r\ntxt:PING\r\n",
    b"*1\r\n_\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n~1\r\n$4\r\nPING\r\n",
    b"*2\r\n$3\r\nGET\r\n:5\r\n",
    b"*2\r\n$3\r\nGET\r\n\xff5\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-2\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$" + b"1" * 70_000,
    b"*1\r\n$4\r\nPING\r\n*1\r\nxx\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n:7\r\n",
    b"PING\r\n*1\r\n$x\r\n",
    b"x" * 70_000,
    b'GET "a\r\n',
    b"GET 'a\r\n",
    b'SET "a"b c\r\n',
    b"PING\r\nQUIT\r\nPING\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"host: localhost\r\n",
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:30]))
def test_what_is_no_request_gets_the_same_last_words(pair: Pair, data: bytes) -> None:
    expected, actual = pair.until_close(data)
    assert actual == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\n  \r\nPING\r\n",
        b"*0\r\n*-1\r\n*-5\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPINGyy",
        b"*1\rX$4\rXPING\r\n",
        b"PING\n*1\r\n$4\r\nPING\r\nECHO a\r\n*2\r\n$4\r\nECHO\r\n$1\r\nb\r\n",
        b"PING\rX\n",
        b'ECHO "\\x41\\n\\t\\r\\b\\a\\z\\"\\\\ "\r\n',
        b"ECHO 'a\\'b\\n'\r\n",
        b'ECHO fo"o b"\r\n',
        b"ECHO\tb\r\n",
        b":7\r\n*2\r\n$4\r\nECHO\r\n$4\r\n\n+ab\r\n*2\r\n$4\r\nECHO\r\n$3\r\n\n=a\r\n",
        b"*2\r\n$4\r\nECHO\r\n$9\r\n*99999999\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n~1\r\n",
        b"*1\r\n$4\r\nPING\r\n%1\r\n+a\r\n:1\r\n",
        b"*1\r\n$4\r\nPING\r\n:7\r\n",
        b"~1\r\n",
    ],
)
def test_unusual_requests_get_the_same_replies(pair: Pair, data: bytes) -> None:
    expected, actual = pair.ask(data)
    assert actual == expected


@pytest.mark.parametrize("seed", range(4))
def test_patterns_match_the_same_keys(pair: Pair, seed: int) -> None:
    chance = random.Random(seed)
    letters = "abc-]\\*"
    names = {"".join(chance.choices(letters, k=chance.randint(1, 5))).encode() for _ in range(300)}
    pair.ask(encode([b"MSET", *(word for name in names for word in (name, b""))]))
    for _ in range(300):
        pattern = "".join(chance.choices("abc*?[]^-\\", k=chance.randint(1, 7))).encode()
        words = [b"KEYS", pattern]
        expected, actual = pair.ask(encode(words))
        assert _canonical(words, actual) == _canonical(words, expected), pattern


def test_commands_are_described_alike(pair: Pair) -> None:
    """Arity, flags, positions of the keys and categories."""
    names = [command.name.encode() for command in Server().table]
    replies = pair.ask(encode([b"COMMAND", b"INFO", *names]))
    expected, actual = (_facts(reply) for reply in replies)
    for name, facts in actual.items():
        if name not in (b"client|setinfo", b"client|no-touch"):  # newer than Redis 7.0
            assert expected[name] == facts


def _facts(reply: bytes) -> dict[bytes, Any]:
    reader = hiredis.Reader()
    reader.feed(reply)
    commands = reader.gets()
    for command in list(commands):
        commands += command[9]
    return {command[0]: [*command[1:6], *map(sorted, (command[2], command[6]))] for command in commands}
