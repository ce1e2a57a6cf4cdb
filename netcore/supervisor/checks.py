"""What a supervisor is given, looked at before anything is started."""

from __future__ import annotations

from typing import Any

from netcore._durations import seconds
from netcore._loading import is_reference
from netcore._platform import usable_cpu_count
from netcore._tls_files import TlsFiles
from netcore.engine.choices import Choices
from netcore.engine.given import GivenListener
from netcore.errors import OptionsError
from netcore.logs import FORMATS
from netcore.options import Options

__all__ = ["check_all", "check_extras", "checked_seconds", "checked_size"]

_MOST = 1024
"""Processes; each may have listeners of its own, which are bound before anything is served."""


def checked_size(processes: object) -> int:
    """Returns how many processes are wanted; OptionsError if that is no number of them."""
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 0:
        raise OptionsError(f"processes is {processes!r}: it must be a whole number, 0 for one per usable CPU")
    if processes > _MOST:
        raise OptionsError(f"processes is {processes}: it must be {_MOST} at most")
    return processes or usable_cpu_count()


def checked_seconds(value: object, name: str) -> float:
    """Returns a duration; OptionsError, with its name, if it is none."""
    try:
        return seconds(value, name)
    except (TypeError, ValueError) as error:
        raise OptionsError(str(error)) from None


def check_extras(
    reload: object, balancer: object, tls_files: object, log_level: object, log_format: object
) -> None:
    """Raises what is wrong with arguments that the processes would stumble over."""
    if not isinstance(reload, bool):
        raise OptionsError(f"reload is {reload!r}: it must be True or False")
    if balancer != "" and not _is_reference(balancer):
        raise OptionsError(f"balancer is {balancer!r}: it must be of the form 'module:class', or empty")
    if tls_files is not None and not isinstance(tls_files, TlsFiles):
        raise OptionsError(f"tls_files is {tls_files!r}: it must be a TlsFiles object, or None")
    if not isinstance(log_level, int) or isinstance(log_level, bool) or log_level < 0:
        raise OptionsError(f"log_level is {log_level!r}: it must be a level of logging, 0 for none")
    if log_format not in FORMATS:
        raise OptionsError(f"log_format is {log_format!r}: it must be {' or '.join(map(repr, FORMATS))}")


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and is_reference(value)


def check_all(
    target: object, configure: object, options: Options, tls_files: TlsFiles | None, wanted: list[Any]
) -> None:
    """Raises what the processes would raise later."""
    for name, reference in (("target", target), ("configure", configure)):
        if not _is_reference(reference) and (reference != "" or name == "target"):
            raise OptionsError(f"{name} is {reference!r}: it must be of the form 'module:name'")
    if str(target).partition(":")[0] == "__main__":
        raise OptionsError(f"target is {target!r}: each process has a __main__ of its own; name a module")
    addresses = tuple(one.address if isinstance(one, GivenListener) else one for one in wanted)
    secured = [address for address in addresses if address.is_tls]
    if secured and tls_files is None and not configure:
        raise OptionsError(
            f"{str(secured[0])!r} needs a certificate: give its files, or set Options.tls by configure"
        )
    Choices.from_options(options, () if secured else addresses)
