"""Certificates that are made for a run and forgotten, by the program openssl."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

OPENSSL = shutil.which("openssl")

# What `openssl ca` wants to be told. It alone takes dates in every version, and without dates none lets a
# certificate of today end yesterday.
_AUTHORITY = """
[ca]
default_ca = here
[here]
database = {folder}/issued
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def _openssl(*arguments: object) -> None:
    command = [OPENSSL, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr}"


class Pki:
    """A certificate authority in a folder, and what it has issued; made by the program openssl."""

    PASSWORD = "open sesame"

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self.name = name
        folder.mkdir(exist_ok=True)
        self.ca = folder / "ca.pem"
        self._key("ca")
        _openssl(
            *("req", "-x509", "-new", "-key", folder / "ca.key", "-subj", f"/CN={name}", "-days", 2),
            *("-addext", "keyUsage=critical,keyCertSign", "-out", self.ca),
        )
        self.path("ca.cnf").write_text(_AUTHORITY.format(folder=folder.as_posix()))
        self.path("serial").write_text("02\n")
        self.path("issued").touch()

    def path(self, name: str) -> Path:
        return self.folder / name

    def _key(self, name: str) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(f"{name}.key"))

    def issue(self, name: str, *names: str, days: int = 2) -> tuple[Path, Path]:
        """Issues a certificate for host names or addresses ("DNS:…", "IP:…"); returns it and its key.

        It is good from three days ago until so many days from now; negative ones are days that have passed.
        """
        certificate, key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        self._key(name)
        now = datetime.now(timezone.utc)
        start, end = (f"{now + timedelta(days=each):%Y%m%d%H%M%SZ}" for each in (-3, days))
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        _openssl(
            *("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", request, "-out", certificate),
            *("-cert", self.ca, "-keyfile", self.path("ca.key"), "-extfile", extensions),
            *("-startdate", start, "-enddate", end),
        )
        return certificate, key

    def encrypt(self, name: str) -> Path:
        """Encrypts a key with ``PASSWORD``; returns the file."""
        encrypted = self.path(f"{name}.encrypted")
        if not encrypted.exists():
            source = self.path(f"{name}.key")
            _openssl("ec", "-in", source, "-aes128", "-passout", f"pass:{self.PASSWORD}", "-out", encrypted)
        return encrypted
