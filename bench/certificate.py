"""The certificate that all servers of the suite show, made once by openssl(1)."""

import os
import shutil
import subprocess
from typing import NamedTuple

from bench.toolchain import BUILD, CompileError

_OPENSSL = "openssl"
# What most servers have today: a key on P-256. It signs fast, and so hides little of the rest of a handshake.
_REQUEST = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost"


class Files(NamedTuple):
    """Paths of two PEM files."""

    certificate: str
    key: str


def missing() -> str | None:
    """Says why there can be none here, or None."""
    return None if shutil.which(_OPENSSL) else f"{_OPENSSL} is not on PATH"


def files() -> Files:
    """Returns where they are, having made them if need be.

    Raises:
        CompileError: openssl could not; its own words are included.
    """
    target = BUILD / "certificate"
    if not target.exists():
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        command = [
            _OPENSSL,
            *_REQUEST.split(),
            "-out",
            str(partial / "cert.pem"),
            "-keyout",
            str(partial / "key.pem"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CompileError(f"{' '.join(command)}\n{done.stderr.strip()}")
        try:
            partial.rename(target)
        except OSError:  # another suite was faster
            shutil.rmtree(partial)
    return Files(str(target / "cert.pem"), str(target / "key.pem"))
