"""Compiles and links netcore's C for systems that are not at hand, with the cross compiler of ``ziglang``.

    python tests/native/cross.py DIRECTORY

What is compiled is the very file that cffi makes, and the hot half, as an installation on that system
compiles them, warnings being errors. The headers of Python are this machine's, with a configuration for the
other one: all of them have the same sizes of types. What the table of platforms declares of sockets is held
against the system's headers. Works in DIRECTORY; exits with 1 if anything fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from netcore._native.build import SOURCES, ffibuilder
from netcore._platforms import Platform, platform_of

LINKED = ("x86_64-macos", "aarch64-macos", "x86_64-freebsd", "x86_64-openbsd")
COMPILED = ("aarch64-freebsd", "aarch64-openbsd", "x86_64-netbsd", "aarch64-netbsd")

WARNINGS = ("-std=c11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror")
GENERATED = ("-Wno-unused-parameter", "-DPy_LIMITED_API=0x030a0000")  # the first is cffi's way
SYSTEMS = {"macos": "darwin"}
"""What ``sys.platform`` says where the compiler has another name."""

LINK = ("-shared", "-O2", "-rtlib=none")
"""Without run-time libraries of the compiler's own, such as a sanitizer's: nothing calls them, and building
them takes longer than all else."""

EXTENSION = {"macos": ("-Wl,-undefined,dynamic_lookup",)}
"""What the linker must be told about the functions of Python, which the interpreter will bring."""


def python_headers(directory: Path) -> Path:
    """Copies Python's headers, with a configuration that knows the sizes of types and nothing of a system."""
    headers = directory / "python"
    shutil.copytree(sysconfig.get_path("include"), headers, dirs_exist_ok=True)
    known = sysconfig.get_config_vars().items()
    lines = [
        f"#define {name} {value}"
        for name, value in known
        if value and name.startswith(("SIZEOF_", "ALIGNOF_"))
    ]
    (headers / "pyconfig.h").write_text("\n".join([*lines, ""]))
    return headers


def declared_facts(platform: Platform) -> str:
    """Writes C that compiles only if a system's headers agree with its row of the table."""
    options = [platform.reuse_port, platform.no_sigpipe, *platform.keep_alive]
    lines = ['#include "platform.c"', "#include <netinet/tcp.h>"]
    lines += [f"#ifndef {name}\n#error {name}\n#endif" for name in options if name]
    lines += [f'_Static_assert({name} == {number}, "{name}");' for name, number in platform.numbers]
    if not platform.keep_alive:
        lines.append("#ifdef TCP_KEEPIDLE\n#error TCP_KEEPIDLE\n#endif")
    lines.append(f"#if{'n' * platform.datagram_batches}def NC_HAVE_MMSG\n#error NC_HAVE_MMSG\n#endif")
    if platform.sendfile:
        lines += ["#include <sys/uio.h>", '_Static_assert(sizeof(&sendfile), "sendfile");']
    return "\n".join([*lines, ""])


def zig(directory: Path, target: str, *arguments: object) -> None:
    """Runs the compiler.

    Raises:
        RuntimeError: It fails; the message is what it says.
    """
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *map(str, arguments)]
    cache = str(directory / "cache")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def build(directory: Path, headers: Path, target: str) -> str:
    """Compiles and maybe links for one system; returns what has been done."""
    generated = directory / f"{target}.o"
    zig(
        directory,
        target,
        *WARNINGS,
        *GENERATED,
        f"-I{headers}",
        f"-I{SOURCES}",
        "-c",
        directory / "_netcore.c",
        "-o",
        generated,
    )
    # netcore's own C apart from what cffi makes of it: with all warnings, and with each way to wake.
    own = (*WARNINGS, "-Wpedantic", "-c", SOURCES / "platform.c", "-o")
    zig(directory, target, *own, directory / f"{target}-own.o")
    zig(directory, target, "-DNC_KQUEUE_PIPE", *own, directory / f"{target}-pipe.o")
    # The extension that CPython loads beside it; of netcore's own functions it knows addresses only.
    hot = directory / f"{target}-hot.o"
    python = ("-DPy_LIMITED_API=0x030a0000", f"-I{headers}", f"-I{SOURCES}")
    zig(directory, target, *WARNINGS, *python, "-c", SOURCES.parent / "hot" / "module.c", "-o", hot)
    system = target.partition("-")[2]
    facts = directory / f"{target}-facts.c"
    facts.write_text(declared_facts(platform_of(SYSTEMS.get(system, system))))
    zig(directory, target, *WARNINGS, f"-I{SOURCES}", "-c", facts, "-o", directory / f"{target}-facts.o")
    if target not in LINKED:
        return "compiled"
    # All functions it calls are in the system's library; only those of Python may be missing.
    for variant in ("own", "pipe"):
        linked = directory / f"{target}-{variant}.so"
        zig(directory, target, *LINK, "-Wl,-z,defs", directory / f"{target}-{variant}.o", "-o", linked)
    for made in (generated, hot):
        zig(directory, target, *LINK, *EXTENSION.get(system, ()), made, "-o", made.with_suffix(".so"))
    return "compiled and linked"


def main() -> int:
    """Builds for all; returns the exit status."""
    directory = Path(sys.argv[1]).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    ffibuilder.emit_c_code(str(directory / "_netcore.c"))
    headers = python_headers(directory)
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        builds = {
            target: threads.submit(build, directory, headers, target) for target in (*LINKED, *COMPILED)
        }
        for target, outcome in builds.items():
            error = outcome.exception()
            failed = failed or error is not None
            print(f"{target}: {outcome.result() if error is None else error}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
