"""All that ``netcore run`` can be told."""

from __future__ import annotations

import signal
from functools import cache

from netcore.cli.kinds import Choice, Names, Processes, Seconds, Switch, Text
from netcore.cli.option_settings import option_settings
from netcore.cli.setting import Setting
from netcore.logs import FORMATS

__all__ = ["ADDRESSES", "CONFIG", "HANDLER", "run_settings"]

_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

HANDLER = Setting(
    name="handler",
    kind=Text("MODULE:HANDLER"),
    help="an EventHandler, its class, or a function that returns one, such as examples.echo:Echo; "
    "modules are looked for in the current directory first",
)
ADDRESSES = Setting(
    name="addresses",
    kind=Names("ADDRESS", "tcp://:9000,unix:///run/echo.sock"),
    help="where to listen: tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, kcp://HOST:PORT "
    "(with a 4 or 6, such as tcp4: one version of IP), unix://PATH, unix://@NAME for an abstract name, "
    "fd://N or fd://NAME for an inherited socket (tls+fd: with TLS, kcp+fd: with KCP); no HOST is every "
    "interface, port 0 lets the system choose",
    default=(),
)

CONFIG = Setting(
    name="config",
    kind=Text("FILE"),
    help="a file in TOML with the settings that are given neither here nor in the environment",
)

_RELOADED = "; SIGHUP loads it again" if hasattr(signal, "SIGHUP") else ""

_OWN = (
    Setting(
        name="tls_certificate",
        kind=Text("FILE"),
        help=f"the certificate of tls:// addresses and those of the authorities above it, PEM{_RELOADED}",
    ),
    Setting(name="tls_key", kind=Text("FILE"), help="its private key, PEM (default: it is in the same file)"),
    Setting(
        name="tls_client_ca",
        kind=Text("FILE"),
        help="the authorities that clients must have a certificate of, PEM or a folder of such",
    ),
    Setting(
        name="tls_client_optional", kind=Switch(), help="clients may have none all the same", default=False
    ),
    Setting(
        name="tls_alpn",
        kind=Names("NAMES", "h2,http/1.1"),
        help="application protocols, the most wanted first, such as h2,http/1.1",
        default=(),
    ),
    Setting(
        name="processes",
        kind=Processes(),
        help="serve by so many processes under a supervisor, which replaces those that end; auto: one per "
        "usable CPU",
    ),
    Setting(
        name="hang_timeout",
        kind=Seconds(),
        help="a process whose loop hangs for so long is killed, with its stacks in the log, and replaced "
        "(default: never)",
        default=0.0,
    ),
    Setting(
        name="drain_timeout",
        kind=Seconds(),
        help="how long the connections of a process that is being replaced may go on",
        default=30.0,
    ),
    Setting(
        name="configure",
        kind=Text("MODULE:FUNCTION"),
        help="called in each process with its Options; returns those to be used",
        default="",
    ),
    Setting(
        name="listeners",
        kind=Choice("WHICH", ("own", "shared")),
        help="own: one per process, balanced by the kernel; shared: one for all (default: own where the "
        "kernel balances)",
        default="",
    ),
    Setting(
        name="log_level",
        kind=Choice("LEVEL", _LOG_LEVELS),
        help=f"one of {', '.join(_LOG_LEVELS)}",
        default="info",
    ),
    Setting(
        name="log_format",
        kind=Choice("FORMAT", FORMATS),
        help="lines of text, or an object of JSON in each line",
        default="text",
    ),
    Setting(
        name="reload",
        kind=Switch(),
        help="replace the processes when a file changes that they have imported; one process unless "
        "--processes says more",
        default=False,
    ),
)


@cache
def run_settings() -> tuple[Setting, ...]:
    """Returns the settings that are flags: those of the command's own, then those of ``Options``."""
    return (*_OWN, *option_settings())
