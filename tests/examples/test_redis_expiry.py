"""Keys that expire, with a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netcore.testing import ManualClock

pytest.importorskip("hiredis")

from examples.redis_server import Server
from examples.redis_server.keyspace import Keyspace

Run = Callable[..., bytes]


def test_a_key_expires_at_its_deadline(run: Run, clock: ManualClock) -> None:
    run("SET k v PX 1500")
    assert run("PTTL k") == b":1500\r\n"
    clock.advance(1.499)
    assert run("GET k") == b"$1\r\nv\r\n"
    assert run("TTL k") == b":0\r\n"
    clock.advance(0.001)
    assert run("GET k") == b"$-1\r\n"
    assert run("TTL k") == b":-2\r\n"


def test_ttl_is_rounded_to_seconds(run: Run) -> None:
    run("SET k v PX 1499")
    assert run("TTL k") == b":1\r\n"
    run("PEXPIRE k 1500")
    assert run("TTL k") == b":2\r\n"


@pytest.mark.parametrize(
    "command",
    [
        "GET k",
        "STRLEN k",
        "EXISTS k",
        "TYPE k",
        "TOUCH k",
        "DEL k",
        "PERSIST k",
        "EXPIRE k 100",
        "GETDEL k",
        "GETEX k PERSIST",
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "RENAMENX other k",
        "COPY other k",
        "SET k v XX",
        "SETNX k 2",
        "MSETNX k 2",
        "GETSET k 2",
        "APPEND k 2",
        "SETRANGE k 1 2",
        "INCR k",
        "LPUSHX k a",
        "LPUSH k a",
        "SADD k a",
        "HSET k a 1",
        "ZADD k 1 a",
        "SUNIONSTORE k k",
        "MEMORY USAGE k",
        "OBJECT ENCODING k",
    ],
)
def test_an_expired_key_is_as_good_as_none(run: Run, clock: ManualClock, command: str) -> None:
    def outcome(expired: bool) -> list[bytes]:
        run("FLUSHALL")
        if "other" in command:
            run("RPUSH other x")
        if expired:
            run("SET k 5 EX 1")
            clock.advance(2)
        return [run(step) for step in (command, "TTL k", "TYPE k", "DBSIZE")]

    assert outcome(expired=True) == outcome(expired=False)


def test_what_keeps_and_what_ends_a_time_to_live(run: Run) -> None:
    def left_after(command: str) -> bytes:
        run("SET k 1 EX 100")
        run(command)
        return run("TTL k")

    for command in (
        "APPEND k 1",
        "INCR k",
        "INCRBYFLOAT k 1",
        "SETRANGE k 0 1",
        "SET k 2 KEEPTTL",
        "RENAME k k",
    ):
        assert left_after(command) == b":100\r\n", command
    for command in ("SET k 2", "GETSET k 2", "MSET k 2", "PERSIST k", "GETEX k PERSIST"):
        assert left_after(command) == b":-1\r\n", command
    assert left_after("GETEX k EX 7") == b":7\r\n"


def test_a_deadline_moves_with_the_value(run: Run) -> None:
    run("SET k 1 EX 100")
    run("COPY k copy")
    run("RENAME k moved")
    assert [run(f"TTL {key}") for key in ("k", "copy", "moved")] == [b":-2\r\n", b":100\r\n", b":100\r\n"]


def test_a_deadline_in_the_past_removes_at_once(run: Run) -> None:
    run("MSET a 1 b 1")
    assert run("EXPIRE a -1") == b":1\r\n"
    assert run("PEXPIREAT b 5") == b":1\r\n"
    assert run("DBSIZE") == b":0\r\n"
    run("SET c 1 EXAT 1")
    assert run("GET c") == b"$-1\r\n"


def test_conditions(run: Run) -> None:
    run("SET k v")
    assert run("EXPIRE k 100 XX") == b":0\r\n"
    assert run("EXPIRE k 100 GT") == b":0\r\n", "no deadline is later than any"
    assert run("EXPIRE k 100 LT") == b":1\r\n"
    assert run("EXPIRE k 200 NX") == b":0\r\n"
    assert run("EXPIRE k 50 GT") == b":0\r\n"
    assert run("EXPIRE k 200 GT") == b":1\r\n"
    assert run("TTL k") == b":200\r\n"


def test_ticks_remove_what_nobody_asks_for(server: Server, run: Run, clock: ManualClock) -> None:
    for number in range(10):
        run(f"SET k{number} v PX {100 * (number + 1)}")
    run("SET forever v")
    clock.advance(0.55)
    assert run("DBSIZE") == b":11\r\n"
    server.tick()
    assert run("DBSIZE") == b":6\r\n"
    clock.advance(10)
    server.tick()
    assert run("DBSIZE") == b":1\r\n"
    assert server.keyspace.expired == 10
    assert not server.keyspace.deadlines


def test_a_flood_is_worked_off_in_portions(server: Server, run: Run, clock: ManualClock) -> None:
    for number in range(5000):
        server.keyspace.put(b"%d" % number, b"v")
        server.keyspace.set_deadline(b"%d" % number, server.keyspace.now() + 1)
    usual = server.tick()
    clock.advance(1)
    assert server.tick() < usual
    assert 0 < len(server.keyspace.values) < 5000
    while server.tick() < usual:
        pass
    assert not server.keyspace.values


def test_ticks_are_as_frequent_as_configured(server: Server, run: Run) -> None:
    assert server.tick() == pytest.approx(0.1)
    run("CONFIG SET hz 50")
    assert server.tick() == pytest.approx(0.02)


def test_changing_deadlines_does_not_pile_up(clock: ManualClock) -> None:
    """The queue that active expiry works from is bounded by the number of keys."""
    keyspace = Keyspace(clock)
    for number in range(10_000):
        keyspace.put(b"k%d" % (number % 10), b"v")
        keyspace.set_deadline(b"k%d" % (number % 10), keyspace.now() + 1000 + number)
    assert len(keyspace._queue) < 200
    clock.advance(100)
    assert not keyspace.expire_due(1000)
    assert not keyspace.values
