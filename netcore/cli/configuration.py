"""What ``netcore run`` is told by all sources: a flag beats the environment, and that beats the file."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping

from netcore.cli.config_file import read_file
from netcore.cli.environment import read_environment
from netcore.cli.given import Given
from netcore.cli.setting import Setting, flag_of
from netcore.cli.settings import ADDRESSES, CONFIG, HANDLER, run_settings
from netcore.cli.usage import UsageError, message_of
from netcore.errors import OptionsError, PollerUnavailableError
from netcore.kcp import KcpOptions
from netcore.options import Options

__all__ = ["Configuration", "all_settings", "gather"]

_NEEDS = {
    "proxy_from": ("proxy_protocol",),
    "proxy_timeout": ("proxy_protocol",),
    "tls_key": ("tls_certificate",),
    "tls_alpn": ("tls_certificate",),
    "tls_client_ca": ("tls_certificate",),
    "tls_client_optional": ("tls_client_ca",),
    "hang_timeout": ("processes", "reload"),
    "drain_timeout": ("processes", "reload"),
    "configure": ("processes", "reload"),
    "listeners": ("processes", "reload"),
}
"""Settings that say nothing without one of others."""


class Configuration:
    """All settings with their values.

    Args:
        given: Those that somebody has given, by their names.

    Attributes:
        values: Of all settings, by their names; where nobody has given one, the default.
        supervised: Whether there is to be a supervisor.
    """

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given
        self.values = argparse.Namespace(
            **{
                setting.name: given[setting.name].value if setting.name in given else setting.default
                for setting in all_settings()
            }
        )
        self.supervised: bool = self.values.processes is not None or self.values.reload

    def check(self) -> None:
        """Checks that what was given belongs together.

        Raises:
            UsageError: Something needs something else, or there is nothing to serve.
        """
        for setting, what in ((HANDLER, "MODULE:HANDLER"), (ADDRESSES, "ADDRESS")):
            if not getattr(self.values, setting.name):
                elsewhere = f"{setting.variable} or {setting.name!r} in a file of --config"
                raise UsageError(f"{what} is missing: give one, or {elsewhere} (see netcore run --help)")
        for name, needed in _NEEDS.items():
            if name in self._given and getattr(self.values, name) and not any(map(self._is_set, needed)):
                wanted = " or ".join(map(flag_of, needed))
                raise UsageError(f"{self._given[name].where}: it needs {wanted}")

    def _is_set(self, name: str) -> bool:
        return self.supervised if name == "processes" else bool(getattr(self.values, name))

    def blame(self, name: str, error: object) -> UsageError:
        """Makes an error that says where the setting was given, if it was, and what is wrong with it."""
        given = self._given.get(name)
        return UsageError(f"{given.where}: {error}" if given is not None else str(error))

    def explain(self, error: Exception) -> UsageError:
        """Makes of an error that the options have led to one that says where these were given."""
        field = "poller" if isinstance(error, PollerUnavailableError) else getattr(error, "option", "")
        names = [setting.name for setting in run_settings() if field and setting.field == field]
        return self.blame(names[0] if names else "", message_of(error))

    def options(self, **objects: object) -> Options:
        """Makes options of all settings that are fields of these.

        Args:
            objects: Fields that settings cannot hold.

        Raises:
            UsageError: They are impossible; it says where what is wrong was given.
        """
        values = {
            setting.field: getattr(self.values, setting.name) for setting in run_settings() if setting.field
        }
        values["log_level"] = getattr(logging, self.values.log_level.upper())
        fields_of_kcp = [field for field in values if field.startswith("kcp.")]
        of_kcp = {field.removeprefix("kcp."): values.pop(field) for field in fields_of_kcp}
        try:
            kcp = KcpOptions(**of_kcp)
            values["kcp"] = None if kcp == KcpOptions() else kcp
            return Options().replace(**{**values, **objects})
        except OptionsError as error:
            raise self.explain(error) from None


def all_settings() -> tuple[Setting, ...]:
    """Returns what an environment and a file may have: all that has a flag, and what is served, and where."""
    return (HANDLER, ADDRESSES, *run_settings())


def gather(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Configuration:
    """Puts together what the arguments, the environment and a file say.

    Args:
        arguments: Those of the command line; what is not given there has no attribute.
        environment: Its variables.

    Raises:
        UsageError: Something is wrong in the environment or the file.
    """
    of_arguments: dict[str, Given] = {}
    for setting in all_settings():
        if hasattr(arguments, setting.name):
            value = getattr(arguments, setting.name)
            called = setting.kind.metavar if setting in (HANDLER, ADDRESSES) else setting.flag
            # argparse makes a list of what it collects.
            given = Given(tuple(value) if isinstance(value, list) else value, f"argument {called}")
            of_arguments[setting.name] = given
    of_environment = read_environment((CONFIG, *all_settings()), environment)
    path = getattr(arguments, CONFIG.name, None) or (
        of_environment[CONFIG.name].value if CONFIG.name in of_environment else None
    )
    of_file = read_file(all_settings(), str(path)) if path else {}
    return Configuration({**of_file, **of_environment, **of_arguments})
