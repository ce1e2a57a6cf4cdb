"""What type checkers see of options in somebody's program: checked by tox's ``types``, never run.

A comment that ignores an error stands where there has to be one: one that is not needed is an error itself.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportDeprecated=false

from __future__ import annotations

import logging
import ssl

from typing_extensions import Unpack, assert_type

import netcore
from netcore import Client, Engine, EventHandler, OptionOverrides, Options, run
from netcore.kcp import KcpOptions
from netcore.poll import open_poller
from netcore.supervisor import Supervisor

ADDRESS = "tcp://127.0.0.1:0"


def right(handler: EventHandler, context: ssl.SSLContext) -> None:
    run(handler, ADDRESS, num_event_loops=2, idle_timeout=5, poller=open_poller, logger=logging.getLogger())
    with Engine(handler, ADDRESS, options=Options(), tls=context, admin=netcore.Address.parse(ADDRESS)):
        pass
    with Client(handler, Options(), close_timeout=0.5) as client:
        assert_type(client, Client)
    Supervisor("examples.echo:Echo", ADDRESS, processes=2, poller="epoll", multicore=True, log_level=20)
    Supervisor("examples.echo:Echo", ADDRESS, kcp=KcpOptions(mtu=1200))
    assert_type(Options().replace(watchdog=1, kcp=KcpOptions(no_delay=2)), Options)


def names(handler: EventHandler) -> None:
    run(handler, ADDRESS, idle_timout=5)  # type: ignore[call-arg]
    Engine(handler, ADDRESS, num_event_lops=2)  # type: ignore[call-arg]
    Client(handler, no_delay=True)  # type: ignore[call-arg]
    Supervisor("examples.echo:Echo", ADDRESS, multicores=True)  # type: ignore[call-arg]
    Options().replace(watchdogs=1)  # type: ignore[call-arg]
    Options(watchdogs=1)  # type: ignore[call-arg]


def types(handler: EventHandler, context: ssl.SSLContext) -> None:
    run(handler, ADDRESS, idle_timeout="5")  # type: ignore[arg-type]
    Engine(handler, ADDRESS, num_event_loops=2.0)  # type: ignore[arg-type]
    Client(handler, tls="cert.pem")  # type: ignore[arg-type]
    Supervisor("examples.echo:Echo", ADDRESS, multicore=2)  # type: ignore[arg-type]
    Options().replace(poller=7)  # type: ignore[arg-type]
    Options(kcp={"mtu": 1200})  # type: ignore[arg-type]


def what_cannot_cross(context: ssl.SSLContext) -> None:
    Supervisor("examples.echo:Echo", ADDRESS, tls=context)  # type: ignore[call-arg]
    Supervisor("examples.echo:Echo", ADDRESS, poller=open_poller)  # type: ignore[arg-type]


def passed_on(handler: EventHandler, **overrides: Unpack[OptionOverrides]) -> None:
    run(handler, ADDRESS, **overrides)
    passed_on(handler, backlog=16)
    passed_on(handler, back_log=16)  # type: ignore[call-arg]
