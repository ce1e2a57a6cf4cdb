"""Building the emulation of kqueue that lies beside this file, and netcore's C against it."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KQUEUE = Path(__file__).parent / "kqueue"
FAILING = Path(__file__).parent / "failing" / "failing.c"
COMPILE = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{KQUEUE}")
WRAP_CLOSE = "-Wl,--wrap=close"


# Of the standard library only from some version on, or not at all; the same numbers on every system.
EV_RECEIPT, EV_DISPATCH = 0x40, 0x80


def compiler() -> list[str]:
    """The C compiler, as setuptools would take it."""
    return (os.environ.get("CC") or "cc").split()


@contextmanager
def unwatched() -> Iterator[None]:
    """Keeps the sanitizers, if tests run under them, from what is started meanwhile: a compiler leaks."""
    preloaded = os.environ.pop("LD_PRELOAD", None)
    try:
        yield
    finally:
        if preloaded is not None:
            os.environ["LD_PRELOAD"] = preloaded


def build_native(directory: Path, name: str, *macros: str, failing: bool = False) -> Any:
    """Compiles netcore's C with kqueue from the emulation; returns the module (``ffi``, ``lib``).

    Args:
        directory: Where to.
        name: Of the module.
        macros: To be defined.
        failing: Whether the module has ``failing_at`` and its like, see ``failing/failing.c``, and io_uring
            where it can be built.
    """
    cffi = pytest.importorskip("cffi")

    with unwatched():  # it tries whether liburing is there
        from netcore._native.build import SOURCES, declarations, liburing

    sources, declared = [str(KQUEUE / "kqueue.c")], "extern unsigned emulated_kevents;"
    compile_flags, link_flags = [*COMPILE, "-Wno-unused-parameter"], [WRAP_CLOSE]
    if failing:
        sources.append(str(FAILING))
        declared += "extern int failing_at, failing_with, failing_calls; extern const char *failing_name;"
        with unwatched():
            uring_compile, uring_link = liburing() or ([], [])
        compile_flags += uring_compile
        link_flags += [f"-Wl,--wrap={wrapped}" for wrapped in wrappable()] + uring_link
    builder = cffi.FFI()
    builder.cdef(f"{declarations()}\n{declared}")
    builder.set_source(
        name,
        f'#include "platform.c"\n{declared}',
        sources=sources,
        include_dirs=[str(SOURCES), str(KQUEUE)],
        define_macros=[(macro, "1") for macro in macros],
        extra_compile_args=compile_flags,
        extra_link_args=link_flags,
    )
    with unwatched():
        path = builder.compile(tmpdir=str(directory))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrappable() -> list[str]:
    """The functions that ``failing.c`` can have fail."""
    text = FAILING.read_text(encoding="utf-8")
    return re.findall(r"^(?:LIBC\([^,]*, |URING\(|(?:int|long) __real_)(\w+)", text, re.MULTILINE)


class _Kevent(ctypes.Structure):
    _fields_ = (
        ("ident", ctypes.c_size_t),
        ("filter", ctypes.c_int16),
        ("flags", ctypes.c_uint16),
        ("fflags", ctypes.c_uint32),
        ("data", ctypes.c_ssize_t),
        ("udata", ctypes.c_size_t),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Emulation:
    """The emulation under the names of the standard library's ``select``, which has the real one on a BSD."""

    KQ_FILTER_READ, KQ_FILTER_WRITE, KQ_FILTER_TIMER, KQ_FILTER_USER = -1, -2, -7, -10
    KQ_EV_ADD, KQ_EV_DELETE, KQ_EV_ENABLE, KQ_EV_DISABLE = 1, 2, 4, 8
    KQ_EV_ONESHOT, KQ_EV_CLEAR = 0x10, 0x20
    KQ_EV_ERROR, KQ_EV_EOF = 0x4000, 0x8000
    KQ_NOTE_LOWAT, NOTE_TRIGGER = 1, 0x01000000

    def __init__(self, directory: Path) -> None:
        library = directory / "libkqueue-emulated.so"
        source = str(KQUEUE / "kqueue.c")
        flags = (*COMPILE, "-O1", "-fPIC", "-shared", WRAP_CLOSE)
        with unwatched():
            subprocess.run([*compiler(), *flags, source, "-o", str(library)], check=True)
        self._library = ctypes.CDLL(str(library), use_errno=True)

    def close(self, fd: int) -> None:
        """close(2) as in a program that is linked with the emulation."""
        self._library["__wrap_close"](fd)

    def kevent(self, ident: int, **fields: int) -> _Kevent:
        """Makes a change; an event without flags is to be added."""
        fields = {"filter": self.KQ_FILTER_READ, "flags": self.KQ_EV_ADD, **fields}
        return _Kevent(ident=ident, **fields)

    def kqueue(self) -> EmulatedQueue:
        """Opens a queue."""
        return EmulatedQueue(self)


