"""Runs a program as if on another system, as far as netcore can tell: ``elsewhere.py SYSTEM PROGRAM``.

Python says that it is there, the names that its ``socket`` has not there are gone, and options have other
numbers. Sockets of the real kernel would not work so.
"""

from __future__ import annotations

import asyncio  # before all is different: what it finds here of Python itself is not there on other systems
import concurrent.futures.thread
import importlib
import multiprocessing.connection
import os
import platform
import runpy
import select
import socket
import ssl
import subprocess
import sys
from typing import Any
from unittest.mock import MagicMock

BEFORE = (asyncio, concurrent.futures.thread, multiprocessing.connection, ssl, subprocess)

ONLY_LINUX = """
    AF_NETLINK AF_PACKET AF_VSOCK EAI_ADDRFAMILY IP_BIND_ADDRESS_NO_PORT IP_PKTINFO IPV6_RECVERR
    MSG_CMSG_CLOEXEC MSG_CONFIRM MSG_ERRQUEUE MSG_MORE SO_BINDTODEVICE SO_DOMAIN SO_INCOMING_CPU SO_MARK
    SO_PASSCRED SO_PRIORITY SO_PROTOCOL SOCK_CLOEXEC SOCK_NONBLOCK TCP_CORK TCP_DEFER_ACCEPT TCP_KEEPIDLE
    TCP_LINGER2 TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
"""
"""What other systems, or some of them, have no name for."""

NOT_WINDOWS = """
    AF_UNIX CMSG_SPACE IPV6_PKTINFO IPV6_RECVPKTINFO IPV6_RECVTCLASS MSG_DONTWAIT MSG_NOSIGNAL MSG_TRUNC
    MSG_WAITALL SO_REUSEPORT TCP_KEEPCNT TCP_KEEPINTVL TCP_NOTSENT_LOWAT
"""
"""What Windows has no name for besides."""

OPTIONS = ("SO_", "TCP_", "IP_", "IPV6_")


def pretend(system: str) -> None:
    """Makes it so for what is imported from now on."""
    sys.platform = system
    platform.release = lambda: "5.3.0"  # also of a Linux that is old
    resource: Any = importlib.import_module("resource")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    if system == "linux":
        return
    names = vars(socket)
    hidden = ONLY_LINUX + NOT_WINDOWS if system == "win32" else ONLY_LINUX
    for name in hidden.split():
        names.pop(name, None)
    for name in [name for name in names if name.startswith(OPTIONS)]:
        names[name] += 0x4000
    names["has_dualstack_ipv6"] = lambda: False
    if system == "darwin":
        names["TCP_KEEPALIVE"] = 0x10
    if system == "win32":
        sys.modules["resource"] = None  # type: ignore[assignment]
        del select.poll, os.sendfile, os.get_blocking, os.set_blocking
        sys.modules["asyncio.windows_events"] = MagicMock()  # whose other half is in C


if __name__ == "__main__":
    pretend(sys.argv.pop(1))
    runpy.run_path(sys.argv.pop(1), run_name="__main__")
