"""Multicast groups, on the loopback interface."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netcore import Address, Options, OptionsError
from netcore._platform import FACTS
from netcore.testing import RecordingHandler

GROUP = "239.255.77.1"
GROUP6, LINK_LOCAL_GROUP6 = "ff15::7701", "ff12::7701"


def loopback() -> int:
    """The number of the loopback interface."""
    for index, name in socket.if_nameindex():
        if name.startswith("lo"):
            return index
    pytest.skip("this machine has no interface called lo")


@contextmanager
def sender(family: int, index: int) -> Iterator[socket.socket]:
    """A socket whose datagrams to groups go to an interface."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        if family == socket.AF_INET:
            sock.bind(("127.0.0.1", 0))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, FACTS.pack_interface(index))
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        yield sock


def try_group(family: int, index: int, group: str) -> None:
    """Skips where the system lets nobody join a group on loopback and send to it."""
    packed = socket.inet_pton(family, group)
    if family == socket.AF_INET:
        level, option = socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP
        name = (group if FACTS.binds_to_groups else "", 0)
    else:
        level, option = socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP
        name = (group if FACTS.binds_to_groups else "::", 0, 0, index)
    try:
        with sender(family, index) as sock, socket.socket(family, socket.SOCK_DGRAM) as receiver:
            receiver.bind(name)
            receiver.settimeout(5)
            receiver.setsockopt(level, option, FACTS.pack_group(packed, index))
            sock.sendto(b"probe", (group, receiver.getsockname()[1]))
            receiver.recv(10)
    except OSError as error:
        pytest.skip(f"the system does not pass multicast on over loopback: {error}")


@pytest.mark.parametrize(
    ("family", "form", "group"),
    [
        (socket.AF_INET, f"udp://{GROUP}:0", GROUP),
        (socket.AF_INET, f"udp4://{GROUP}:0", GROUP),
        (socket.AF_INET6, f"udp6://[{GROUP6}]:0", GROUP6),
        (socket.AF_INET6, f"udp://[{LINK_LOCAL_GROUP6}]:0", LINK_LOCAL_GROUP6),
    ],
)
def test_a_server_in_a_group_answers_its_senders(serve, family, form, group):
    index = loopback()
    try_group(family, index, group)
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"got " + conn.read()) and None)
    engine = serve(handler, form, multicast_interface=index)
    with sender(family, index) as sock:
        sock.sendto(b"this", (group, engine.addresses[0].port))
        assert sock.recv(100) == b"got this"
    assert handler.wait_for("on_traffic").conn.local_address.host == group


def test_every_server_of_a_group_gets_each_datagram(serve):
    index = loopback()
    try_group(socket.AF_INET, index, GROUP)
    handlers = [RecordingHandler(), RecordingHandler()]
    first = serve(handlers[0], f"udp://{GROUP}:0", multicast_interface=index)
    serve(handlers[1], str(first.addresses[0]), multicast_interface=index)
    with sender(socket.AF_INET, index) as sock:
        sock.sendto(b"to all", (GROUP, first.addresses[0].port))
        for handler in handlers:
            handler.wait_for("on_traffic")
            assert handler.received() == b"to all"


def test_a_group_is_served_by_one_loop_and_each_datagram_once(serve, caplog):
    index = loopback()
    try_group(socket.AF_INET, index, GROUP)
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(b"%d" % conn.loop.index))
    with caplog.at_level(logging.WARNING, "netcore"):
        engine = serve(handler, f"udp://{GROUP}:0", multicast_interface=index, num_event_loops=2)
    assert "one loop serves all datagrams" in caplog.text
    with sender(socket.AF_INET, index) as sock:
        for _ in range(5):
            sock.sendto(b"?", (GROUP, engine.addresses[0].port))
            assert sock.recv(10) == b"0"
    assert handler.names().count("on_traffic") == 5


def test_sending_to_the_group_goes_out_on_the_interface(serve):
    index = loopback()
    try_group(socket.AF_INET, index, GROUP)
    listener = RecordingHandler()
    group = serve(listener, f"udp://{GROUP}:0", multicast_interface=index).addresses[0]

    def on_traffic(conn):
        conn.send_to(b"relayed " + conn.read(), Address("udp", GROUP, group.port))

    relay = serve(RecordingHandler(on_traffic=on_traffic), "udp://239.255.77.2:0", multicast_interface=index)
    with sender(socket.AF_INET, index) as sock:
        sock.sendto(b"this", ("239.255.77.2", relay.addresses[0].port))
        listener.wait_for("on_traffic")
    assert listener.received() == b"relayed this"


def test_an_interface_that_does_not_exist(serve):
    with pytest.raises(OSError, match=GROUP):
        serve(RecordingHandler(), f"udp://{GROUP}:0", multicast_interface=999_999)


@pytest.mark.parametrize("value", [-1, 1.5, "lo", True])
def test_the_option_is_a_number(value):
    with pytest.raises(OptionsError, match="multicast_interface"):
        Options(multicast_interface=value)