class EmulatedQueue:
    """A queue, with what ``select.kqueue`` offers."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation
        self._number = emulation._library.kqueue()

    def fileno(self) -> int:
        """The queue's own descriptor."""
        return self._number

    def control(
        self, changes: Sequence[_Kevent], capacity: int, timeout: float | None = None
    ) -> list[_Kevent]:
        """kevent(2)."""
        events = (_Kevent * max(capacity, 1))()
        given = (_Kevent * max(len(changes), 1))(*changes)
        spec = None if timeout is None else _Timespec(int(timeout), int(timeout % 1 * 1e9))
        limit = None if spec is None else ctypes.byref(spec)
        count = self._emulation._library.kevent(self._number, given, len(changes), events, capacity, limit)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return list(events[:count])

    def close(self) -> None:
        """Closes it; idempotent."""
        if self._number >= 0:
            self._emulation.close(self._number)
            self._number = -1


class Real:
    """The system's own kqueue, where there is one: what the emulation is held to."""

    def __getattr__(self, name: str) -> Any:
        return getattr(select, name)

    def close(self, fd: int) -> None:
        os.close(fd)


@pytest.fixture(scope="session")
def why_no_emulation() -> str:
    """Why the emulation cannot be built here; empty where it can."""
    if sys.platform != "linux":
        return "the emulation is for Linux"
    try:
        with unwatched():
            subprocess.run([*compiler(), "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no C compiler: {error}"
    return ""


SYSTEMS = ["emulated"] * (sys.platform == "linux") + ["real"] * hasattr(select, "kqueue")


@pytest.fixture(scope="session", params=SYSTEMS)
def system(
    request: pytest.FixtureRequest, why_no_emulation: str, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """kqueue under the names of the module ``select``."""
    if request.param == "real":
        return Real()
    if why_no_emulation:
        pytest.skip(why_no_emulation)
    return Emulation(tmp_path_factory.mktemp("emulation"))


@pytest.fixture(scope="session", params=["NC_KQUEUE_USER", "NC_KQUEUE_PIPE"], ids=["user", "pipe"])
def module(
    request: pytest.FixtureRequest, why_no_emulation: str, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """netcore's C on the emulation, once with each way to wake."""
    if why_no_emulation:
        pytest.skip(why_no_emulation)
    directory = tmp_path_factory.mktemp("native")
    return build_native(directory, f"_netcore_{request.param.lower()}", request.param)


@pytest.fixture(scope="session")
def failing_module(why_no_emulation: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """netcore's C on the emulation, each of whose calls to the system can be made to fail."""
    if why_no_emulation:
        pytest.skip(why_no_emulation)
    return build_native(tmp_path_factory.mktemp("failing"), "_netcore_failing", failing=True)


@pytest.fixture
def open_kqueue(module: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Opens a ``KqueuePoller`` on the emulation."""
    from netcore.poll import KqueuePoller

    monkeypatch.setattr("netcore.poll.native.native", lambda: (module.ffi, module.lib))
    return KqueuePoller
