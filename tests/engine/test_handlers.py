"""What is wrong with a handler, an option or a codec is said at the start, once, and clearly."""

from __future__ import annotations

import functools
import inspect
import logging

import pytest

import netcore
from netcore import Client, Engine, EventHandler, InvalidAddressError, Options, OptionsError
from netcore.codec import FrameHandler, LineCodec
from netcore.handler import CALLBACKS
from netcore.lb import RoundRobin
from netcore.poll import SelectPoller, register_poller

HERE = "tcp://127.0.0.1:0"


class Duck:
    """Has all callbacks, and no base class."""

    def __init__(self):
        self.called = []

    def on_boot(self, engine): ...
    def on_shutdown(self, engine): ...
    def on_open(self, conn): ...
    def on_eof(self, conn):
        return netcore.Action.CLOSE

    def on_writable(self, conn): ...
    def on_timeout(self, conn, timeout): ...
    def on_error(self, conn, error): ...
    def on_close(self, conn, error): ...
    def on_tick(self, engine): ...

    def on_traffic(self, conn):
        conn.write(conn.read())


def make(name, callback, base=EventHandler):
    return type("Handler", (base,), {name: callback})


async def asynchronous(*args): ...


async def asynchronous_generator(*args):
    yield


def generator(*args):
    yield


@pytest.mark.parametrize("options", [{}, {"debug": True}])
def test_a_handler_need_not_be_an_event_handler(serve, dial, receive, options):
    sock = dial(serve(Duck(), **options))
    sock.sendall(b"quack")
    assert receive(sock, 5) == b"quack"


@pytest.mark.parametrize("missing", CALLBACKS)
def test_what_a_handler_lacks_is_named(missing, open_descriptors):
    class Lame(Duck):
        @property
        def __dict__(self):
            return {}

    setattr(Lame, missing, property(lambda self: self.nowhere))
    before = open_descriptors()
    for start in (lambda: Engine(Lame(), HERE), lambda: netcore.run(Lame(), HERE), lambda: Client(Lame())):
        with pytest.raises(TypeError, match=rf"lacks {missing}$"):
            start()
    assert open_descriptors() == before


@pytest.mark.parametrize("handler", [None, EventHandler, Duck, object(), "handler", 3, [], HERE])
def test_what_is_no_handler(handler):
    with pytest.raises(TypeError, match="a handler must be an EventHandler object"):
        Engine(handler, HERE)


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("value", [None, 3, "on_open", netcore.Action.CLOSE])
def test_a_callback_that_is_no_method(name, value):
    with pytest.raises(TypeError, match=f"Handler.{name} is .*: a callback must be a method"):
        Engine(make(name, value)(), HERE)


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize(
    "callback", [asynchronous, asynchronous_generator, generator, functools.partialmethod(asynchronous)]
)
@pytest.mark.parametrize("base", [EventHandler, Duck])
def test_a_callback_that_a_call_does_not_run(name, callback, base):
    with pytest.raises(TypeError, match=f"Handler.{name} is an? (async def|generator) function"):
        Engine(make(name, callback, base)(), HERE)


def too_few(self): ...


def too_many(self, conn, error, more): ...


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize("callback", [too_few, too_many, lambda self, *, conn: None])
@pytest.mark.parametrize("base", [EventHandler, Duck])
def test_a_callback_that_takes_other_arguments(name, callback, base):
    expected = ", ".join(list(inspect.signature(getattr(Duck, name)).parameters)[1:])
    with pytest.raises(TypeError, match=rf"Handler.{name} takes \(.*\), but is called with \({expected}\)$"):
        Engine(make(name, callback, base)(), HERE)


def with_a_clock(function):
    """Passes on one argument more than it is given."""

    @functools.wraps(function)
    def call(self, conn):
        return function(self, conn, 0.0)

    return call


@pytest.mark.parametrize(
    "callback",
    [
        lambda *everything: None,
        lambda self, conn, *, more=None: None,
        lambda self, connection, more=None: None,
        staticmethod(lambda conn: None),
        with_a_clock(lambda self, conn, now: None),
        functools.partialmethod(lambda self, more, conn: None, "more"),
        print,
    ],
)
def test_a_callback_that_takes_its_arguments_in_its_own_way(callback):
    Engine(make("on_traffic", callback)(), HERE)


def test_a_callback_of_frames_that_takes_other_arguments():
    with pytest.raises(
        TypeError, match=r"Handler.on_frame takes \(frame\), but is called with \(conn, frame\)"
    ):
        Engine(make("on_frame", lambda self, frame: None, FrameHandler)(LineCodec(10)), HERE)


def test_a_class_instead_of_an_object():
    with pytest.raises(TypeError, match=r"give an object, such as Duck\(\)$"):
        Engine(Duck, HERE)


@pytest.mark.parametrize("name", ["on_frame", "on_frame_error"])
def test_callbacks_of_frames_are_callbacks_too(name):
    with pytest.raises(TypeError, match=f"Handler.{name} is an async def function.*AsyncHandler"):
        Engine(make(name, asynchronous, FrameHandler)(LineCodec(10)), HERE)


