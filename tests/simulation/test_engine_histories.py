"""Engines in a simulated world through random histories of faults: those of their sockets, and of the net."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from random_history import INDEX, Handler, NoErrors, RandomHistory, live

from netcore._platform import pack_linger
from netcore.testing import BROKEN_FAULTS, GENTLE_FAULTS
from netcore.testing.simulation import Simulation

PEERS = ("one", "other")
OPTIONS = {
    "read_buffer_cap": 128,
    "write_buffer_cap": 512,
    "low_water": 100,
    "high_water": 300,
    "max_outbound": 20_000,
    "tcp_keep_alive": 60,
    "socket_send_buffer": 2304,
}
TURN = 0.003
"""Virtual seconds that are a few turns of a loop, and a round trip."""

PATIENCE = 1000.0
"""When whoever is gone has been noticed."""


class TellingHandler(Handler):
    """Notes what is found wrong in a callback, which netcore would take for the callback's own fault."""

    def told(self, name, conn):
        try:
            return super().told(name, conn)
        except AssertionError as error:
            self.history.failures.append(error)
            raise

    def on_error(self, conn, error):
        try:
            return super().on_error(conn, error)
        except AssertionError as wrong:
            self.history.failures.append(wrong)
            raise


class End:
    """The peer's end of a connection, without netcore.

    Attributes:
        sock: Its socket; None for one that the peer has not accepted yet.
        got: What it has received.
        room: How much more it takes; None for everything.
        reset: Whether it knows that it may not have got everything.
        claimed: Whether the engine's end has opened.
    """

    def __init__(self, sock=None):
        self.sock = sock
        self.got = bytearray()
        self.room = None
        self.reset = self.claimed = False

    def take(self):
        """Receives what has come."""
        while self.sock is not None and self.room != 0:
            try:
                data = self.sock.recv(65536 if self.room is None else self.room)
            except BlockingIOError:
                return
            except OSError:
                self.reset = True
                return
            if not data:
                return
            self.got += data
            if self.room is not None:
                self.room -= len(data)


