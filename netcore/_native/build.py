"""Builds netcore's C into the extension module ``netcore._native._netcore`` (cffi API mode, out of line).

setuptools calls ``ffibuilder`` through ``setup.py``. The functions come from ``src/netcore.h``, the one
contract; which backends are compiled is decided by ``src/platform.c``.

CFLAGS and LDFLAGS are heeded as by any build of setuptools, which puts LDFLAGS in front of the objects. LIBS
is what to link behind them, as many a linker wants libraries to be; so are those of LDFLAGS, once more.
Together they bring in what a platform lacks, such as kqueue on Linux:

    CFLAGS=-I/usr/include/kqueue LIBS=-lkqueue NETCORE_NATIVE=require python -m pip install .

io_uring is compiled where liburing 2.3 or later is found. The environment variable NETCORE_LIBURING decides
otherwise: ``require`` makes its absence an error, ``0`` builds without.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi

SOURCES = Path(__file__).parent / "src"
LIBRARIES = [
    *(flag for flag in shlex.split(os.environ.get("LDFLAGS", "")) if flag.startswith("-l")),
    *shlex.split(os.environ.get("LIBS", "")),
]

_LIBURING_TRIAL = """
#include <liburing.h>
int main(void)
{
    struct io_uring ring = {0};
    unsigned flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_RECV_MULTISHOT;
    return io_uring_register_buf_ring(&ring, 0, flags) + io_uring_submit_and_get_events(&ring);
}
"""
"""Links only against a liburing with all that the backend uses."""


def declarations() -> str:
    """Returns the header without its preprocessor lines, which cffi does not read."""
    lines = (SOURCES / "netcore.h").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _flags(what: str) -> list[str]:
    """Asks pkg-config where liburing is, if there is a pkg-config that knows."""
    try:
        asked = subprocess.run(["pkg-config", what, "liburing"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return shlex.split(asked.stdout)


def _links(compile_flags: list[str], link_flags: list[str]) -> bool:
    compiler = shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc"))
    given = shlex.split(os.environ.get("CFLAGS", "")) + shlex.split(os.environ.get("LDFLAGS", ""))
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "trial.c")
        source.write_text(_LIBURING_TRIAL, encoding="utf-8")
        command = [*compiler, *compile_flags, "-o", f"{directory}/trial", str(source), *given, *link_flags]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False


def liburing() -> tuple[list[str], list[str]] | None:
    """Returns the flags to compile and to link with liburing, or None to do without."""
    wish = os.environ.get("NETCORE_LIBURING") or "try"
    if wish not in ("require", "try", "0"):
        sys.exit(f"NETCORE_LIBURING is {wish!r}: it must be 'require', '0', or unset")
    if wish == "0" or platform.system() != "Linux":
        return None
    compile_flags, link_flags = _flags("--cflags"), _flags("--libs") or ["-luring"]
    if _links(compile_flags, link_flags):
        return [*compile_flags, "-DNC_WITH_LIBURING"], link_flags
    if wish == "require":
        sys.exit("NETCORE_LIBURING is 'require', and there is no liburing 2.3 or later to link with")
    return None


_uring_compile, _uring_link = liburing() or ([], [])
_windows = sys.platform == "win32"
_THREADS = [] if _windows else ["-pthread"]

ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "netcore._native._netcore",
    '#include "platform.c"',
    include_dirs=[str(SOURCES)],
    libraries=["ws2_32", "ntdll"] if _windows else [],
    extra_compile_args=["/std:c11"]
    if _windows
    else [*_THREADS, "-O2", "-fvisibility=hidden", *_uring_compile],
    extra_link_args=[*_THREADS, *LIBRARIES, *_uring_link],
)
