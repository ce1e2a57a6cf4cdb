"""Facts about the machine without which no figure means anything."""

import os
import platform
import subprocess
from pathlib import Path

from bench import toolchain
from bench.process import Cpus

_VERSION = "import platform as p; print(p.python_implementation(), p.python_version())"


def facts(python: str, cpus: Cpus) -> dict[str, str]:
    """Returns what to print above the figures: kernel, CPU, placement, interpreter, compiler, load."""
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{_cpu_model()}, {os.cpu_count()} CPUs",
        "placement": _placement(cpus),
        "python": _first_line(python, "-c", _VERSION),
        "compiler": _first_line(toolchain.compiler_command(), "--version"),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown model"


def _placement(cpus: Cpus) -> str:
    text = f"server on CPU {cpus.server}, load on CPU {cpus.load}"
    if cpus.server == cpus.load:
        return f"{text}: they share it, so only CPU time per message means anything"
    siblings = Path(f"/sys/devices/system/cpu/cpu{cpus.server}/topology/core_cpus_list")
    if siblings.exists() and cpus.load in _cpu_list(siblings.read_text()):
        return f"{text}: two threads of one core, which slow each other down"
    return text


def _cpu_list(text: str) -> set[int]:
    """Parses the kernel's list format, such as 0-2,5."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown ({error})"
    return done.stdout.strip().splitlines()[0]
