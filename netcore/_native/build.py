"""Builds netcore's C into the extension module ``netcore._native._netcore`` (cffi API mode, out of line).

setuptools calls ``ffibuilder`` through ``setup.py``. The functions come from ``src/netcore.h``, the one
contract; which backends are compiled is decided by ``src/platform.c``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cffi

SOURCES = Path(__file__).parent / "src"


def _declarations() -> str:
    """Returns the header without its preprocessor lines, which cffi does not read."""
    lines = (SOURCES / "netcore.h").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


ffibuilder = cffi.FFI()
ffibuilder.cdef(_declarations())
ffibuilder.set_source(
    "netcore._native._netcore",
    '#include "platform.c"',
    include_dirs=[str(SOURCES)],
    extra_compile_args=[] if sys.platform == "win32" else ["-O2", "-fvisibility=hidden"],
)
