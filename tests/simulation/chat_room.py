"""The room of examples/chat.py on a bad net, and guests who look whether it keeps what it promises."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from concurrent.futures import Future

from examples.chat import MAX_LINE, OPTIONS, Chat
from netcore import Action, Conn, Engine, EventHandler
from netcore.testing.simulation import Host, Simulation

ADDRESS = "tcp://chat:9000"
GUESTS = 6
TROUBLE = 6.0
"""Virtual seconds in which the net is bad, hosts crash, and guests misbehave."""

SETTLED = 400.0
"""When all that has ended in silence has been noticed: keep-alive takes two minutes, and a resend as long."""

NICKS = ("ann", "bob", "cyd", *(f"guest{i}" for i in range(1, 2 * GUESTS)))
ODD_LINES = (b"/nick\n", b"/nick a b\n", b"/hello\n", b"\n", b"\xff\x1b[31m\n", b"/who\r\n", b"   \n")


class Watched(Chat):
    """The room, with its callbacks counted."""

    def __init__(self, world: ChatWorld) -> None:
        super().__init__()
        self._world = world

    def on_open(self, conn: Conn) -> None:
        self._world.opened(conn)
        super().on_open(conn)

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        self._world.closed(conn)
        super().on_close(conn, error)

    def on_error(self, conn: Conn, error: Exception) -> Action | None:
        self._world.errors.append(error)
        return Action.CLOSE


class Guest:
    """One visit of somebody who says numbers, one after the other, and hears those of others.

    Attributes:
        tag: Who, on which visit.
        name: What the room calls them; empty until it has.
        said: How many numbers.
        heard: The numbers heard from each other visitor.
        present: Who is here by what the room has told; None where that is not known from the beginning.
        here: The answer to the last /who.
    """

    def __init__(self, world: ChatWorld, host: Host, tag: str) -> None:
        self.world = world
        self.host = host
        self.tag = tag
        self.name = ""
        self.said = 0
        self.heard: defaultdict[str, list[int]] = defaultdict(list)
        self.present: set[str] | None = None
        self.here: list[str] = []
        self.conn: Conn | None = None
        self.over = False
        self._rest = b""

    # What they do.

    def arrive(self, conn: Conn) -> None:
        self.conn = conn
        conn.loop.schedule(0.01, self.act)

    def act(self) -> None:
        """Does something, and again after a while."""
        conn, source = self.conn, self.world.simulation.random
        if conn is None or conn.closed or self.world.calm:
            return
        what = source.random()
        if what < 0.6:
            self.say(conn, source.randrange(200))
        elif what < 0.7:
            conn.write(f"/nick {source.choice(NICKS)}\n".encode())
        elif what < 0.75:
            conn.write(b"/who\n")
        elif what < 0.85:
            conn.write(source.choice(ODD_LINES))
        elif what < 0.90:
            conn.pause_reading()
            conn.loop.schedule(source.random() * 3, conn.resume_reading)
        elif what < 0.94:
            conn.write(b"/quit\n")
        elif what < 0.96:
            conn.shutdown_write()
            return
        elif what < 0.98:
            conn.abort()
        else:
            conn.write(b"x" * (MAX_LINE + 1) + b"\n")
        conn.loop.schedule(source.random() * 0.2, self.act)

    def say(self, conn: Conn, padding: int) -> None:
        """Says the next number, in one piece or in two."""
        line = f"{self.tag} {self.said} {'.' * padding}x\n".encode()
        self.said += 1
        cut = self.world.simulation.random.randrange(len(line))
        conn.write(line[:cut])
        conn.flush()
        conn.write(line[cut:])

    # What they hear.

    def listen(self, conn: Conn) -> None:
        *lines, self._rest = (self._rest + conn.read()).split(b"\n")
        for line in map(bytes.decode, lines):
            if line.startswith("* "):
                self.notice(line[2:])
            else:
                self.hear(*line.split(": ", 1))

    def hear(self, name: str, text: str) -> None:
        if self.present is not None:
            assert name in self.present, f"{name} speaks and is not here"
        tag, number, _ = text.split(" ") if text.count(" ") == 2 else ("", "0", "")
        if not tag:
            assert text.isprintable()
            return
        heard = self.heard[tag]
        assert tag != self.tag, "one's own words come back"
        assert not heard or int(number) == heard[-1] + 1, (
            f"{self.tag} hears {heard[-1]}, then {number} of {tag}"
        )
        heard.append(int(number))

    def notice(self, text: str) -> None:
        if text.startswith("welcome, "):
            self.name = text[9:]
            if self.present is not None:
                self.present.add(self.name)
        elif text.startswith("you are "):
            self.renamed(self.name, text[8:])
            self.name = text[8:]
        elif text.startswith("here: "):
            self.here = text[6:].split(", ")
            assert self.name in self.here
        elif text.endswith(" has joined"):
            self.joined(text[:-11])
        elif text.endswith((" has left", " has been too slow")):
            if self.present is not None:
                self.present.remove(text.split(" ")[0])
        elif " is now " in text:
            self.renamed(*text.split(" is now "))

    def joined(self, name: str) -> None:
        assert name != self.name, f"two are called {name}"
        if self.present is not None:
            assert name not in self.present, f"two are called {name}"
            self.present.add(name)

    def renamed(self, former: str, name: str) -> None:
        if self.present is not None:
            self.present.remove(former)
            assert name not in self.present, f"two are called {name}"
            self.present.add(name)


class Guests(EventHandler):
    """Passes the callbacks of a host's guests on to them."""

    def __init__(self, world: ChatWorld) -> None:
        self._world = world

    def on_open(self, conn: Conn) -> None:
        self._world.opened(conn)
        conn.context.arrive(conn)

    def on_traffic(self, conn: Conn) -> None:
        conn.context.listen(conn)

    def on_error(self, conn: Conn, error: Exception) -> Action | None:
        self._world.errors.append(error)
        return Action.CLOSE

    def on_close(self, conn: Conn, error: Exception | None) -> None:
        self._world.closed(conn)
        self._world.left(conn.context)


