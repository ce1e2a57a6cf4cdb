"""Builds the peers in Go and Java, once, with the tools of these languages."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from bench.toolchain import BUILD, HERE, fingerprint

_NETTY = HERE / "peers" / "netty"
# The first build downloads what the peer depends on.
_BUILD_TIMEOUT = 600.0


class BuildError(Exception):
    """A peer cannot be built here; the text says why in one line."""


@functools.cache
def gnet() -> list[str]:
    """Returns the command of the gnet server, without its arguments.

    Raises:
        BuildError: there is no Go, or it could not build the program.
    """
    return _built_by_go("gnet")


@functools.cache
def kcp_go() -> list[str]:
    """Returns the command of the program with kcp-go, without its arguments.

    Raises:
        BuildError: there is no Go, or it could not build the program.
    """
    return _built_by_go("kcp")


@functools.cache
def netty() -> list[str]:
    """Returns the command of the netty server, without its arguments.

    Raises:
        BuildError: there is no JVM or no Maven, or Maven could not build the program.
    """
    java, maven = _tool("java"), _tool("mvn")
    target = BUILD / f"netty-{fingerprint([_NETTY / 'pom.xml', *_NETTY.rglob('*.java')], java)}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        _run([maven, "--batch-mode", "--quiet", f"-Dbench.build={partial}", "package"], _NETTY)
        try:
            partial.rename(target)
        except OSError:  # another suite was faster
            shutil.rmtree(partial)
    return [java, "-cp", f"{target / 'netty.jar'}:{target / 'lib'}/*", "Echo"]


def _built_by_go(peer: str) -> list[str]:
    go, sources = _tool("go"), HERE / "peers" / peer
    target = BUILD / f"{peer}-{fingerprint(list(sources.iterdir()), go)}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        # Without -buildvcs Go would ask git, which may not tell it of a tree that is somebody else's.
        _run([go, "build", "-buildvcs=false", "-o", str(partial), "."], sources)
        partial.replace(target)
    return [str(target)]


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BuildError(f"{name} is not on PATH")
    return path


def _run(command: list[str], directory: Path) -> None:
    BUILD.mkdir(exist_ok=True)
    name = f"{Path(command[0]).name} in {directory.name}"
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=_BUILD_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{name} did not end within {_BUILD_TIMEOUT:g} s") from error
    if done.returncode:
        words = (done.stderr + done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise BuildError(f"{name}: {words[-1]}")
