"""What the standard library has for the code of hosts while a world runs, instead of what it has else."""

from __future__ import annotations

import _thread
import os
import select
import selectors
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from netcore.aio.selector import PollerSelector
from netcore.testing.simulation.clock_functions import clock_functions
from netcore.testing.simulation.coroutines.stand_ins import Make
from netcore.testing.simulation.coroutines.stand_ins import stand_ins as coroutine_stand_ins
from netcore.testing.simulation.locks import lock_stand_ins
from netcore.testing.simulation.net.descriptors import FIRST_DESCRIPTOR
from netcore.testing.simulation.net.handles import kernel_here
from netcore.testing.simulation.net.names import Names
from netcore.testing.simulation.net.numbers import BY_NUMBER
from netcore.testing.simulation.net.sockets import RealSocket, SimulatedSocket, dup, fromfd, socketpair
from netcore.testing.simulation.poller import SimulatedPoller
from netcore.testing.simulation.polling import simulated_poll, simulated_select
from netcore.testing.simulation.socket_files import FUNCTIONS

if TYPE_CHECKING:
    from netcore.testing.simulation.scheduler import Scheduler

__all__ = ["Make", "World", "stand_ins"]

_FORBIDDEN: list[tuple[Any, Iterable[str], str]] = [
    (threading.Thread, ["start"], "starting a thread"),
    (_thread, ["start_new_thread", "start_new", "start_joinable_thread"], "starting a thread"),
    (subprocess.Popen, ["__init__"], "starting a process"),
    (os, ["fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "startfile"], "os.{}"),
    (os, ["execv", "execve"], "os.{}"),
    (signal, ["pause", "sigwait", "sigwaitinfo", "sigtimedwait"], "signal.{}"),
    (select, ["epoll", "kqueue", "devpoll"], "select.{}"),
]
"""What raises an error: owners, names, and what the message says of it."""

try:
    import _posixsubprocess
except ImportError:  # Windows
    import _winapi

    _FORBIDDEN.append((_winapi, ["CreateProcess"], "starting a process"))
else:
    _FORBIDDEN.append((_posixsubprocess, ["fork_exec"], "starting a process"))  # that of multiprocessing

_SELECTORS = [f"{kind}Selector" for kind in ("Default", "Select", "Poll", "Epoll", "Devpoll", "Kqueue")]
_COUNTS = ("cpu_count", "process_cpu_count")
_CPUS = 2
"""How many a program finds, wherever the simulation runs."""


class World(Protocol):
    """What is reached instead; see ``simulation.world``."""

    scheduler: Scheduler
    names: Names
    inside: bool

    def monotonic(self) -> float:
        """See there."""

    def wall_time(self) -> float:
        """See there."""

    def sleep(self, seconds: float) -> None:
        """See there."""

    def forbid(self, what: str) -> NoReturn:
        """See there."""


def stand_ins(world: World, thread: int) -> list[tuple[Any, str, Make]]:
    """Lists what is replaced: where, its name, and what makes the stand-in of what was there.

    Args:
        world: What is to be reached instead.
        thread: Its own; on others everything is as ever.
    """

    def here(stand_in: Callable[..., Any]) -> Make:
        return _divided(thread, lambda _: stand_in)

    found: list[tuple[Any, str, Make]] = [
        (owner, name, partial(_forbidden, world, thread, what.format(name)))
        for owner, names, what in _FORBIDDEN
        for name in names
        if hasattr(owner, name)
    ]
    found += [(owner, name, here(each)) for owner, name, each in clock_functions(world)]
    found += lock_stand_ins(thread)
    found += [(os, name, _divided(thread, make)) for name, make in FUNCTIONS.items()]
    found += [(os, name, here(lambda: _CPUS)) for name in _COUNTS if hasattr(os, name)]
    found += [
        (selectors, name, here(partial(_selector, world, name)))
        for name in _SELECTORS
        if hasattr(selectors, name)
    ]
    found += [(owner, name, partial(_by_number, thread, stand_in)) for owner, name, stand_in in BY_NUMBER]
    found.append((select, "select", _divided(thread, simulated_select)))
    if hasattr(select, "poll"):
        found.append((select, "poll", _divided(thread, simulated_poll)))
    found += coroutine_stand_ins(thread)
    functions = {name: getattr(world.names, name) for name in Names.FUNCTIONS}
    functions |= {"dup": dup, "fromfd": fromfd, "socketpair": socketpair}
    functions["has_dualstack_ipv6"] = lambda: True
    found += [(socket, name, here(each)) for name, each in functions.items() if hasattr(socket, name)]
    found.append((ssl.SSLContext, "wrap_socket", partial(_wrap_socket, world)))
    # What has taken the class out of its module, or is made from it, finds this:
    found.append((RealSocket, "__init__", partial(_forbidden, world, thread, "a real socket")))
    found.append((socket, "socket", partial(_socket_class, thread)))
    return found


def _forbidden(world: World, thread: int, what: str, before: Callable[..., Any]) -> Callable[..., Any]:
    """On the world's thread an error."""

    def call(*args: Any, **named: Any) -> Any:
        if threading.get_ident() == thread:
            world.forbid(what)
        return before(*args, **named)

    return call


def _divided(thread: int, make: Make) -> Make:
    """On the world's thread a stand-in that calls what was there itself, on others that."""

    def made(before: Callable[..., Any]) -> Callable[..., Any]:
        stand_in = make(before)

        def call(*args: Any, **named: Any) -> Any:
            chosen = stand_in if threading.get_ident() == thread else before
            return chosen(*args, **named)

        return call

    return made


def _selector(world: World, name: str) -> PollerSelector:
    """Makes a selector over the host's sockets, for the test's own code: a handler has a loop for that."""
    if world.inside:
        world.forbid(f"a selector of the standard library, {name}")
    return PollerSelector(SimulatedPoller(kernel_here()))


def _by_number(thread: int, stand_in: Callable[..., Any], before: Callable[..., Any]) -> Callable[..., Any]:
    """Makes what does something with a simulated descriptor, and with others what it always did."""

    def call(fd: Any, *args: Any, **named: Any) -> Any:
        number = fd.fileno() if isinstance(fd, SimulatedSocket) else fd
        if threading.get_ident() == thread and isinstance(number, int) and number >= FIRST_DESCRIPTOR:
            return stand_in(number, *args, **named)
        return before(fd, *args, **named)

    return call


def _wrap_socket(world: World, before: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses simulated sockets: OpenSSL would ask the system's for their bytes."""

    def wrap_socket(self: ssl.SSLContext, sock: Any, *args: Any, **named: Any) -> Any:
        if isinstance(sock, SimulatedSocket):
            world.forbid("TLS that is not over memory (ssl.SSLContext.wrap_bio)")
        return before(self, sock, *args, **named)

    return wrap_socket


def _socket_class(thread: int, before: type) -> type:
    """Makes a class of sockets that are simulated on the world's thread, and real ones on others."""

    class Both(type):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            if cls is made and threading.get_ident() != thread:
                return before(*args, **named)
            return super().__call__(*args, **named)

        def __instancecheck__(cls, instance: object) -> bool:
            return super().__instancecheck__(instance) or (cls is made and isinstance(instance, kinds))

        def __subclasscheck__(cls, kind: type) -> bool:  # that of an earlier run, say
            return super().__subclasscheck__(kind) or (cls is made and issubclass(kind, kinds))

    kinds = (SimulatedSocket, before)
    made = Both("socket", (SimulatedSocket,), {"__slots__": (), "__module__": "socket"})
    return made
