"""Uses the types of the extension as nothing does: each use ends in a value or in an exception.

A program of its own, since a fault of memory ends it: ``odd_uses.py SEED``. First come objects by themselves,
most of them never initialized, then those of a loop at work, whose fields are changed and deleted under it.
"""

from __future__ import annotations

import copy
import faulthandler
import gc
import pickle
import random
import sys
import weakref
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import fakes_in_c  # noqa: F401
from one_history import World

from netcore._native import _hot
from netcore.connection.stream.hot import HotCounters, HotInbox, HotOutbox, HotStreamConnection

ADDRESSES = {"place", "set_clock", "note", "_nc_lay_out", "set_up", "give_methods"}
"""What is given addresses, which are believed, or is of the whole process."""

TYPES = [value for value in vars(_hot).values() if isinstance(value, type)]
TYPES += [HotCounters, HotInbox, HotOutbox, HotStreamConnection]


class Refusing:
    """Raises whatever is asked of it."""

    def __getattr__(self, name):
        raise LookupError(name)

    def __index__(self):
        raise LookupError("no number")

    def __len__(self):
        raise LookupError("no length")

    def __iter__(self):
        raise LookupError("no items")


SKIPPED = {"__class__", "__dict__", "__init_subclass__", "__subclasshook__"}


def values(made):
    return [
        *(
            None,
            True,
            0,
            1,
            -1,
            7,
            255,
            2**31,
            2**63 - 1,
            2**63,
            -(2**63),
            2**100,
            1.5,
            float("nan"),
            float("inf"),
        ),
        *(
            "",
            "text",
            b"",
            b"bytes",
            b"x" * 2000,
            bytearray(b"bytes"),
            memoryview(b"view"),
            memoryview(b"abcd")[::2],
        ),
        *((), (1, 2), (1, 2, 3), [], [1], {}, {1: 2}, set(), int, len, print, Refusing(), Ellipsis, object()),
        *made,
    ]


def attempt(call, *args):
    try:
        return call(*args)
    except Exception:
        return None


def use(thing, chance, made, times=40):
    names = [name for name in dir(type(thing)) if name not in ADDRESSES and name not in SKIPPED]
    for _ in range(times):
        name = chance.choice(names)
        kind = chance.random()
        if kind < 0.15:
            attempt(delattr, thing, name)
        elif kind < 0.4:
            attempt(setattr, thing, name, chance.choice(values(made)))
        else:
            found = attempt(getattr, thing, name)
            if callable(found):
                attempt(
                    found, *(chance.choice(values(made)) for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))))
                )


def by_themselves(chance):
    made = []
    for cls in TYPES:
        for function in (
            len,
            repr,
            hash,
            iter,
            list,
            bool,
            copy.copy,
            copy.deepcopy,
            pickle.dumps,
            weakref.ref,
        ):
            thing = cls.__new__(cls)
            attempt(function, thing)
        attempt(lambda cls=cls: type("Sub", (cls,), {})())
        attempt(lambda cls=cls: type("Slotted", (cls,), {"__slots__": ("more",)}).__new__(cls))
    for cls in TYPES * 3:
        made.append(cls.__new__(cls))
        attempt(
            lambda cls=cls: made.append(
                cls(*(chance.choice(values(made)) for _ in range(chance.randrange(6))))
            )
        )
    for _ in range(5):
        for thing in made:
            use(thing, chance, made)
        gc.collect()
    made.clear()
    gc.collect()


def at_work(chance):
    world = World("hot", None, 65536, 262144)
    world.step_connect(8)
    world.step_turn(1)
    conns = list(world.conns)
    loop = world.loop
    parts = [loop.outbox, loop.inbox, loop.counters, loop._hosted.streams, loop._intake]
    for _ in range(60):
        for conn in conns:
            world.sockets.feed(conn.fd, b"x" * chance.choice((1, 1000, 20000)))
        use(chance.choice(conns), chance, parts, 3)
        if chance.random() < 0.2:
            use(chance.choice(parts), chance, conns + parts, 2)
        loop._thread_id or attempt(loop.claim)
        attempt(loop.turn, 0.0)
    attempt(loop.close)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    chance = random.Random(int(sys.argv[1]))
    by_themselves(chance)
    at_work(chance)
    gc.collect()
    print("alive")
