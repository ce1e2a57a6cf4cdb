"""Compiles the C programs of the suite on first use."""

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "native"
BUILD = HERE / ".build"

# Sources by program; the first one holds main.
_LOAD = ("load.c", "histogram.c")
_PLAIN, _TLS = ("wire_plain.c", *_LOAD), ("wire_tls.c", *_LOAD)
_STREAM = ("stream.c", "replies.c")
_KCP = ("stream_kcp.c", "kcp.c", "replies.c", *_PLAIN)
_PROGRAMS = {
    "load_stream": ("load_stream.c", *_STREAM, *_PLAIN),
    "load_stream_tls": ("load_stream.c", *_STREAM, *_TLS),
    "load_stream_kcp": ("load_stream.c", *_KCP),
    "load_open": ("load_open.c", "schedule.c", *_STREAM, *_PLAIN),
    "load_open_kcp": ("load_open.c", "schedule.c", *_KCP),
    "load_mixed": ("load_mixed.c", *_STREAM, *_PLAIN),
    "load_idle": ("load_idle.c", *_STREAM, *_PLAIN),
    "load_connect": ("load_connect.c", "source.c", *_PLAIN),
    "load_connect_tls": ("load_connect.c", "source.c", *_TLS),
    "load_arrivals": ("load_arrivals.c", "source.c", "schedule.c", *_LOAD),
    "load_datagram": ("load_datagram.c", *_LOAD),
    "echo_epoll": ("echo_epoll.c", "tcp_server.c"),
    "echo_datagram": ("echo_datagram.c",),
    "frames_epoll": ("frames_epoll.c", "tcp_server.c"),
}
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
_LIBRARIES = ("-lm", "-ldl")
_OPENSSL = ("-lssl", "-lcrypto")


class CompileError(Exception):
    """A C source of the suite could not be compiled."""


def compiler_command() -> str:
    """The C compiler: `$CC`, else `cc`."""
    return os.environ.get("CC") or "cc"


def missing_compiler() -> str | None:
    """Says why nothing can be compiled here, or None."""
    compiler = compiler_command()
    return None if shutil.which(compiler) else f"no C compiler: {compiler} is not on PATH"


@functools.cache
def missing_openssl() -> str | None:
    """Says why nothing can be compiled here that is a client of TLS, or None."""
    command = [compiler_command(), "-E", "-include", "openssl/ssl.h", "-x", "c", os.devnull]
    try:
        found = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return missing_compiler()
    return None if found else "no openssl/ssl.h: Debian has it in libssl-dev"


def binary(program: str) -> Path:
    """Returns the path of a program, building it if need be.

    The name holds a hash of all that went into it, so an edited source or another compiler is
    never served by a stale program.

    Raises:
        CompileError: there is no compiler, or it refused the source; its own words are included.
    """
    return _built(program, _PROGRAMS[program], ())


def library(source: str) -> Path:
    """Returns the path of a shared library of one C file, named without its ending, building it if need be.

    Raises:
        CompileError: as for a program.
    """
    return _built(source, (f"{source}.c",), ("-shared", "-fPIC"))


def _built(name: str, files: tuple[str, ...], extra: tuple[str, ...]) -> Path:
    compiler = shutil.which(compiler_command())
    if compiler is None:
        raise CompileError(missing_compiler())
    flags = (*_FLAGS, *extra)
    sources = [SOURCES / file for file in files]
    target = BUILD / f"{name}-{fingerprint([*sources, *SOURCES.glob('*.h')], compiler, *flags)}"
    if not target.exists():
        libraries = (*_OPENSSL, *_LIBRARIES) if "wire_tls.c" in files else _LIBRARIES
        _compile([compiler, *flags], sources, libraries, target)
    return target


def fingerprint(files: list[Path], *recipe: str) -> str:
    """Returns a short hash of the contents of `files` and of how they are built."""
    digest = hashlib.sha256("\0".join(recipe).encode())
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _compile(compiler: list[str], sources: list[Path], libraries: tuple[str, ...], target: Path) -> None:
    BUILD.mkdir(exist_ok=True)
    # Built aside and renamed: another suite running at the same time sees all of it or nothing.
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    command = [*compiler, "-o", str(partial), *map(str, sources), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{' '.join(command)}\n{done.stderr.strip()}")
    partial.replace(target)
