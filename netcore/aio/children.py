"""Child processes as Python 3.14 has them, for those before: watched by the loop, not by a policy's watcher.

A child is waited for by a descriptor of it (pidfd_open(2), Linux), or by a thread where there is none.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from netcore.aio.standard import SelectorLoop

__all__ = ["ChildrenLoop"]

_Transport: Any = import_module("asyncio.unix_events")._UnixSubprocessTransport
_logger = logging.getLogger("asyncio")
_UNKNOWN = 255
"""The exit status of a child that somebody else has waited for."""


class ChildrenLoop(SelectorLoop):
    """A loop over a selector that watches its children itself."""

    async def _make_subprocess_transport(
        self,
        protocol: asyncio.BaseProtocol,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> asyncio.SubprocessTransport:
        waiter = self.create_future()
        streams = stdin, stdout, stderr
        transport = _Transport(
            self, protocol, args, shell, *streams, bufsize, waiter=waiter, extra=extra, **kwargs
        )
        self._watch_child(transport.get_pid(), transport._process_exited)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        child: asyncio.SubprocessTransport = transport
        return child

    def _watch_child(self, pid: int, exited: Callable[[int], object]) -> None:
        descriptor = _descriptor_of(pid)
        if descriptor >= 0:
            self._add_reader(descriptor, self._reap, pid, descriptor, exited)
        else:
            name = f"asyncio-waitpid-{pid}"
            threading.Thread(target=self._wait_for_child, args=(pid, exited), name=name, daemon=True).start()

    def _reap(self, pid: int, descriptor: int, exited: Callable[[int], object]) -> None:
        self._remove_reader(descriptor)
        os.close(descriptor)
        exited(_exit_code(pid))

    def _wait_for_child(self, pid: int, exited: Callable[[int], object]) -> None:
        code = _exit_code(pid)
        try:
            self.call_soon_threadsafe(exited, code)
        except RuntimeError:
            _logger.warning("Loop %r that handles pid %r is closed", self, pid)


def _descriptor_of(pid: int) -> int:
    """Opens a descriptor that is readable once a child has ended; -1 if the system has none."""
    if sys.platform == "linux" and hasattr(
        os, "pidfd_open"
    ):  # which PyPy has not, nor CPython for an old libc
        with suppress(OSError):
            return os.pidfd_open(pid)
    return -1


def _exit_code(pid: int) -> int:
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        _logger.warning(
            "child process pid %d exit status already read: will report returncode %d", pid, _UNKNOWN
        )
        return _UNKNOWN
    return os.waitstatus_to_exitcode(status)
