"""Runs Python with the run-time library of AddressSanitizer loaded first: ``sanitized.py ARGUMENTS``.

A sanitized extension module needs that, since the interpreter itself is not sanitized. Python's own allocator
is replaced by malloc, which is watched. Leaks are looked for when the process ends: what netcore's C has
allocated and nobody has freed fails it; what the interpreter keeps to its end does not (``leaks.supp``).
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

SUPPRESSIONS = Path(__file__).with_name("leaks.supp")

if __name__ == "__main__":
    compiler = shlex.split(os.environ.get("CC") or "cc")
    asked = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    library = asked.stdout.strip()
    if not os.path.isabs(library):
        sys.exit(f"{compiler[0]} has no libasan.so: the sanitizers need gcc and its run-time library")
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:malloc_context_size=2",
        "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "NETCORE_SANITIZED": "1",
    }
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment)
