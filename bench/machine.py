"""Facts about the machine without which no figure means anything."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import toolchain
from bench.launchers import environment
from bench.process import Cpus

# Peers that are programs, and how they tell their version.
_PROGRAMS = (
    ("node", "--version"),
    ("go", "version"),
    ("java", "-version"),
    ("redis-server", "--version"),
)
_PACKAGES = """
from importlib.metadata import PackageNotFoundError, version
found = []
for name in ("netcore-io", "uvloop", "httptools", "uvicorn", "granian", "gevent", "twisted"):
    try:
        found.append(f"{name} {version(name)}")
    except PackageNotFoundError:
        pass
print(", ".join(found) or "no Python packages")
"""
# An older netcore knows no halves.
_NETCORE = """
from netcore import _native
print(_native.MISSING or getattr(_native, "COLD", "") or "with all of its native part")
"""
_VERSION = "import platform as p; print(p.python_implementation(), p.python_version())"


def facts(python: str, cpus: Cpus) -> dict[str, str]:
    """Returns what to print above the figures: kernel, CPU, placement, interpreter, compiler, load."""
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{_cpu_model()}, {os.cpu_count()} CPUs",
        "placement": _placement(cpus),
        "python": _first_line(python, "-c", _VERSION),
        "compiler": _first_line(toolchain.compiler_command(), "--version"),
        "netcore": _first_line(python, "-c", _NETCORE),
        "peers": "; ".join(_versions(python)),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown model"


def _placement(cpus: Cpus) -> str:
    server, load = min(cpus.server), min(cpus.load)
    text = f"server on CPU {server}, load on CPU {load}"
    if server == load:
        return f"{text}: they share it, so only CPU time per message means anything"
    siblings = Path(f"/sys/devices/system/cpu/cpu{server}/topology/core_cpus_list")
    if siblings.exists() and load in _cpu_list(siblings.read_text()):
        return f"{text}: two threads of one core, which slow each other down"
    return text


def _versions(python: str) -> Iterator[str]:
    yield _first_line(python, "-c", _PACKAGES)
    for program, option in _PROGRAMS:
        if shutil.which(program):
            version = _first_line(program, option)
            yield version.split(" sha=")[0] if " " in version else f"{program} {version}"


def _cpu_list(text: str) -> set[int]:
    """Parses the kernel's list format, such as 0-2,5."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({error})"
    return (done.stdout + done.stderr).strip().splitlines()[0]
