"""The public names of netcore, and the one place where each of them has its entry."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
import types
import typing

import docstrings

import netcore

_FIRST = (
    "netcore",
    "netcore.codec",
    "netcore.worker",
    "netcore.ratelimit",
    "netcore.proxy",
    "netcore.kcp",
    "netcore.tls",
    "netcore.supervisor",
    "netcore.admin",
    "netcore.service",
    "netcore.logs",
    "netcore.poll",
    "netcore.lb",
    "netcore.buffer",
    "netcore.testing",
)
"""Where a name that several packages export has its entry: in the first of them."""


_INSTANCES = {"conn.": "Conn", "loop.": "EventLoop", "engine.": "Engine", "": "EventHandler"}
"""How texts call an object of these classes, in front of a member; the callbacks stand alone."""


_WHOLE = ("netcore.aio",)
"""Packages whose classes have entries for what they inherit from one that has none itself."""


@functools.cache
def packages() -> tuple[str, ...]:
    """Returns the packages and modules of netcore that export names, those of `_FIRST` first."""
    found = [f"netcore.{info.name}" for info in pkgutil.iter_modules(netcore.__path__)]
    public = [name for name in found if not name.rpartition(".")[2].startswith("_")]
    exporting = [name for name in public if hasattr(importlib.import_module(name), "__all__")]
    return (*_FIRST, *(name for name in exporting if name not in _FIRST))


def exported(package: str) -> list[tuple[str, object]]:
    """Returns the names that a package exports, with what they are."""
    module = importlib.import_module(package)
    return [(name, getattr(module, name)) for name in module.__all__]


@functools.cache
def _homes() -> dict[int, str]:
    homes: dict[int, str] = {}
    for package in packages():
        for name, value in exported(package):
            if isinstance(value, type | types.FunctionType):
                homes.setdefault(id(value), f"{package}.{name}")
    return homes


def home(package: str, name: str, value: object) -> str:
    """Returns the full name under which an exported name has its entry."""
    return _homes().get(id(value), f"{package}.{name}")


@functools.cache
def entries() -> dict[str, str]:
    """Returns the full name of each entry, by every way in which a text may call it.

    That is the name itself, `Class.member`, and both with the package in front.
    """
    table: dict[str, str] = {}
    for package in packages():
        for name, value in exported(package):
            full = home(package, name, value)
            for spelling in (name, f"{package}.{name}", getattr(value, "__module__", "") + "." + name):
                table.setdefault(spelling, full)
                if inspect.isclass(value):
                    for member in _members(package, value):
                        table.setdefault(f"{spelling}.{member}", f"{full}.{member}")
    for instance, cls in _INSTANCES.items():
        for member in _members("netcore", getattr(netcore, cls)):
            table.setdefault(f"{instance}{member}", f"netcore.{cls}.{member}")
    return table


def hidden_bases(package: str, cls: type) -> list[type]:
    """Returns the bases of a class whose members have their entries with it."""
    found = cls.__mro__[1:] if package in _WHOLE else ()
    return [base for base in found if base.__module__.startswith("netcore") and id(base) not in _homes()]


def private_members(classes: list[type]) -> list[str]:
    """Returns the members that have no entry, since their docstrings say so in the way of autodoc."""
    return [
        name
        for cls in classes
        for name, value in vars(cls).items()
        if ":meta private:" in (value.__doc__ or "")
    ]


def _members(package: str, cls: type) -> list[str]:
    """Returns the members that have entries: autodoc makes none for what a class inherits otherwise."""
    classes = [cls, *hidden_bases(package, cls)]
    private = private_members(classes)
    public = {
        name: value
        for each in reversed(classes)
        for name, value in vars(each).items()
        if not name.startswith("_") and name not in private
    }
    return docstrings.attributes_of(cls) + [
        name
        for name, value in public.items()
        if isinstance(value, property | staticmethod | classmethod)
        or (callable(value) and inspect.getdoc(value))
    ]


def entry_of(name: str) -> str | None:
    """Returns the entry for a name as the code spells it.

    Returns:
        The full name; that of the nearest public base for a class that is not public; empty for a type
        variable or a class without such a base, which need none; None if there is no entry.
    """
    if found := entries().get(name):
        return found
    value = _look_up(name)
    if isinstance(value, typing.TypeVar):
        return ""
    if not inspect.isclass(value) or not value.__module__.startswith("netcore"):
        return None
    return next((_homes()[id(base)] for base in value.__mro__[1:] if id(base) in _homes()), "")


def _look_up(name: str) -> object:
    """Returns what a name stands for: with its module, or as a module of netcore spells it; or None."""
    module, _, last = name.rpartition(".")
    if module in sys.modules:
        return getattr(sys.modules[module], last, None)
    found = (
        getattr(sys.modules[each], name, None) for each in sorted(sys.modules) if each.startswith("netcore.")
    )
    return next((value for value in found if inspect.isclass(value)), None)
