"""What type checkers see of contexts in somebody's program: checked by tox's ``types``, never run.

A comment that ignores an error stands where there has to be one: one that is not needed is an error itself.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportDeprecated=false

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from typing_extensions import assert_type

import netcore
from netcore import Action, Conn, EventHandler
from netcore.codec import FrameHandler, LineCodec


class Member:
    name = ""


class Chat(EventHandler[Member]):
    """Says what the context is: so it need not be said with each parameter."""

    def __init__(self) -> None:
        self.members: dict[int, Conn[Member]] = {}

    def on_open(self, conn: Conn[Member]) -> None:
        conn.context = Member()
        conn.context = "a name"  # type: ignore[assignment]
        self.members[conn.id] = conn

    def on_traffic(self, conn: Conn[Member]) -> Action | None:
        assert_type(conn.context, Member)
        conn.context.nome  # type: ignore[attr-defined]  # noqa: B018
        conn.async_write(b"x", self.written)
        conn.close(lambda conn, error: self.leave(conn))
        return None

    def written(self, conn: Conn[Member], error: Exception | None) -> None:
        assert_type(conn.context, Member)

    def leave(self, conn: Conn[Member]) -> None:
        conn.loop.execute(self.members.pop, conn.id, None)
        conn.loop.schedule(1.0, self.written, conn, None)

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        assert_type(conn.context, Any)


class Lines(FrameHandler[Member]):
    def on_frame(self, conn: Conn[Member], frame: bytes) -> Action:
        assert_type(conn.context, Member)
        self.send_frame(conn, frame)
        return Action.NONE


class Wrong(EventHandler[Member]):
    def on_traffic(self, conn: Conn[int]) -> None:  # type: ignore[override]
        """Its context is another."""


class Plain(EventHandler):
    """Needs nothing more, not even with the strictest settings."""

    def on_open(self, conn: Conn) -> None:
        conn.context = Member()

    def on_traffic(self, conn: Conn) -> None:
        assert_type(conn.context, Any)
        passes(conn)
        wants_a_member(conn)


def passes(conn: Conn) -> None:
    """Takes any."""


def wants_a_member(conn: Conn[Member]) -> None:
    passes(conn)


def wants_a_number(conn: Conn[int]) -> None:
    wants_a_member(conn)  # type: ignore[arg-type]


def program(engine: netcore.Engine, client: netcore.Client) -> None:
    dialled: Future[Conn[Member]] = engine.dial("tcp://192.0.2.1:7", Member())
    wants_a_member(dialled.result())
    conn: Conn[Member] = client.dial("tcp://192.0.2.1:7", Member())
    assert_type(conn.context, Member)
    for handler in (Chat(), Lines(LineCodec(10)), Plain()):
        netcore.run(handler, "tcp://127.0.0.1:0")
