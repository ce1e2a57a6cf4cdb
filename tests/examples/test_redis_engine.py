"""The engine where a real server is no help: sessions, chance, facts about itself, RESP3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("hiredis")

import hiredis

from examples.redis_server import Server

Run = Callable[..., bytes]
SMALL, LARGE = 20, 1000


def parse(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


def encode(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def members(count: int) -> list[bytes]:
    return [b"m%d" % number for number in range(count)]


# One turn


def test_a_batch_gets_one_reply_in_order(client: Any) -> None:
    batch = encode(b"SET", b"k", b"1") + b"INCR k\r\n" + encode(b"GET", b"k") + encode(b"GET")[:-3]
    assert client.send(batch) == b"+OK\r\n:2\r\n$1\r\n2\r\n"
    assert client.send(encode(b"GET")[-3:]) == b"-ERR wrong number of arguments for 'get' command\r\n"


def test_an_error_does_not_end_a_batch(client: Any) -> None:
    assert client.send(b"NOPE\r\nLPUSH l a\r\nGET l\r\nPING\r\n") == (
        b"-ERR unknown command 'NOPE', with args beginning with: \r\n:1\r\n"
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n+PONG\r\n"
    )
    assert not client.closed


def test_quit_ends_a_batch(client: Any) -> None:
    assert client.send(b"PING\r\nQUIT\r\nSET k v\r\n") == b"+PONG\r\n+OK\r\n"
    assert client.closed
    assert not client.session.keyspace.values


def test_malformed_input_ends_a_batch(client: Any) -> None:
    reply = client.send(b"PING\r\n*1\r\n!\r\nSET k v\r\n")
    assert reply == b"+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n"
    assert client.closed
    assert not client.session.keyspace.values


@pytest.mark.parametrize("name", ["get", "GET", "gEt", "Get"])
def test_names_in_any_case(run: Run, name: str) -> None:
    assert run(f"{name} k") == b"$-1\r\n"


def test_long_names_and_arguments_are_not_quoted_in_full(run: Run) -> None:
    reply = run(b"x" * 1000, b"y" * 1000, b"z")
    assert len(reply) < 400
    assert b"z" not in reply


def test_replies_too_large_for_one_turn_wait(client: Any) -> None:
    value = b"x" * (600 << 10)
    client.send(encode(b"SET", b"k", value))
    get = encode(b"GET", b"k")
    once = b"$%d\r\n%b\r\n" % (len(value), value)
    assert client.send(get * 5 + b"PING\r\n*1\r\n!\r\n") == once * 2
    assert client.session.behind
    assert client.send(b"SET k later\r\n") == once * 2, "what follows a malformed request is not looked at"
    assert not client.closed
    assert client.send(b"") == once + b"+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n"
    assert client.closed
    assert not client.session.behind


def test_what_has_been_asked_before_the_end_is_answered(client: Any) -> None:
    value = b"x" * (2 << 20)
    client.send(encode(b"SET", b"k", value))
    assert len(client.send(encode(b"GET", b"k") * 3)) > len(value)
    client.session.end()
    assert len(client.send(b"")) > len(value)
    assert not client.closed
    assert len(client.send(b"")) > len(value)
    assert client.closed


# Sessions


def test_sessions_share_the_data_and_nothing_else(connect: Callable[[], Any]) -> None:
    one, two = connect(), connect()
    one.run("HELLO 3 SETNAME one")
    one.run("SET k v")
    assert two.run("GET k") == b"$1\r\nv\r\n"
    assert (one.run("GET none"), two.run("GET none")) == (b"_\r\n", b"$-1\r\n")
    assert (one.run("CLIENT GETNAME"), two.run("CLIENT GETNAME")) == (b"$3\r\none\r\n", b"$-1\r\n")
    assert one.run("CLIENT ID") != two.run("CLIENT ID")


def test_reset(run: Run) -> None:
    run("HELLO 3 SETNAME one")
    assert run("RESET") == b"+RESET\r\n"
    assert run("GET none") == b"$-1\r\n"
    assert run("CLIENT GETNAME") == b"$-1\r\n"


def test_a_refused_hello_changes_nothing(run: Run) -> None:
    assert run("HELLO 3 AUTH nobody secret").startswith(b"-WRONGPASS")
    assert run("HELLO 3 SETNAME x FOO") == b"-ERR Syntax error in HELLO option 'FOO'\r\n"
    assert run("GET none") == b"$-1\r\n"
    assert run("CLIENT GETNAME") == b"$-1\r\n"


def test_hello_tells_about_the_server(run: Run) -> None:
    facts = parse(run("HELLO 3 AUTH default any SETNAME me"))
    assert (facts[b"server"], facts[b"proto"], facts[b"mode"]) == (b"redis", 3, b"standalone")
    assert parse(run("HELLO"))[b"id"] == facts[b"id"]


def fields(line: str) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.split())


def test_client_list(server: Server, connect: Callable[[], Any], clock: Any) -> None:
    one, two = connect(), connect()
    one.run("CLIENT SETNAME one")
    one.run("CLIENT SETINFO LIB-NAME lib")
    one.run("CLIENT SETINFO lib-ver 1.2")
    one.run("CLIENT NO-TOUCH ON")
    one.send(b"*1\r\n$4\r\nPI")
    clock.advance(5)
    server.tick()
    lines = parse(two.run("CLIENT LIST")).decode().splitlines()
    assert [fields(line)["id"] for line in lines] == ["1", "2"]
    described = fields(lines[0])
    wanted = {"addr": "127.0.0.1:5000", "fd": "7", "name": "one", "age": "5", "idle": "5", "flags": "T"}
    wanted |= {"lib-name": "lib", "lib-ver": "1.2", "cmd": "client", "resp": "2"}
    assert described | wanted == described
    assert int(described["qbuf"]) > 0
    assert parse(two.run("CLIENT LIST ID 2 7")).count(b"\n") == 1
    assert parse(two.run("CLIENT LIST TYPE normal")).count(b"\n") == 2
    assert fields(parse(two.run("CLIENT INFO")).decode())["cmd"] == "client|info"
    server.disconnect(one.session)
    assert parse(two.run("CLIENT LIST")).count(b"\n") == 1


def test_what_a_client_says_about_itself_is_checked(run: Run) -> None:
    assert run("CLIENT SETINFO COLOUR red") == b"-ERR Unrecognized option 'COLOUR'\r\n"
    assert run("CLIENT SETINFO LIB-NAME", "a").startswith(b"-ERR")
    assert run(b"CLIENT", b"SETINFO", b"LIB-NAME", b"a b") == (
        b"-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"
    )


# RESP3


@pytest.mark.parametrize(
    ("setup", "command", "two", "three"),
    [
        ("", "GET k", b"$-1\r\n", b"_\r\n"),
        ("", "LPOP k 1", b"*-1\r\n", b"_\r\n"),
        ("", "MGET k", b"*1\r\n$-1\r\n", b"*1\r\n_\r\n"),
        ("HSET k a 1", "HGETALL k", b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", b"%1\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("", "HGETALL k", b"*0\r\n", b"%0\r\n"),
        ("SADD k a", "SMEMBERS k", b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        ("SADD k a", "SPOP k 1", b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        ("", "SINTER k", b"*0\r\n", b"~0\r\n"),
        ("ZADD k 0.5 a", "ZSCORE k a", b"$3\r\n0.5\r\n", b",0.5\r\n"),
        ("ZADD k inf a", "ZMSCORE k a b", b"*2\r\n$3\r\ninf\r\n$-1\r\n", b"*2\r\n,inf\r\n_\r\n"),
        ("ZADD k 1 a", "ZINCRBY k 1 a", b"$1\r\n2\r\n", b",2\r\n"),
        (
            "ZADD k 1 a",
            "ZRANGE k 0 -1 WITHSCORES",
            b"*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n",
        ),
        ("ZADD k 1 a", "ZPOPMIN k", b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", b"*2\r\n$1\r\na\r\n,1\r\n"),
        ("ZADD k 1 a", "ZPOPMAX k 1", b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"),
        (
            "HSET k a 1",
            "HRANDFIELD k 1 WITHVALUES",
            b"*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            b"*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        ),
        ("", "CONFIG GET save", b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n", b"%1\r\n$4\r\nsave\r\n$0\r\n\r\n"),
        ("", "INFO cluster", b"$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n", None),
    ],
)
def test_both_versions_of_the_protocol(
    run: Run, setup: str, command: str, two: bytes, three: bytes | None
) -> None:
    if three is None:
        three = two.replace(b"$30\r\n", b"=34\r\ntxt:")
    for version, expected in ((2, two), (3, three)):
        run("FLUSHALL")
        run(f"HELLO {version}")
        if setup:
            run(setup)
        assert run(command) == expected


# Chance


def test_random_members_come_from_the_set(run: Run) -> None:
    names = members(LARGE)
    run("SADD", "s", *names)
    assert len({run("SRANDMEMBER s") for _ in range(50)}) > 10
    assert len(set(parse(run("SRANDMEMBER s 30")))) == 30
    assert len(parse(run(f"SRANDMEMBER s -{2 * LARGE}"))) == 2 * LARGE
    popped = {parse(run("SPOP s")) for _ in range(10)} | set(parse(run("SPOP s 10")))
    assert len(popped) == 20
    assert popped <= set(names)
    assert set(parse(run("SMEMBERS s"))) == set(names) - popped
    assert len(parse(run(f"SPOP s {LARGE}"))) == LARGE - 20
    assert run("EXISTS s") == b":0\r\n"


def test_random_fields_come_with_their_values(run: Run) -> None:
    run("HSET", "h", *[word for name in members(SMALL) for word in (name, b"v" + name)])
    flat = parse(run("HRANDFIELD h -100 WITHVALUES"))
    assert len(flat) == 200
    assert all(value == b"v" + name for name, value in zip(flat[::2], flat[1::2], strict=True))
    assert len({run("HRANDFIELD h") for _ in range(100)}) > 5


def test_a_random_key_exists(run: Run) -> None:
    run("MSET", *[word for name in members(SMALL) for word in (name, b"v")])
    assert len({run("RANDOMKEY") for _ in range(100)}) > 5
    run("DEL", *members(SMALL)[1:])
    assert run("RANDOMKEY") == b"$2\r\nm0\r\n"


@pytest.mark.parametrize("command", ["SRANDMEMBER s -9223372036854775807", "HRANDFIELD h -99999999"])
def test_an_absurd_number_of_picks_is_refused(run: Run, command: str) -> None:
    run("SADD s a")
    run("HSET h a 1")
    assert run(command).startswith(b"-ERR value is out of range, value must between -1048576 and ")


# Scans


def scan(run: Run, command: str, *options: str) -> Iterator[list[bytes]]:
    cursor = b"0"
    while True:
        cursor, items = parse(run(*command.split(), cursor, *options))
        yield items
        if cursor == b"0":
            return


@pytest.mark.parametrize("command", ["SCAN", "SSCAN s", "HSCAN h", "ZSCAN z"])
def test_scans_return_everything_in_small_steps(run: Run, command: str) -> None:
    names = members(LARGE)
    run("MSET", *[word for name in names for word in (name, b"v")])
    run("SADD", "s", *names)
    run("HSET", "h", *[word for name in names for word in (name, b"v")])
    run("ZADD", "z", *[word for name in names for word in (b"1", name)])
    for options, wanted in (
        ((), set(names)),
        (("MATCH", "m1*"), {name for name in names if name[:2] == b"m1"}),
    ):
        steps = list(scan(run, command, "COUNT", "50", *options))
        assert len(steps) >= LARGE // 50
        width = 2 if command in ("HSCAN h", "ZSCAN z") else 1
        assert {name for step in steps for name in step[::width]} - {b"s", b"h", b"z"} == wanted


def test_scan_by_type(run: Run) -> None:
    run("MSET", *[word for name in members(LARGE) for word in (name, b"v")])
    run("RPUSH l a")
    assert [name for step in scan(run, "SCAN", "TYPE", "LIST") for name in step] == [b"l"]


def test_a_small_collection_is_returned_at_once(run: Run) -> None:
    run("SADD", "s", *members(SMALL))
    assert len(list(scan(run, "SSCAN s", "COUNT", "1"))) == 1


def test_any_cursor_is_safe(run: Run) -> None:
    run("MSET", *[word for name in members(LARGE) for word in (name, b"v")])
    for cursor in ("1", "999999", "18446744073709551615"):
        assert parse(run("SCAN", cursor))[0].isdigit()


# Facts


def test_encodings_follow_the_configuration(run: Run) -> None:
    run("HSET h a 1")
    run("ZADD z 1 a")
    run("SADD s 1 2 3")
    for key, name, before, after in (
        ("h", "hash-max-listpack-entries", b"listpack", b"hashtable"),
        ("z", "zset-max-ziplist-entries", b"listpack", b"skiplist"),
        ("s", "set-max-intset-entries", b"intset", b"hashtable"),
    ):
        assert parse(run(f"OBJECT ENCODING {key}")) == before
        run(f"CONFIG SET {name} 0")
        assert parse(run(f"OBJECT ENCODING {key}")) == after


def test_config_set_is_all_or_nothing(run: Run) -> None:
    assert run("CONFIG SET hz 20 save x") == (
        b"-ERR CONFIG SET failed (possibly related to argument 'save') - "
        b"this server supports no other value than the current one\r\n"
    )
    assert parse(run("CONFIG GET hz")) == [b"hz", b"10"]
    assert run("CONFIG SET hz 5000 appendonly no maxmemory 0") == b"+OK\r\n"
    assert parse(run("CONFIG GET hz")) == [b"hz", b"500"]
    assert run("CONFIG SET hash-max-listpack-value -1").startswith(b"-ERR CONFIG SET failed")


def test_memory_usage_grows_with_the_value(run: Run) -> None:
    for kind, add in (("s", "SADD s"), ("l", "RPUSH l"), ("string", "APPEND string")):
        run(f"{add} {'x' * 10}")
        before = parse(run(f"MEMORY USAGE {kind}"))
        run(f"{add} {'y' * 5000}")
        assert parse(run(f"MEMORY USAGE {kind} SAMPLES 0")) > before + 4000
    run("HSET h f v")
    run("ZADD z 1 a")
    run("INCR n")
    assert all(parse(run(f"MEMORY USAGE {key}")) > 50 for key in ("h", "z", "n"))


def info(run: Run, *sections: str) -> dict[str, str]:
    text = parse(run("INFO", *sections)).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def test_info_has_what_tools_look_for(run: Run) -> None:
    run("SET k v EX 100")
    run("GET k")
    run("GET none")
    facts = info(run, "everything")
    assert facts["redis_version"].startswith("7.")
    assert facts["db0"] == "keys=1,expires=1,avg_ttl=0"
    assert (facts["keyspace_hits"], facts["keyspace_misses"]) == ("1", "1")
    assert (facts["connected_clients"], facts["blocked_clients"], facts["role"]) == ("1", "0", "master")
    assert int(facts["used_memory"]) > 1 << 20
    assert int(facts["process_id"]) > 0
    assert facts["total_commands_processed"] == "4"
    run("CONFIG RESETSTAT")
    facts = info(run)
    assert (facts["keyspace_hits"], facts["total_commands_processed"]) == ("0", "1")


def test_info_by_section(run: Run) -> None:
    assert set(info(run, "replication", "CLUSTER")) >= {"role", "cluster_enabled"}
    assert "redis_version" not in info(run, "replication")


def test_the_rate_is_measured_between_ticks(server: Server, run: Run, clock: Any) -> None:
    for _ in range(500):
        run("PING")
    clock.advance(2)
    server.tick()
    assert info(run, "stats")["instantaneous_ops_per_sec"] == "250"


def test_time(run: Run, clock: Any) -> None:
    clock.now = 1_600_000_000.25
    assert run("TIME") == b"*2\r\n$10\r\n1600000000\r\n$6\r\n250000\r\n"


def test_every_command_is_described(server: Server, run: Run) -> None:
    count = parse(run("COMMAND COUNT"))
    docs = parse(run("COMMAND DOCS"))
    docs = dict(zip(docs[::2], docs[1::2], strict=True))
    assert count == len(docs) == len(parse(run("COMMAND")))
    listed = set(parse(run("COMMAND LIST")))
    assert set(docs) <= listed
    for command in server.table:
        for each in (command, *command.subcommands.values()):
            assert each.name.encode() in listed
            assert each.summary.endswith("."), each.name
            assert each.since, each.name
        if command.subcommands:
            lines = parse(run(f"{command.name} HELP"))
            assert len(lines) == 1 + 2 * len(command.subcommands)


def test_command_list_filters(run: Run) -> None:
    assert parse(run("COMMAND LIST FILTERBY PATTERN hst*")) == [b"hstrlen"]
    assert b"zadd" in parse(run("COMMAND LIST FILTERBY ACLCAT sortedset"))
    assert parse(run("COMMAND INFO client|list nosuch"))[0][0] == b"client|list"


def test_arguments_in_the_docs(run: Run) -> None:
    run("HELLO 3")
    arguments = parse(run("COMMAND DOCS getex"))[b"getex"][b"arguments"]
    assert arguments[0][b"name"] == b"key"
    assert arguments[1][b"flags"] == [b"optional"]
