"""What stands for a protocol has all of it: a method that was forgotten does not quietly return None."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator

import pytest

import netcore
from netcore import Address, Conn, Engine, EngineView, EventHandler, EventLoop, Timer
from netcore.connection import (
    CheckedDatagramConn,
    CheckedDatagramConnection,
    CheckedStreamConnection,
    DatagramConn,
    DatagramConnection,
    Host,
    Retired,
    StreamConnection,
)
from netcore.eventloop import Loop, PlannedCall
from netcore.eventloop.site import Site

LIVING = (StreamConnection, CheckedStreamConnection, DatagramConnection, CheckedDatagramConnection)
CONCRETE = {
    Conn: (*LIVING, DatagramConn, CheckedDatagramConn),
    Retired: LIVING,
    EventLoop: (Loop,),
    Host: (Loop,),
    Site: (Loop,),
    Timer: (PlannedCall,),
    EngineView: (Engine,),
}
PAIRS = [(protocol, cls) for protocol, classes in CONCRETE.items() for cls in classes]


def members(protocol: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties of a protocol, those it inherits included."""
    for cls in protocol.__mro__:
        for name, member in vars(cls).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                yield name, member


@pytest.mark.parametrize("protocol", [Conn, EventLoop, Timer, EngineView, Host, Site, Retired])
def test_each_method_of_a_protocol_is_abstract(protocol: type) -> None:
    for name, member in members(protocol):
        assert getattr(member, "__isabstractmethod__", False), name


@pytest.mark.parametrize(("protocol", "cls"), PAIRS)
def test_each_class_has_them_all(protocol: type, cls: type) -> None:
    assert not inspect.isabstract(cls)
    for name, member in members(protocol):
        own = inspect.getattr_static(cls, name)
        assert own is not member, f"{cls.__name__} inherits {name} of {protocol.__name__}"
        if inspect.isfunction(member) and inspect.isfunction(inspect.unwrap(own)):
            assert list(inspect.signature(own).parameters) == list(inspect.signature(member).parameters), name


@pytest.mark.parametrize("protocol", [Conn, EventLoop, Timer, EngineView])
def test_a_class_that_forgets_one_cannot_be_made(protocol: type) -> None:
    wanted = {name: lambda *args: None for name, _ in members(protocol)}
    type("Complete", (protocol,), wanted)()
    for name in wanted:
        less = {other: member for other, member in wanted.items() if other != name}
        with pytest.raises(TypeError, match=name):
            type("Incomplete", (protocol,), less)()


def test_what_is_no_method_is_there_too(world) -> None:
    w = world()
    stream = w.connect()
    port = w.loop.listen_for_datagrams(60, socket.AF_INET, Address("udp", "192.0.2.1", 53))._port
    answer = port.conn_to(b"\0")
    dialled = w.loop._hosted.establish_datagrams(61, socket.AF_INET, Address("udp", "192.0.2.9", 53), None, 1)
    engine = Engine(EventHandler(), "tcp://127.0.0.1:0")
    for thing, protocol in (
        *((conn, Conn) for conn in (stream, answer, dialled)),
        *((conn, Retired) for conn in (stream, dialled)),
        *((w.loop, cls) for cls in (EventLoop, Host, Site)),
        (engine, EngineView),
    ):
        names = [name for cls in protocol.__mro__ for name in vars(cls).get("__annotations__", ())]
        assert names
        for name in names:
            assert name.startswith("_") or hasattr(thing, name), f"{thing!r} has no {name}"
        if protocol in (Conn, EventLoop, EngineView):
            assert isinstance(thing, protocol)
    engine.stop()


def test_a_handler_is_given_the_view(serve) -> None:
    given = []

    class Handler(EventHandler):
        def on_boot(self, engine: netcore.EngineView) -> None:
            given.append((engine, engine.running, engine.connection_count, len(engine.loops)))

    engine = serve(Handler())
    assert given == [(engine, True, 0, 1)]
