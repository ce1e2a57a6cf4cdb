"""A balancer between a client and two hosts, each in a network namespace that nobody else sees.

    client --- 10.78.0.0/24 --- balancer --- 10.78.1.0/24 --- one
                                        \\--- 10.78.2.0/24 --- two

The balancer is .1 everywhere, and the others are .2. No packet is passed on from one network to another: who
reaches a host does so through what runs on the balancer.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import Any

from lines import Namespace

NAMES = ("client", "one", "two")


class Balanced:
    """The four of them, as attributes."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            spaces = [Namespace() for _ in range(4)]
            for space in spaces:
                stack.callback(space.close)
            self.balancer, self.client, self.one, self.two = spaces
            for number, space in enumerate(spaces[1:]):
                device = f"veth{number}"
                self.balancer.ip("link", "add", device, "type", "veth", "peer", "veth0", "netns", space.path)
                for end, name, host in ((self.balancer, device, 1), (space, "veth0", 2)):
                    end.ip("addr", "add", f"10.78.{number}.{host}/24", "dev", name)
                    end.ip("link", "set", name, "up")
            self._closing = stack.pop_all()

    def start(self, where: str, *command: str, **popen: Any) -> subprocess.Popen[str]:
        """Starts a program on one of them; the caller ends it."""
        with getattr(self, where).inside():
            return subprocess.Popen(command, text=True, **popen)

    def close(self) -> None:
        self._closing.close()