def test_a_frame_handler_whose_codec_nobody_has_set():
    class Forgetful(FrameHandler):
        def __init__(self): ...

    class Careless(FrameHandler):
        def __init__(self):
            super().__init__(LineCodec(10))
            self.codec = LineCodec

    with pytest.raises(TypeError, match=r": Forgetful.__init__ must call super\(\).__init__\(codec\)$"):
        Engine(Forgetful(), HERE)
    with pytest.raises(TypeError, match="a FrameHandler needs a codec, an object with"):
        Engine(Careless(), HERE)


def lines_at_start(caplog, handler, **options):
    with caplog.at_level(logging.WARNING), Engine(handler, HERE, **options):
        pass
    lines = [record.getMessage() for record in caplog.records if record.name == "netcore"]
    return [line for line in lines if "native part" not in line]  # said once by the first engine of a process


def test_ticks_that_nobody_asked_for_are_warned_of(caplog):
    handler = make("on_tick", lambda self, engine: None)()
    expected = "Handler has an on_tick, which is not called without the option ticker"
    assert lines_at_start(caplog, handler) == [expected]
    caplog.clear()
    assert lines_at_start(caplog, handler, ticker=True) == []
    assert lines_at_start(caplog, EventHandler()) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [("on_trafic", ": did you mean on_traffic?"), ("on_opened", ": did you mean on_open?"), ("on_xyz", "")],
)
def test_an_unknown_callback_is_warned_of(caplog, name, hint):
    handler = make(name, lambda self, conn: None)()
    expected = f"Handler has a method {name}, which is none of the callbacks{hint}"
    assert lines_at_start(caplog, handler) == [expected]


def test_a_callback_of_frames_without_frames_is_unknown(caplog):
    assert "on_frame" in lines_at_start(caplog, make("on_frame", lambda self, conn, frame: None)())[0]
    caplog.clear()
    framed = make("on_frame", lambda self, conn, frame: None, FrameHandler)(LineCodec(10))
    assert lines_at_start(caplog, framed) == []


def test_methods_that_the_handler_calls_itself_are_its_own(caplog):
    class Web(EventHandler):
        def on_traffic(self, conn):
            for line in conn.read().splitlines():
                self.on_request(conn, line)

        def on_request(self, conn, line):
            sorted([line], key=lambda _: self.on_part())

        @staticmethod
        def on_part(): ...

    class Dispatching(EventHandler):
        def on_traffic(self, conn):
            getattr(self, "on_" + conn.read().decode())(conn)

        def on_hello(self, conn): ...

    for handler in (Web(), Dispatching()):
        assert lines_at_start(caplog, handler) == []


@pytest.mark.parametrize("options", [{}, {"backlog": 5}, 3, "debug", [], Options])
def test_options_of_another_type(options):
    with pytest.raises(TypeError, match="options must be an Options object"):
        Engine(EventHandler(), HERE, options=options)
    with pytest.raises(TypeError, match="options must be an Options object"):
        Client(EventHandler(), options)


def test_options_where_addresses_are():
    with pytest.raises(InvalidAddressError, match=r"options are given by name, as options=\.\.\."):
        Engine(EventHandler(), HERE, Options())


class Later:
    async def pick(self, loops, remote): ...


@pytest.mark.parametrize("balancer", [RoundRobin, None, 3, object(), Later(), lambda loops, remote: loops[0]])
def test_what_is_no_load_balancer(balancer):
    with pytest.raises(OptionsError, match="option load_balancer"):
        Engine(EventHandler(), HERE, load_balancer=balancer)


@pytest.mark.parametrize("opened", [None, 3, "select", object(), SelectPoller, []])
def test_a_factory_that_opens_no_poller(opened, open_descriptors):
    before = open_descriptors()
    with pytest.raises(OptionsError, match=r"option poller: what it opened is .*, which is no poller"):
        Engine(EventHandler(), HERE, poller=lambda: opened).start()
    assert open_descriptors() == before


def test_a_factory_that_opens_the_same_poller_twice(open_descriptors):
    poller = SelectPoller()
    with pytest.raises(OptionsError, match=r"option poller: it opened .* twice"):
        Engine(EventHandler(), HERE, poller=lambda: poller, num_event_loops=2).start()
    poller.close()


@pytest.mark.parametrize(("name", "factory"), [(3, SelectPoller), ("mine", None), ("mine", "select")])
def test_what_cannot_be_registered_as_a_poller(name, factory):
    with pytest.raises(TypeError, match="a poller is registered by a name and a function"):
        register_poller(name, factory)


def test_a_strange_result_of_on_boot_is_said(caplog):
    handler = make("on_boot", lambda self, engine: 2)()
    with caplog.at_level(logging.ERROR), Engine(handler, HERE) as engine:
        assert engine.running, "2 is no Action.SHUTDOWN"
    assert "on_boot returned 2, which is no Action" in caplog.text
