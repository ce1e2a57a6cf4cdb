"""The parameters of CONFIG GET and SET.

Those that have a meaning here can be set. Others are listed because clients ask for them; they accept the
value that describes what this server does anyway, and refuse the rest rather than pretend.
"""

from __future__ import annotations

import re

from .errors import CommandError
from .glob import compile_glob

_MAX_HZ = 500
# Parameter, default.
_INTEGERS = {
    "hz": 10,
    "hash-max-listpack-entries": 512,
    "hash-max-listpack-value": 64,
    "set-max-intset-entries": 512,
    "zset-max-listpack-entries": 128,
    "zset-max-listpack-value": 64,
}
_ALIASES = {name.replace("listpack", "ziplist"): name for name in _INTEGERS if "listpack" in name}
_ONLY = {
    "activedefrag": "no",
    "appendfsync": "everysec",
    "appendonly": "no",
    "cluster-enabled": "no",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "notify-keyspace-events": "",
    "requirepass": "",
    "save": "",
    "timeout": "0",
}
_IMMUTABLE = {
    "daemonize": "no",
    "databases": "1",
    "io-threads": "1",
    "proto-max-bulk-len": "536870912",
}
_INTEGER = re.compile(r"-?[0-9]{1,18}\Z")


class Config:
    """The parameters' values."""

    def __init__(self) -> None:
        self._integers = dict(_INTEGERS)

    def integer(self, name: str) -> int:
        """The value of a parameter that is a number."""
        return self._integers[name]

    def matching(self, patterns: list[bytes]) -> list[bytes]:
        """Names and values, alternating, of the parameters whose names match any of the glob patterns.

        A name that is asked for literally comes back in the spelling it was asked in.
        """
        known = _ONLY | _IMMUTABLE | {name: str(value) for name, value in self._integers.items()}
        known |= {alias: known[name] for alias, name in _ALIASES.items()}
        found: dict[str, bytes] = {}
        for pattern in patterns:
            literal = pattern.decode("latin-1").lower()
            if literal in known:
                found.setdefault(literal, pattern)
            else:
                match = compile_glob(pattern, ignore_case=True).match
                names = (name.encode() for name in known)
                found |= {name.decode(): name for name in names if match(name)}
        return [text for name, spelling in found.items() for text in (spelling, known[name].encode())]

    def update(self, settings: list[tuple[bytes, bytes]]) -> None:
        """Set all of the parameters, or none of them.

        Raises:
            CommandError: one of them cannot be set, or not to that value.
        """
        integers = dict(self._integers)
        for raw_name, raw_value in settings:
            spelled = raw_name.decode("latin-1").lower()
            name = _ALIASES.get(spelled, spelled)
            value = raw_value.decode("latin-1")
            if name in integers:
                integers[name] = _parse(raw_name, name, value)
            elif name in _IMMUTABLE:
                raise _failed(raw_name, "can't set immutable config")
            elif name not in _ONLY:
                raise CommandError(
                    b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % raw_name
                )
            elif value.lower() != _ONLY[name]:
                raise _failed(raw_name, "this server supports no other value than the current one")
        self._integers = integers


def _parse(raw_name: bytes, name: str, value: str) -> int:
    if not _INTEGER.match(value):
        raise _failed(raw_name, "argument couldn't be parsed into an integer")
    number = int(value)
    if name == "hz":
        return min(max(number, 1), _MAX_HZ)
    if number < 0:
        raise _failed(raw_name, "argument must be between 0 and 9223372036854775807 inclusive")
    return number


def _failed(name: bytes, reason: str) -> CommandError:
    return CommandError(
        b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (name, reason.encode())
    )