class ChatWorld:
    """A room and its guests under a seed.

    Attributes:
        calm: Whether the trouble is over, and nobody comes or goes.
        errors: What callbacks have raised.
        guests: Those who are here, or on their way, by their hosts.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.calm = False
        self.errors: list[Exception] = []
        self.guests: dict[str, Guest] = {}
        self._alive: set[Conn] = set()
        self._visits = 0
        source = simulation.random
        self.options = dataclasses.replace(
            OPTIONS,
            num_event_loops=source.choice((1, 1, 2, 3)),
            low_water=500,
            high_water=source.choice((1000, 4000)),
            max_outbound=source.choice((4000, 20_000)),
            socket_send_buffer=source.choice((2304, 8000)),
            edge_triggered=source.random() < 0.3,
        )
        self.server = simulation.host("chat")
        self.engine: Engine = self.server.engine(Watched(self), ADDRESS, options=self.options)
        self.watcher = self.come(simulation.host("watcher"))
        self.watcher.present = set()
        self.watcher.act = lambda: None  # type: ignore[method-assign]
        simulation.run(until=lambda: bool(self.watcher.name))
        simulation.invariant(self.nothing_has_gone_wrong)
        for i in range(GUESTS):
            host = simulation.host(f"home{i}")
            host.clock.skew(source.choice((1.0, 1.0, 0.7, 1.3)))
            self.spoil(host)
            simulation.call_later(source.random(), self.come, host)
        simulation.call_later(0.1, self.trouble)
        simulation.call_later(0.05, self.look)

    # Who comes and goes.

    def come(self, host: Host) -> Guest | None:
        known = self.guests.get(host.name)
        if self.calm or not host.up or (known is not None and not known.over):
            return None
        self._visits += 1
        guest = self.guests[host.name] = Guest(self, host, f"{host.name}-{self._visits}")
        if known is None or not host.actors:
            receives = self.simulation.random.choice((2304, 0, 0)) if host.name != "watcher" else 0
            host.client(Guests(self), socket_recv_buffer=receives, tcp_keep_alive=60)
        host.dial(ADDRESS, guest, 5.0).add_done_callback(lambda dialled: self.dialled(guest, dialled))
        return guest

    def dialled(self, guest: Guest, dialled: Future[Conn]) -> None:
        if dialled.cancelled() or dialled.exception() is not None:
            self.left(guest)

    def left(self, guest: Guest) -> None:
        guest.over = True
        self.simulation.call_later(self.simulation.random.random(), self.come, guest.host)

    def opened(self, conn: Conn) -> None:
        assert conn not in self._alive
        self._alive.add(conn)

    def closed(self, conn: Conn) -> None:
        self._alive.remove(conn)  # which it is in once

    # What goes wrong.

    def spoil(self, host: Host) -> None:
        """Lays a bad line between a guest and the room."""
        source = self.simulation.random
        latency = source.choice((0.001, 0.02, 0.3))
        self.simulation.link(
            host,
            self.server,
            latency=lambda source: latency * (0.5 + source.random()),
            bandwidth=source.choice((None, None, 20_000)),
            loss=source.choice((0.0, 0.0, 0.1)),
        )

    def trouble(self) -> None:
        """Has one thing go wrong, and later the next; after the last everything is well."""
        simulation, source = self.simulation, self.simulation.random
        homes = [host for host in simulation.hosts if host.name.startswith("home")]
        if simulation.now > TROUBLE:
            self.calm_down(homes)
            return
        home = source.choice(homes)
        what = source.random()
        if what < 0.3:
            ends = (home, self.server) if source.random() < 0.5 else (self.server, home)
            simulation.partition(*ends, one_way=source.random() < 0.5)
        elif what < 0.6:
            simulation.heal(home, self.server)
        elif what < 0.75:
            self.crash(home)
        elif what < 0.78:
            self.crash_server()
        elif what < 0.9:
            home.clock.suspend(source.random() * 3)
        else:
            self.spoil(home)
        simulation.call_later(source.random() * 0.4, self.trouble)

    def crash(self, host: Host) -> None:
        host.crash()
        guest = self.guests.get(host.name)
        if guest is not None:
            guest.over = True
            self._alive.discard(guest.conn)  # type: ignore[arg-type]
        self.simulation.call_later(self.simulation.random.random(), self.restart, host)

    def restart(self, host: Host) -> None:
        if not host.up:
            host.restart()
            self.simulation.call_later(self.simulation.random.random(), self.come, host)

    def crash_server(self) -> None:
        if not self.server.up:
            return
        self._alive.difference_update(self.engine.connections())
        self.server.crash()
        self.watcher.present = None
        self.simulation.call_later(self.simulation.random.random(), self.restart_server)

    def restart_server(self) -> None:
        if not self.server.up:
            (self.engine,) = self.server.restart(Watched(self))

    def calm_down(self, homes: list[Host]) -> None:
        self.calm = True
        self.restart_server()
        for home in homes:
            self.restart(home)
            self.simulation.heal(home, self.server)
            self.simulation.link(home, self.server)

    # What holds.

    def nothing_has_gone_wrong(self) -> None:
        if self.errors:
            raise self.errors[0]

    def look(self) -> None:
        """Looks now and then how much is remembered for those who do not read."""
        if self.server.up:
            for conn in self.engine.connections():
                assert conn.outbound_buffered <= self.options.max_outbound
                assert conn.inbound_buffered <= MAX_LINE + 65536
        if not self.calm:
            self.simulation.call_later(0.05, self.look)

    def live(self) -> None:
        """Has everything happen, and looks at what has become of it."""
        simulation = self.simulation
        simulation.run(until=SETTLED)
        here = self.those_who_stay()
        for guest in here:
            guest.conn.resume_reading()
            guest.conn.async_write(f"\n{guest.tag} {guest.said} .\n/who\n".encode())
            guest.said += 1
        simulation.run(until=simulation.now + 10)
        assert self.those_who_stay() == here
        self.everybody_has_heard(here)
        for guest in here:
            guest.conn.async_write(b"/quit\n")
        simulation.run(until=simulation.now + 10)
        self.nothing_is_left()

    def those_who_stay(self) -> list[Guest]:
        here = [guest for guest in self.guests.values() if not guest.over]
        assert self.engine.connection_count == len(here), "somebody has left, and the room has not noticed"
        return here

    def everybody_has_heard(self, here: list[Guest]) -> None:
        names = sorted(guest.name for guest in here)
        for guest in here:
            assert guest.here == names
            assert guest.present is None or guest.present == set(names)
            for other in here:
                if other is not guest:
                    assert guest.heard[other.tag][-1] == other.said - 1, f"{guest.tag} misses {other.tag}"

    def nothing_is_left(self) -> None:
        assert self.engine.connection_count == 0
        assert not self._alive, "an on_close is missing"
        assert self.engine.stop()
        simulation = self.simulation
        simulation.run(until=simulation.now + 1)
        for host in simulation.hosts:
            descriptors = host.kernel.network.descriptors.of(host.name)
            assert not descriptors, f"sockets are left on {host.name}"
