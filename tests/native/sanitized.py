"""Runs Python with the run-time library of AddressSanitizer loaded first: ``sanitized.py ARGUMENTS``.

A sanitized extension module needs that, since the interpreter itself is not sanitized. Leaks are not looked
for: an interpreter keeps memory to its end. Python's own allocator is replaced by malloc, which is watched.
"""

import os
import shlex
import subprocess
import sys

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
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "NETCORE_SANITIZED": "1",
    }
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment)
