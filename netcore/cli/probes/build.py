"""What was installed, and on what."""

from __future__ import annotations

import importlib.util
import os
import platform
import sysconfig
from collections.abc import Iterator

import netcore
from netcore._native import COLD, MISSING
from netcore._native.remedy import hidden, remedy
from netcore._platform import FACTS
from netcore._version import __version__
from netcore.cli.findings import NATIVE_PART, Finding, fail, missing, ok

__all__ = ["probe_build"]


def probe_build() -> Iterator[Finding]:
    """Reports versions, and whether the native part is there and loads."""
    yield ok("netcore", __version__)
    if shadowed := hidden():
        text = f"{os.path.dirname(netcore.__file__)} is used instead of {shadowed}"
        yield missing("installation", text, "run from elsewhere, or install the checkout: pip install -e .")
    yield ok("python", f"{platform.python_implementation()} {platform.python_version()}")
    yield ok("platform", platform.platform())
    if not MISSING:
        yield ok("native part", "compiled")
    elif importlib.util.find_spec("netcore._native._netcore") is None:
        yield missing("native part", MISSING, remedy())
    else:
        yield fail("native part", f"it is installed but does not load: {MISSING}")
    yield _hot_half()


def _hot_half() -> Finding:
    """Tells whether messages, frames and datagrams go through C where poller and sockets are native."""
    if not COLD:
        gil = "; it switches the GIL on" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
        return ok("hot half", f"in C, with native pollers and sockets, and not in debug mode{gil}")
    if platform.python_implementation() != "CPython" or FACTS.sockets_are_handles:
        return missing("hot half", "not on this platform")
    if os.environ.get("NETCORE_HOT") == "0":
        return missing("hot half", "in Python, since NETCORE_HOT is 0", "unset NETCORE_HOT")
    return missing("hot half", COLD, NATIVE_PART if MISSING else remedy())
