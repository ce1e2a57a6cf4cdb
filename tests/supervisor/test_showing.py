"""Where a supervisor shows its processes, and when."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from fake_yard import World

from netcore.address import Address
from netcore.supervisor import showing as module
from netcore.supervisor.showing import Showing

LOGGER = logging.getLogger("netcore")


class _Eyes:
    def __init__(self, address: str | Address) -> None:
        self.address = Address.parse(address)

    def close(self) -> None:
        pass


def _showing(world: World, address: str) -> Showing:
    return Showing(address, world.fleet, lambda: None, world.clock, LOGGER)


@pytest.mark.parametrize(
    ("wanted", "shown", "there"),
    [
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:7", "tcp://127.0.0.1:7"),
        ("tcp://127.0.0.1:0", "", "tcp://127.0.0.1:0"),
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:7", "tcp://127.0.0.1:9"),
        ("tcp://127.0.0.2:0", "tcp://127.0.0.1:7", "tcp://127.0.0.2:0"),
        ("unix:///a", "unix:///b", "unix:///a"),
        ("unix:///a", "unix:///a", "unix:///a"),
    ],
)
def test_any_port_is_that_of_the_predecessor(wanted: str, shown: str, there: str) -> None:
    one = _showing(World(1), wanted)
    one.follow(shown)
    assert str(one.address) == there


def test_who_shows_nothing_follows_nobody() -> None:
    one = _showing(World(1), "")
    one.follow("tcp://127.0.0.1:7")
    assert one.address is None


def test_an_address_that_is_about_to_be_left_is_worth_no_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken = True

    def open_overview(source: object, address: Any, logger: logging.Logger) -> Any:
        if taken:
            raise OSError("taken")
        return cast("Any", _Eyes(address))

    monkeypatch.setattr(module, "open_overview", open_overview)
    world = World(1)
    one = _showing(world, "tcp://127.0.0.1:7")
    one.open_again()
    assert one.due <= world.clock() + 0.1
    world.clock.advance(0.5)
    one.open_again()
    assert not caplog.records
    world.clock.advance(0.6)
    one.open_again()
    assert [record.getMessage() for record in caplog.records] == ["the processes cannot be shown yet: taken"]
    assert one.due > world.clock() + 0.5
    taken = False
    world.clock.advance(1)
    one.open_again()
    assert one.due == float("inf")
