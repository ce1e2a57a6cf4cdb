"""A process under a supervisor: an engine that does as it is told.

Its arguments are NUMBER TARGET CONTROL CRASH, where CONTROL is the descriptor of its end of the channel, and
CRASH that of a file for the stacks of its threads should it die. All else is the first message.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import sys
from typing import cast

from netcore._loading import LoadError, load_balancer, load_handler, load_object
from netcore._platform import usable_cpus
from netcore.engine import Engine
from netcore.engine.running import serve
from netcore.errors import NetcoreError
from netcore.logs import configure
from netcore.options import Options
from netcore.supervisor._posix import signal
from netcore.supervisor.channel import Channel, Message
from netcore.supervisor.control import Control
from netcore.supervisor.guard import guard
from netcore.supervisor.launch import Launch
from netcore.supervisor.passed import given_in

__all__ = ["main"]

_IGNORED = ("SIGINT", "SIGHUP", "SIGUSR2", "SIGTTIN", "SIGTTOU")
"""What a terminal sends to all processes in it, and what is meant for the supervisor."""

_WRONG = 2
"""The exit status for what cannot be loaded, as that of the command line."""

_logger = logging.getLogger("netcore")


def main() -> int:
    """Serves until the supervisor, SIGTERM or the application ends it; returns the exit status."""
    number, control, crash = int(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])
    for fd in (control, crash):  # which were inherited, and are not to be by others
        os.set_inheritable(fd, False)
    faulthandler.enable(crash)
    _take_signals()
    channel = Channel(socket.socket(fileno=control))
    try:
        first = _first_message(channel)
    except EOFError:  # the supervisor has ended meanwhile
        return _WRONG
    launch = Launch.from_message(first["launch"])
    guard(control, launch.grace)
    sys.path[:] = launch.path
    _begin_to_log(launch, number)
    try:
        engine = _make_engine(launch, number, first)
    except (LoadError, NetcoreError, OSError) as error:
        _logger.error("%s", error, exc_info=error.__cause__ if isinstance(error, LoadError) else None)
        return _WRONG
    control_of = Control(engine, channel, number, asks=launch.asks, watches=launch.watches)
    control_of.begin()
    # Back in force when the engine has ended: whoever asks then is too late to make another status of it.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        serve(engine, started=control_of.ready)
    except Exception as error:  # on_boot's, say: in the log's own format, as all that several processes write
        _logger.exception("this process failed: %s: %s", type(error).__name__, error)
        return 1
    finally:
        control_of.ended()
    return 0


def _take_signals() -> None:
    """Leaves to the supervisor what is meant for it; the signals were blocked until here."""
    for name in _IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _first_message(channel: Channel) -> Message:
    while True:
        for message in channel.receive():
            return message


def _begin_to_log(launch: Launch, number: int) -> None:
    if launch.log_level:
        configure(launch.log_level, launch.log_format, number)


def _make_engine(launch: Launch, number: int, first: Message) -> Engine:
    options = launch.make_options()
    if launch.tls_files is not None:
        options = options.replace(tls=launch.tls_files.load())
    if launch.balancer:
        options = options.replace(load_balancer=load_balancer(launch.balancer))
    if launch.configure:
        options = _configured(launch.configure, options)
    if options.cpu_affinity:
        _keep_to_cpus(number, options)
    handler = load_handler(launch.target)
    given = given_in(first)
    engine = Engine(handler, *given, options=options)
    engine.measured = launch.measures
    return engine


def _configured(reference: str, options: Options) -> Options:
    function = load_object(reference)
    if not callable(function):
        raise LoadError(f"{reference} is no function from options to options")
    try:
        configured = cast("object", function(options))
    except Exception as error:
        raise LoadError(f"calling {reference} failed: {type(error).__name__}: {error}") from error
    if not isinstance(configured, Options):
        raise LoadError(f"{reference} returned {configured!r}, which is no Options object")
    return configured


def _keep_to_cpus(number: int, options: Options) -> None:
    """Keeps to CPUs of its own, as far as there are enough: loops are pinned to the first usable ones."""
    cpus = usable_cpus()
    loops = options.num_event_loops or (len(cpus) if options.multicore else 1)
    if hasattr(os, "sched_setaffinity"):
        mine = range(number * loops, number * loops + min(loops, len(cpus)))
        os.sched_setaffinity(0, {cpus[i % len(cpus)] for i in mine})
