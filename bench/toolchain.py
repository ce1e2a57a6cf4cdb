"""Compiles the C sources of the suite on first use."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SOURCES = _HERE / "native"
_BUILD = _HERE / ".build"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("-lm",)


class CompileError(Exception):
    """A C source of the suite could not be compiled."""


def compiler_command() -> str:
    """The C compiler: `$CC`, else `cc`."""
    return os.environ.get("CC") or "cc"


def missing_compiler() -> str | None:
    """Says why nothing can be compiled here, or None."""
    compiler = compiler_command()
    return None if shutil.which(compiler) else f"no C compiler: {compiler} is not on PATH"


def binary(source_name: str) -> Path:
    """Returns the path of the program built from native/`source_name`, building it if need be.

    The name holds a hash of all that went into it, so an edited source or another compiler is
    never served by a stale program.

    Raises:
        CompileError: there is no compiler, or it refused the source; its own words are included.
    """
    source = _SOURCES / source_name
    compiler = shutil.which(compiler_command())
    if compiler is None:
        raise CompileError(missing_compiler())
    recipe = (compiler, *_FLAGS, *_LIBRARIES)
    digest = hashlib.sha256("\0".join(recipe).encode() + source.read_bytes()).hexdigest()[:12]
    target = _BUILD / f"{source.stem}-{digest}"
    if not target.exists():
        _compile(compiler, source, target)
    return target


def _compile(compiler: str, source: Path, target: Path) -> None:
    _BUILD.mkdir(exist_ok=True)
    # Built aside and renamed: another suite running at the same time sees all of it or nothing.
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    command = [compiler, *_FLAGS, "-o", str(partial), str(source), *_LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{' '.join(command)}\n{done.stderr.strip()}")
    partial.replace(target)
