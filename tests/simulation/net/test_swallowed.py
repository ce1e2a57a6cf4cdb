"""What the net swallows: each segment leaves an event, with the reason, and none passes unseen."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from simulated import Yard

from netcore.sockets import set_keep_alive


def dropped(yard: Yard) -> list[tuple[str, str, str]]:
    return [(each.host, each.peer, each.detail) for each in yard.events("drop")]


def asked(yard: Yard) -> Any:
    """A client whose SYN is on its way."""
    client = yard.socket("client")
    assert client.connect_ex((yard.network.addresses("server")[0], 7000)) == errno.EINPROGRESS
    return client


def keeps_alive(yard: Yard, seconds: float) -> Any:
    client, _ = yard.pair()
    set_keep_alive(client, True, 60, 10, 3)
    yard.run(seconds)
    return client


@pytest.mark.parametrize(
    ("way", "segment", "until"),
    [("client", "SYN", 0.0), ("server", "SYN-ACK", 0.005), ("client", "ACK", 0.015)],
)
@pytest.mark.parametrize("how", ["lost", "cut", "cut at the arrival"])
def test_a_step_of_the_handshake(yard: Yard, way: str, segment: str, until: float, how: str) -> None:
    target = "server" if way == "client" else "client"
    listener = yard.listener("server")
    steps: list[Any] = []
    if until:
        steps.append(asked(yard))
        yard.run(until)
    if how == "lost":
        yard.losing[way, target].next = 1
    elif how == "cut":
        yard.cut(way, target, one_way=True)
    if not until:
        steps.append(asked(yard))
    if how == "cut at the arrival":
        yard.run(0.005 if not until else 0.01)  # it has left
        yard.cut(way, target, one_way=True)
    yard.run(0.1)
    why = "lost" if how == "lost" else "partitioned"
    assert dropped(yard) == [(target, way, f"{segment}: {why}")]
    for sock in (*steps, listener):
        sock.close()


@pytest.mark.parametrize("how", ["lost", "cut", "cut at the arrival", "down"])
@pytest.mark.parametrize("what", ["refusal", "reset"])
def test_a_rst(yard: Yard, how: str, what: str) -> None:
    if what == "refusal":
        client, way, target = asked(yard), "server", "client"
        yard.host("server")
        before = 0.005
    else:
        client, server = yard.pair()
        server.send(b"unread")
        yard.run(0.1)
        way, target, before = "client", "server", 0.0
    sent = {"lost": lambda: setattr(yard.losing[way, target], "next", 1)}
    sent["cut"] = lambda: yard.cut(way, target, one_way=True)
    yard.run(before)
    if how in sent:
        sent[how]()
    if what == "reset":
        client.close()
    yard.run(0.01 if before else 0.005)
    if how == "down":
        yard.host(target).crash()
    elif how == "cut at the arrival":
        yard.cut(way, target, one_way=True)
    yard.run(0.1)
    (reset,) = yard.events("rst")
    why = {"lost": "lost", "down": "the host is down"}.get(how, "partitioned")
    (drop,) = yard.events("drop")
    assert (drop.host, drop.peer, drop.detail, drop.cause) == (target, way, f"RST: {why}", reset.number)
    if how != "down" or what == "reset":
        client.close()


@pytest.mark.parametrize("why", ["lost", "partitioned"])
def test_an_ack(yard: Yard, why: str) -> None:
    client, server = yard.pair()
    if why == "lost":
        yard.losing["server", "client"].next = 1
    else:
        yard.cut("server", "client", one_way=True)
    client.send(b"hello")
    yard.run(0.05)
    assert server.recv(10) == b"hello"
    assert dropped(yard) == [("client", "server", f"ACK: {why}")]
    client.close()
    server.close()


def test_the_end_of_a_stream(yard: Yard) -> None:
    client, server = yard.pair()
    yard.cut("client", "server", one_way=True)
    client.shutdown(socket.SHUT_WR)
    (fin,) = yard.events("fin")
    (drop,) = yard.events("drop")
    assert (drop.host, drop.detail, drop.cause) == ("server", "partitioned", fin.number)
    client.close()
    server.close()


def test_questions_of_keep_alive_and_their_answers(yard: Yard) -> None:
    client = keeps_alive(yard, 59)
    yard.cut("client", "server", one_way=True)
    yard.run(2)
    yard.heal("client", "server")
    yard.cut("server", "client", one_way=True)
    yard.run(10)
    yard.heal("client", "server")
    yard.host("server").crash()
    yard.run(10)
    assert dropped(yard) == [
        ("server", "client", "keep-alive: partitioned"),
        ("client", "server", "answer to keep-alive: partitioned"),
        ("server", "client", "keep-alive: the host is down"),
    ]
    client.close()


def test_a_window_probe(yard: Yard) -> None:
    client, server = yard.pair()
    with pytest.raises(BlockingIOError):
        while True:
            client.send(bytes(65536))
            yard.run(0.1)
    yard.run(1)
    assert not dropped(yard)
    yard.cut("client", "server", one_way=True)
    yard.run(60)
    assert ("server", "client", "window probe: partitioned") in dropped(yard)
    client.close()
    server.close()
