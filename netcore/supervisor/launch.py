"""What a process is told at its start: the application, the options, and its place."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from typing import Any

from netcore._tls_files import TlsFiles
from netcore.errors import OptionsError
from netcore.kcp import KcpOptions
from netcore.options import Options

__all__ = ["Launch", "plain_options"]

_HERE = frozenset({"admin"})
"""Options that the supervisor heeds for all processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything that is the same for all processes of a supervisor, in plain values.

    Attributes:
        target: "module:handler".
        configure: "module:function", from options to options; empty for none.
        balancer: "module:class" of a load balancer; empty for that of the options.
        options: Fields of ``Options`` that differ from their defaults; ``kcp`` as the fields it has itself.
        tls_files: Certificates, which each process loads itself; None for none.
        path: ``sys.path``.
        log_level: See ``logging``.
        log_format: "text" or "json".
        asks: Seconds between two words on how the loops are; 0 for none.
        watches: Whether it is to say which files it has imported.
        measures: Whether turns and callbacks are measured.
        grace: Seconds in which it may end once there is no supervisor any more.
    """

    target: str
    configure: str = ""
    balancer: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    tls_files: TlsFiles | None = None
    path: list[str] = field(default_factory=lambda: list(sys.path))
    log_level: int = 0
    log_format: str = "text"
    asks: float = 0.0
    watches: bool = False
    measures: bool = False
    grace: float = 0.0

    def as_message(self) -> dict[str, Any]:
        """Returns it as what JSON can carry."""
        return dataclasses.asdict(self)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Launch:
        """Reads what ``as_message`` has made, after JSON has carried it."""
        files = message["tls_files"]
        return cls(**{**message, "tls_files": files and TlsFiles(**{**files, "alpn": tuple(files["alpn"])})})

    def make_options(self) -> Options:
        """Returns the options as they were, but for certificates and ``configure``."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.options.items()
        }
        if "kcp" in values:
            values["kcp"] = KcpOptions(**values["kcp"])
        return Options(**values)


def plain_options(options: Options) -> dict[str, Any]:
    """Returns what is not as by default, if all of it can be given to another process.

    Raises:
        OptionsError: An option cannot.
    """
    default = Options()
    plain = {}
    for each in dataclasses.fields(options):
        value = getattr(options, each.name)
        if value == getattr(default, each.name) or each.name in _HERE:
            continue
        if isinstance(value, KcpOptions):
            value = dataclasses.asdict(value)
        elif not isinstance(value, (bool, int, float, str, tuple)):
            raise OptionsError(
                f"option {each.name} is {value!r}: "
                "it cannot cross to another process: set it there, by configure",
                option=each.name,
            )
        plain[each.name] = value
    if options.edge_triggered:  # of the two one may follow from the other, and does so there, too
        plain |= _edges_as_given(options)
    if options.log_path:
        raise OptionsError(
            f"option log_path is {options.log_path!r}: several processes cannot write to a file that is "
            "rotated; they log to standard error, or to what configure sets up",
            option="log_path",
        )
    return plain


def _edges_as_given(options: Options) -> dict[str, Any]:
    edges, chunk = getattr(options.edge_triggered_chunk, "given", (True, 0))
    return {"edge_triggered": edges, "edge_triggered_chunk": chunk}
