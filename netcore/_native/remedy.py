"""How to have the native part where it is missing: what to install first, and which command builds it.

pip shows none of what a build says that ends well. So who installs without a compiler learns of it from
netcore: once when it runs, and from ``netcore doctor``.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import sysconfig
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

__all__ = ["hidden", "remedy"]

_ROOT = Path(__file__).parents[2]

_DISTRIBUTIONS = {
    "debian": "apt-get install gcc libc6-dev python3-dev",
    "fedora": "dnf install gcc python3-devel",
    "rhel": "dnf install gcc python3-devel",
    "suse": "zypper install gcc python3-devel",
    "alpine": "apk add gcc musl-dev python3-dev",
    "arch": "pacman -S gcc",
}
"""What brings a C compiler and Python's headers; by the names in os-release(5), ID and ID_LIKE."""

_SYSTEMS = {
    "darwin": "xcode-select --install",
    "win32": "install the Visual Studio Build Tools with their C++ part",
}


def hidden() -> str:
    """Returns where another netcore is that this one, such as a checkout, hides; or "" where none is."""
    behind = [entry for entry in sys.path if Path(entry).resolve() != _ROOT.resolve()]
    found = PathFinder.find_spec("netcore", behind)
    return os.path.dirname(found.origin) if found is not None and found.origin else ""


def remedy() -> str:
    """Says, in one line, what to do on this machine to have the native part."""
    if (other := hidden()) and _is_native(Path(other)):
        return f"{_ROOT} hides the netcore in {other}, which has it: run from elsewhere, or {_build()}"
    return f"{tools}, then {_build()}" if (tools := _tools()) else _build()


def _is_native(package: Path) -> bool:
    return any((package / "_native" / f"_netcore{suffix}").exists() for suffix in EXTENSION_SUFFIXES)


def _build() -> str:
    """Returns the command; it fails where the native part cannot be built."""
    if (_ROOT / "setup.py").exists():
        what = f"--editable {shlex.quote(str(_ROOT))}"
    else:  # pip is to take neither a wheel that it has made without, nor one from the index
        what = "--force-reinstall --no-deps --no-cache-dir --no-binary netcore-io netcore-io"
    return f"{'' if sys.platform == 'win32' else 'NETCORE_NATIVE=require '}python -m pip install {what}"


def _tools() -> str:
    """Says how to have a compiler and Python's headers; ``""`` where both are there."""
    compiler = shlex.split(os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc"))
    if sys.platform not in _SYSTEMS:  # on macOS there is a cc that only tells how to have one
        headers = os.path.join(sysconfig.get_path("include"), "Python.h")
        if shutil.which(compiler[0]) and os.path.exists(headers):
            return ""
    names: list[str] = []
    with suppress(OSError):
        release = platform.freedesktop_os_release()
        names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    known = [_DISTRIBUTIONS[name] for name in names if name in _DISTRIBUTIONS]
    return _SYSTEMS.get(sys.platform) or next(iter(known), "install a C compiler and Python's headers")
