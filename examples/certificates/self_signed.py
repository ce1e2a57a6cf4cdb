"""A certificate that nobody but its own maker vouches for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["self_signed"]

_NAMES = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
_DAYS = "30"


def self_signed(folder: Path) -> Path:
    """Makes a certificate for this machine's own name, by the program openssl.

    Clients trust it who are given the file. For others it is worth nothing, and it should never be.

    Args:
        folder: Where it is put; nobody else should be able to read there.

    Returns:
        A PEM file with the certificate and its key.

    Raises:
        OSError: There is no such program, or it has failed.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise FileNotFoundError(
            "there is no program openssl to make a certificate: name one by --tls-certificate"
        )
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", _DAYS, "-subj", "/CN=localhost", "-addext", f"subjectAltName={_NAMES}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"openssl has failed: {done.stderr.strip()}")
    with certificate.open("a") as file:
        file.write(key.read_text())
    key.unlink()
    return certificate
