"""What a supervisor is given, looked at before anything is started."""

from __future__ import annotations

from typing import Any

from netcore._durations import seconds
from netcore._platform import usable_cpus
from netcore.engine.choices import Choices
from netcore.engine.given import GivenListener
from netcore.errors import OptionsError
from netcore.options import Options
from netcore.supervisor.files import TlsFiles

__all__ = ["check_all", "checked_seconds", "checked_size"]


def checked_size(processes: object) -> int:
    """Returns how many processes are wanted; OptionsError if that is no number of them."""
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 0:
        raise OptionsError(f"processes is {processes!r}: it must be a whole number, 0 for one per usable CPU")
    return processes or len(usable_cpus())


def checked_seconds(value: object, name: str) -> float:
    """Returns a duration; OptionsError, with its name, if it is none."""
    try:
        return seconds(value, name)
    except (TypeError, ValueError) as error:
        raise OptionsError(str(error)) from None


def check_all(
    target: object, configure: object, options: Options, tls_files: TlsFiles | None, wanted: list[Any]
) -> None:
    """Raises what the processes would raise later."""
    for name, reference in (("target", target), ("configure", configure)):
        if not isinstance(reference, str) or (":" not in reference and (reference or name == "target")):
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
