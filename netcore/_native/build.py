"""Builds netcore's C into the extension module ``netcore._native._netcore`` (cffi API mode, out of line).

setuptools calls ``ffibuilder`` through ``setup.py``. The functions come from ``src/netcore.h``, the one
contract; which backends are compiled is decided by ``src/platform.c``.

CFLAGS and LDFLAGS are heeded as by any build of setuptools; LIBS is what to link behind the objects. Together
they bring in what a platform lacks, such as kqueue on Linux:

    CFLAGS=-I/usr/include/kqueue LIBS=-lkqueue NETCORE_NATIVE=require python -m pip install .
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import cffi

SOURCES = Path(__file__).parent / "src"


def declarations() -> str:
    """Returns the header without its preprocessor lines, which cffi does not read."""
    lines = (SOURCES / "netcore.h").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "netcore._native._netcore",
    '#include "platform.c"',
    include_dirs=[str(SOURCES)],
    extra_compile_args=[] if sys.platform == "win32" else ["-O2", "-fvisibility=hidden"],
    extra_link_args=shlex.split(os.environ.get("LIBS", "")),
)