class SimulatedHistory(RandomHistory):
    """An engine on a host, and peers on two others."""

    loops = 1
    parts = True
    """Whether the net may be cut, and peers' hosts crash."""

    def open(self, limit, refuse, linger):
        self.simulation = simulation = Simulation(self.odd)
        self.failures = []
        self.ends = {}  # by the client's address, which others have after it
        self.ends_of = {}  # by the engine's connection
        self.all_ends = []
        self.dials = []
        self.server = server = simulation.host("server")
        self.listeners = {}
        for name in PEERS:
            self.begin_peer(name)
        server.faults = self.plan
        self.engine = server.engine(
            TellingHandler(self),
            "tcp://:9000",
            **OPTIONS,
            num_event_loops=self.loops,
            edge_triggered_chunk=self.edge_chunk,
            max_connections=limit,
            max_connections_policy="refuse" if refuse else "pause",
            close_timeout=5 if linger else 1,
        )
        self.limit = limit

    def begin_peer(self, name):
        """Has a peer's host take connections."""
        host = self.simulation.host(name)
        with host:
            listener = socket.socket()
            listener.setblocking(False)
            listener.bind(("", 7000))
            listener.listen()
        self.listeners[name] = listener

    # What it stands on.

    def knock(self, count):
        for _ in range(count):
            host = self.simulation.host(self.simulation.random.choice(PEERS))
            with host:
                sock = socket.socket()
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
                sock.connect_ex((self.server.address, 9000))
                self.new_end(sock.getsockname()).sock = sock

    def take_turns(self, count):
        self.pass_time(TURN * count)

    def pass_time(self, seconds):
        self.simulation.run(until=self.simulation.now + seconds)
        for name, listener in self.listeners.items():
            with suppress(BlockingIOError), self.simulation.host(name):
                while True:
                    sock, address = listener.accept()
                    sock.setblocking(False)
                    end = self.ends.get(address)
                    if end is None or end.sock is not None:
                        end = self.new_end(address)
                    end.sock = sock
        for end in self.all_ends:
            end.take()

    def stall(self, seconds):
        self.server.clock.suspend(seconds)

    def meddle(self, peer):
        self.simulation.call_later(0, self.call_from_elsewhere, peer)

    def new_end(self, address):
        end = self.ends[address] = End()
        self.all_ends.append(end)
        return end

    def end_of(self, peer):
        return self.ends_of[peer.conn.id]

    def sent_to(self, conn):
        client = conn.local_address if conn.context == "dialled" else conn.remote_address
        address = client.host, client.port
        end = self.ends.get(address)
        if end is None or end.claimed:
            end = self.new_end(address)
        end.claimed = True
        self.ends_of[conn.id] = end
        return end.got

    def say(self, peer, data):
        end = self.end_of(peer)
        if end.sock is None:
            return 0
        try:
            return end.sock.send(data)
        except OSError:  # there is no room, or no connection any more
            return 0

    def hang_up(self, peer, code):
        sock = self.end_of(peer).sock
        if sock is None:
            peer.ended = False
        elif code:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack_linger(0))
            sock.close()
        else:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)

    def hold(self, peer, after):
        self.end_of(peer).room = after

    def refuse_more(self):
        self.engine.stop_accepting()

    # What happens besides.

    @rule(name=st.sampled_from(PEERS))
    def dial(self, name):
        if self.engine.loops and len(self.dials) < 8:
            loop = self.simulation.random.choice(self.engine.loops)
            self.dials.append(loop.dial(f"tcp://{name}:7000", "dialled", 3.0))

    @precondition(lambda self: self.parts)
    @rule(name=st.sampled_from(PEERS), how=st.sampled_from(["to", "from", "both", "heal", "heal"]))
    def cut(self, name, how):
        if how == "heal":
            self.simulation.heal(name, "server")
        else:
            ends = ("server", name) if how == "to" else (name, "server")
            self.simulation.partition(*ends, one_way=how != "both")

    @precondition(lambda self: self.order)
    @rule(index=INDEX, after=st.sampled_from([0, 50, 3000]))
    def flood(self, index, after):
        """Has a connection written to until the kernel takes no more, since the peer does not."""
        peer = self.alive(index)
        if peer:
            self.hold(peer, after)
            peer.conn.loop.execute(lambda: [self.call(peer, "big") for _ in range(15)])
            self.turn(5)

    @rule(name=st.sampled_from(PEERS), latency=st.sampled_from([0.001, 0.05]), loss=st.sampled_from([0, 0.2]))
    def spoil(self, name, latency, loss):
        self.simulation.link(name, "server", latency=latency, loss=loss)

    @precondition(lambda self: self.parts)
    @rule(name=st.sampled_from(PEERS))
    def crash(self, name):
        host = self.simulation.host(name)
        for peer in self.order:
            address = peer.conn.remote_address
            if address.host == host.address:
                peer.broken = peer.ended = True
        host.restart()
        for end in self.all_ends:
            if end.sock is not None and end.sock.fileno() == -1:
                end.sock = None
        self.begin_peer(name)

    # What holds.

    def opened(self):
        return hasattr(self, "engine")

    def descriptors_are_in_order(self, here):
        if self.failures:
            raise self.failures[0]
        loops = self.engine.loops
        lingering = {fd for loop in loops for fd in loop._departures.lingering}
        assert not any(loop.sockets.closed_twice for loop in loops)
        if self.loops == 1:  # or some may be on their way from one to another
            known = here | lingering
            dialling = [dial for dial in self.dials if not dial.done()]
            assert known <= self.connected()
            assert len(self.connected() - known) <= 2 * len(dialling)  # by IPv6 and by IPv4
        accepted = [conn for conn in self.engine.connections() if conn.context != "dialled"]
        assert not self.limit or len(accepted) <= self.limit

    def connected(self):
        kernel = self.server.kernel
        open_here = kernel.network.descriptors.of("server")
        return {fd for fd in open_here if not kernel.endpoint(fd).listening}

    def teardown(self):
        if not self.opened():
            return
        self.plan.calm()
        self.plans, self.portion = [], -1
        for name in PEERS:
            self.simulation.heal(name, "server")
            self.simulation.link(name, "server")
        for end in self.all_ends:
            end.room = None
        self.turn(3)
        for peer in self.order:
            if not peer.calls["on_close"]:
                peer.conn.resume_reading()
                peer.conn.wake()
        for _ in range(50):
            self.wait(PATIENCE / 50)
        self.everything_is_in_order()
        for peer in self.order:
            self.has_come_to_its_end(peer)
        assert all(dial.done() for dial in self.dials)
        assert self.engine.stop(30)
        self.pass_time(PATIENCE)
        self.everything_is_in_order()
        assert all(len(runs) == 1 for runs in self.callbacks), "a callback never ran"
        assert all(peer.calls["on_close"] == 1 for peer in self.order)
        assert not self.server.kernel.network.descriptors.of("server")
        for end in (*self.all_ends, *map(End, self.listeners.values())):
            if end.sock is not None:
                end.sock.close()

    def has_come_to_its_end(self, peer):
        end = self.end_of(peer)
        if not peer.calls["on_close"]:
            assert not peer.ended, "the end was not noticed"
            assert peer.taken == peer.fed, "it does not flow again"
            assert peer.broken or peer.sent == peer.written, "it does not flow again"
        elif not peer.broken and peer.error is None and not end.reset:
            assert peer.sent == peer.written, "an orderly end, and bytes are missing"


class EdgeHistory(SimulatedHistory):
    edge_chunk = 256


class CrowdedHistory(SimulatedHistory):
    loops = 3


class BrokenHistory(SimulatedHistory):
    """The poller and the sockets raise, too."""

    faults = BROKEN_FAULTS


class GentleHistory(NoErrors, SimulatedHistory):
    faults = GENTLE_FAULTS
    parts = False


@pytest.mark.once
@pytest.mark.parametrize(
    "machine",
    [SimulatedHistory, EdgeHistory, CrowdedHistory, BrokenHistory, GentleHistory],
    ids=["level", "edge", "crowded", "broken", "gentle"],
)
def test_random_histories(machine):
    live(machine)
