"""A proxy on a bad net, with clients and a target who look what it does to their bytes."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from functools import partial

from netcore import Conn, Engine, EventHandler, Options
from netcore.connection import State
from netcore.testing.simulation import Host, Simulation

CLIENTS = 3
TROUBLE = 6.0
"""Virtual seconds in which the net is bad, hosts crash, and clients come."""

SETTLED = 1500.0
"""When all that has ended in silence has been noticed."""

PATIENT = Options(tcp_keep_alive=60, close_timeout=600)
"""What those have who speak through the proxy."""

ENDS = ("half", "half", "half", "close", "abort")
"""How a side ends: with the end of its stream, with that of both, or with a reset in the midst."""


@dataclass
class Side:
    """One side of a call.

    Attributes:
        host: Where it is.
        speech: What it says.
        ending: How it ends.
        waits: Whether it speaks only when the other side has finished.
        conn: Its connection; None as long as there is none.
        said: How much it has written.
        heard: What it has got.
        finished: Whether it has ended its stream in order, with everything said.
        ended: Whether it has seen the end of the other's.
        over: Whether its connection is gone.
        crashed: Whether its host has crashed since.
    """

    host: Host
    speech: bytes
    ending: str
    waits: bool = False
    conn: Conn | None = None
    said: int = 0
    heard: bytearray = field(default_factory=bytearray)
    finished: bool = False
    ended: bool = False
    over: bool = False
    crashed: bool = False


class Call:
    """A client who speaks with the target, through the proxy."""

    def __init__(self, number: int, source: random.Random, home: Host, target: Host) -> None:
        self.number = number
        name = b"%d\n" % number
        sizes = (0, 100, 5000, 60_000, 150_000)
        self.client = Side(home, name + source.randbytes(source.choice(sizes)), source.choice(ENDS))
        self.target = Side(
            target, source.randbytes(source.choice(sizes)), source.choice(ENDS), source.random() < 0.3
        )


class Speaker(EventHandler):
    """What both sides do alike; which side of its call a connection is stands in its context."""

    def __init__(self, world: ProxyWorld) -> None:
        self.world = world

    def begin(self, conn: Conn, me: Side, other: Side) -> None:
        conn.context = me, other
        me.conn = conn
        self.speak(conn)
        if self.world.simulation.random.random() < 0.2:  # hard of hearing
            conn.pause_reading("asleep")
            conn.loop.schedule(self.world.simulation.random.random() * 8, conn.resume_reading, "asleep")

    def speak(self, conn: Conn) -> None:
        """Says some more, and the rest later."""
        me, _ = conn.context
        source = self.world.simulation.random
        if conn.closed or me.finished or (me.waits and not me.ended):
            return
        while me.said < len(me.speech):
            if not conn.writable:
                return  # on_writable goes on
            me.said += conn.write(me.speech[me.said : me.said + source.choice((1, 500, 20_000))])
            if me.ending == "abort" and source.random() < 0.1:
                conn.abort()
                return
            if source.random() < 0.3:
                conn.loop.schedule(source.random() * 0.1, self.speak, conn)
                return
        me.finished = True
        if me.ending == "half":
            conn.shutdown_write()
        elif me.ending == "close":
            conn.close()
        else:
            conn.abort()

    def hear(self, conn: Conn) -> None:
        me, other = conn.context
        start = len(me.heard)
        me.heard += conn.read()
        assert me.heard[start:] == other.speech[start : len(me.heard)], "bytes are lost, doubled or invented"
        assert len(me.heard) <= other.said, "bytes are heard that nobody has said yet"

    def on_traffic(self, conn: Conn) -> None:
        self.hear(conn)

    def on_writable(self, conn: Conn) -> None:
        if conn.context is not None:
            self.speak(conn)

    def on_eof(self, conn: Conn) -> None:
        me, other = conn.context
        me.ended = True
        assert other.finished, "the end of a stream that nobody has ended"
        assert len(me.heard) == len(other.speech), "half a stream looks like a whole one"
        self.speak(conn)

    def on_error(self, conn: Conn, error: Exception) -> None:
        self.world.errors.append(error)

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        if conn.context is not None:
            self.hear(conn)
            me, _ = conn.context
            assert not me.over, "a second on_close"
            me.over = True


class Clients(Speaker):
    """The clients of a host."""

    def on_open(self, conn: Conn) -> None:
        call: Call = conn.context
        self.begin(conn, call.client, call.target)


class Target(Speaker):
    """Answers each call in its own way, once it knows which it is."""

    def on_open(self, conn: Conn) -> None:
        self.world.reached += 1

    def on_traffic(self, conn: Conn) -> None:
        if conn.context is None:
            name, newline, _ = bytes(conn.peek()).partition(b"\n")
            if not newline:
                return
            call = self.world.calls[int(name)]
            assert call.target.conn is None, "a call comes twice"
            self.begin(conn, call.target, call.client)
        if not conn.paused:
            self.hear(conn)

    def on_eof(self, conn: Conn) -> None:
        assert conn.context is not None, "an end before anything was said"
        super().on_eof(conn)


class ProxyWorld:
    """Clients, a proxy and a target under a seed.

    Args:
        simulation: The world.
        make_proxy: Makes a proxy to an address.
        options: The proxy's.
        piece: Bytes that it takes at once; 0 for what is received at once.

    Attributes:
        calls: By their numbers.
        errors: What callbacks have raised.
        reached: How many connections the target has got.
    """

    def __init__(
        self, simulation: Simulation, make_proxy: type[EventHandler], options: Options, piece: int = 0
    ) -> None:
        self._piece = piece or max(options.read_buffer_cap, options.edge_triggered_chunk)
        self.simulation = simulation
        self.calls: list[Call] = []
        self.errors: list[Exception] = []
        self.reached = 0
        self.options = options
        self.target, self.proxy = simulation.host("target"), simulation.host("proxy")
        # By IPv4: of two connections that race for a name the slower one ends without a word.
        self._make_proxy = partial(make_proxy, f"tcp://{self.target.address}:8000")
        self.clients = [simulation.host(f"client{i}") for i in range(CLIENTS)]
        source = simulation.random
        for host in (self.target, *self.clients):
            self.spoil(host)
            host.clock.skew(source.choice((1.0, 1.0, 0.7, 1.3)))
        receives = source.choice((0, 2304))
        self.target.engine(Target(self), "tcp://:8000", options=PATIENT, socket_recv_buffer=receives)
        self.engine: Engine = self.proxy.engine(self._make_proxy(), "tcp://:9000", options=options)
        simulation.invariant(self.nothing_has_gone_wrong)
        simulation.call_later(0.0, self.call)
        simulation.call_later(source.random(), self.trouble)
        simulation.call_later(0.05, self.look)

    def call(self) -> None:
        """Has a client call, and later the next."""
        simulation, source = self.simulation, self.simulation.random
        host = source.choice(self.clients)
        if host.up and simulation.now < TROUBLE:
            call = Call(len(self.calls), source, host, self.target)
            self.calls.append(call)
            if not host.actors:
                receives = source.choice((0, 2304))
                host.client(Clients(self), PATIENT, socket_recv_buffer=receives)
            dialled = host.dial(f"tcp://{self.proxy.address}:9000", call, 20.0)
            dialled.add_done_callback(lambda dialled: self.dialled(call, dialled.exception()))
        simulation.call_later(source.random() * 0.5, self.call)

    @staticmethod
    def dialled(call: Call, error: BaseException | None) -> None:
        call.client.over = call.client.over or error is not None

    # What goes wrong.

    def spoil(self, host: Host) -> None:
        source = self.simulation.random
        latency = source.choice((0.001, 0.02, 0.3))
        # Not both: then what is left may take longer than the minute that a proxy has for it.
        bandwidth, loss = source.choice(((None, 0.0), (None, 0.1), (200_000, 0.0)))
        self.simulation.link(
            host,
            self.proxy,
            latency=lambda source: latency * (0.5 + source.random()),
            bandwidth=bandwidth,
            loss=loss,
        )

    def trouble(self) -> None:
        """Has one thing go wrong, and later the next; after the last everything is well."""
        simulation, source = self.simulation, self.simulation.random
        ends = (self.target, *self.clients)
        if simulation.now > TROUBLE:
            for host in simulation.hosts:
                self.restart(host)
            for host in ends:
                simulation.heal(host, self.proxy)
                # Else what is left may take longer than the minute that a proxy has for it.
                line = simulation.link_between(host, self.proxy)
                simulation.link(host, self.proxy, **{**line, "loss": 0.0})
            return
        host = source.choice(ends)
        what = source.random()
        if what < 0.3:
            pair = (host, self.proxy) if source.random() < 0.5 else (self.proxy, host)
            simulation.partition(*pair, one_way=source.random() < 0.5)
        elif what < 0.6:
            simulation.heal(host, self.proxy)
        elif what < 0.7:
            self.crash(host)
        elif what < 0.72:
            self.crash(self.proxy)
        elif what < 0.85:
            source.choice(simulation.hosts).clock.suspend(source.random() * 3)
        else:
            self.spoil(host)
        simulation.call_later(source.random() * 0.5, self.trouble)

    def crash(self, host: Host) -> None:
        host.crash()
        for call in self.calls:
            for side in (call.client, call.target):
                if host is side.host and (side is call.client or side.conn is not None):
                    side.crashed = side.over = True
                elif host is self.proxy:
                    side.crashed = True
        self.simulation.call_later(self.simulation.random.random(), self.restart, host)

    def restart(self, host: Host) -> None:
        if not host.up:
            handlers = (self._make_proxy(),) if host is self.proxy else ()
            started = host.restart(*handlers)
            if host is self.proxy:
                (self.engine,) = started

    # What holds.

    def nothing_has_gone_wrong(self) -> None:
        if self.errors:
            raise self.errors[0]

    def look(self) -> None:
        """Looks now and then how much waits in the proxy, and whose pairs it has."""
        connections = self.engine.connections() if self.proxy.up else []
        # What a reset finds in the kernel still comes all at once, before both sides go.
        if not any(conn.closed or conn.state is State.FAILED for conn in connections):
            most = self.options.high_water + self._piece
            for conn in connections:
                assert conn.outbound_buffered <= most, f"{conn.outbound_buffered} bytes wait, and {most} may"
                assert conn.inbound_buffered <= most, f"{conn.inbound_buffered} bytes are unread"
        if self.simulation.now < TROUBLE:
            self.simulation.call_later(0.05, self.look)

    def live(self) -> None:
        """Has everything happen, and looks at what has become of it."""
        self.simulation.run(until=SETTLED)
        assert not self.engine.connections(), "the proxy keeps connections of nobody"
        for call in self.calls:
            self.is_over(call)
        self.nothing_is_left()

    def is_over(self, call: Call) -> None:
        client, target = call.client, call.target
        assert client.over, "a client waits for ever"
        assert target.over or target.conn is None, "the target waits for ever"
        if client.ending == target.ending == "half" and target.conn is not None:
            whole = client.ended and target.ended
            assert whole or client.crashed or target.crashed, (
                "an orderly call has not been brought to its end"
            )

    def nothing_is_left(self) -> None:
        simulation = self.simulation
        for host, sockets in ((self.proxy, 1), (self.target, 1), *((host, 0) for host in self.clients)):
            found = len(host.kernel.network.descriptors.of(host.name))
            assert found == sockets, f"{found} sockets are left on {host.name}"
        assert self.engine.stop()
        simulation.run(until=simulation.now + 1)
        assert not self.proxy.kernel.network.descriptors.of("proxy")


def options_for(source: random.Random, base: Options) -> Options:
    """Makes a proxy's options so small that its buffers fill."""
    return dataclasses.replace(
        base,
        num_event_loops=source.choice((1, 1, 2)),
        read_buffer_cap=4096,
        high_water=source.choice((8000, 60_000)),
        low_water=2000,
        edge_triggered_chunk=source.choice((0, 0, 8192)),
        socket_send_buffer=source.choice((0, 2304)),
        socket_recv_buffer=source.choice((0, 2304)),
    )
