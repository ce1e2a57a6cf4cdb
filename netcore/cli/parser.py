"""The arguments of the command line."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from netcore._durations import seconds
from netcore.cli.doctor import doctor
from netcore.cli.output import say
from netcore.cli.serve import serve
from netcore.cli.version import version
from netcore.lb import balancer_names
from netcore.poll import poller_names

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["make_parser"]

_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class _Parser(argparse.ArgumentParser):
    """Answers a wrong argument with one line instead of the usage and a line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"netcore: {message} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:  # argparse itself would not tell that nobody reads it
            say(message, end="")
        else:
            with suppress(OSError):  # the status tells, too; argparse does this itself from Python 3.11 on
                super()._print_message(message, file)


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser; what it parses has ``command``, the function that takes it from there."""
    parser = _Parser(prog="netcore", description="Event-driven networking on the kernel's own readiness API.")
    parser.add_argument("--version", action="version", version=f"netcore {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands.add_parser("run", help="serve a handler until SIGINT or SIGTERM"))
    about = "what this machine offers; exit status 1 if something that should work does not"
    examine = commands.add_parser("doctor", help=about, description=f"Shows {about}.")
    examine.set_defaults(command=doctor)
    examine.add_argument(
        "--platforms",
        action="store_true",
        help="only the table of what each platform does, in Markdown",
    )
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serves a handler until SIGINT or SIGTERM; a second signal resets what is left."
    parser.set_defaults(command=serve)
    add = parser.add_argument
    add(
        "handler",
        metavar="MODULE:HANDLER",
        help="an EventHandler, its class, or a function that returns one, such as examples.echo:Echo; "
        "modules are looked for in the current directory first",
    )
    add(
        "addresses",
        metavar="ADDRESS",
        nargs="+",
        help="where to listen: tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT (with a 4 or 6, such as "
        "tcp4: one version of IP), unix://PATH, unix://@NAME for an abstract name, fd://N or fd://NAME for "
        "an inherited socket (tls+fd: with TLS); no HOST is every interface, port 0 lets the system choose",
    )
    add("--loops", type=_from(1), default=0, metavar="N", help="event loops, each a thread (default: 1)")
    add("--multicore", action="store_true", help="one event loop per usable CPU")
    add("--poller", metavar="NAME", help=f"one of {', '.join(poller_names())} (default: the best here)")
    add(
        "--lb",
        default="round-robin",
        metavar="NAME|MODULE:CLASS",
        help=f"spreads connections over the loops: {', '.join(balancer_names())}, or your own "
        "(default: %(default)s)",
    )
    add("--reuse-port", action="store_true", help="one listener per loop, balanced by the kernel")
    add("--ticker", action="store_true", help="call the handler's on_tick")
    add("--edge-triggered", action="store_true", help="ask the poller for edges rather than levels")
    add(
        "--idle-timeout",
        type=_seconds,
        default=0,
        metavar="S",
        help="close connections that are silent for so many seconds (default: never)",
    )
    add(
        "--max-connections",
        type=_from(0),
        default=0,
        metavar="N",
        help="further ones wait in the backlog (default: no limit)",
    )
    add(
        "--proxy-protocol",
        action="store_true",
        help="every connection begins with a header of the PROXY protocol, which tells who the client is",
    )
    add(
        "--proxy-from",
        action="append",
        default=[],
        metavar="NETWORK",
        help="only those from there send one, such as 10.0.0.0/8, and others are served without; may be "
        "given several times (default: everybody sends one)",
    )
    _add_tls(add)
    add(
        "--log-level",
        type=str.lower,
        choices=_LOG_LEVELS,
        default="info",
        metavar="LEVEL",
        help=f"one of {', '.join(_LOG_LEVELS)} (default: %(default)s)",
    )


def _add_tls(add: Callable[..., object]) -> None:
    reloaded = "; SIGHUP loads it again" if hasattr(signal, "SIGHUP") else ""
    add(
        "--tls-certificate",
        metavar="FILE",
        help=f"the certificate of tls:// addresses and those of the authorities above it, PEM{reloaded}",
    )
    add("--tls-key", metavar="FILE", help="its private key, PEM (default: it is in the same file)")
    add(
        "--tls-client-ca",
        metavar="FILE",
        help="the authorities that clients must have a certificate of, PEM or a folder of such",
    )
    add("--tls-client-optional", action="store_true", help="clients may have none all the same")
    add(
        "--tls-alpn",
        type=_names,
        default=(),
        metavar="NAMES",
        help="application protocols, the most wanted first, such as h2,http/1.1",
    )


def _names(text: str) -> tuple[str, ...]:
    """Reads names with commas in between; an argparse type."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names such as h2,http/1.1")
    return names


def _seconds(text: str) -> float:
    """Reads a number of seconds, zero or above, or ``inf``; an argparse type."""
    try:
        return seconds(float(text), text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None


def _from(least: int) -> Callable[[str], int]:
    """Makes an argparse type: a whole number, ``least`` or above."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} up")
        return value

    return parse
