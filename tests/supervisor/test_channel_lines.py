"""Messages that come together are heard one by one, by whoever is there to hear them."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from netcore.supervisor.channel import Channel

pytestmark = pytest.mark.posix


def test_what_one_reader_leaves_the_next_one_finds() -> None:
    ours, theirs = Channel.pair()
    with closing(ours), closing(Channel(theirs)) as process:
        ours.send({"launch": 1})
        ours.send({"order": "adopt"}, [0])
        ours.send({"order": "stop"})
        for message in process.receive():
            assert message == {"launch": 1}
            break  # as one does who waits for the first word only
        assert process.has_something(), "though the kernel has no more of it"
        first, second = process.receive()
        assert first["order"] == "adopt" and second == {"order": "stop"}
        (fd,) = first["fds"]
        os.close(fd)
        assert not process.has_something()


def test_half_a_message_behind_what_is_left() -> None:
    ours, theirs = Channel.pair()
    with closing(ours), closing(Channel(theirs)) as process:
        os.write(ours.fileno(), b'{"a": 1}\n{"b": 2}\n{"c"')
        assert next(process.receive()) == {"a": 1}
        os.write(ours.fileno(), b": 3}\n")
        assert list(process.receive()) == [{"b": 2}]
        assert list(process.receive()) == [{"c": 3}]
