"""The native part of the build; everything else is in pyproject.toml.

The environment variable NETCORE_NATIVE decides about it: ``require`` makes a missing compiler an error,
``0`` builds without, and by default a failing compiler is reported and netcore is installed without.
"""

import glob
import os
import platform
import re
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext


def native_wish() -> str:
    """Returns "require", "try" or "0"."""
    wish = os.environ.get("NETCORE_NATIVE", "try") or "try"
    if wish not in ("require", "try", "0"):
        sys.exit(f"NETCORE_NATIVE is {wish!r}: it must be 'require', '0', or unset")
    return wish


def described() -> str:
    """Returns the README with links that lead somewhere on PyPI, too: to the site, or to the repository."""
    names = ("README.md", "pyproject.toml", "netcore/_version.py")
    readme, project, versioned = (Path(name).read_text(encoding="utf-8") for name in names)
    addresses = dict(re.findall(r'^(Documentation|Source) = "(.+)"$', project, re.MULTILINE))
    (version,) = re.findall(r'^__version__ = "(.+)"$', versioned, re.MULTILINE)

    def target(link: re.Match[str]) -> str:
        image, text, path = link.groups()
        if not image and (page := re.fullmatch(r"docs/(.+)\.md(#.*)?", path)):
            return f"[{text}]({addresses['Documentation']}{version}/{page[1]}.html{page[2] or ''})"
        return f"{image}[{text}]({addresses['Source']}/{'raw' if image else 'blob'}/v{version}/{path})"

    return re.sub(r"(!?)\[([^][]*)\]\((?!\w+:|#)([^)]+)\)", target, readme)


class Build(build):
    """Starts from nothing.

    What an earlier build has left was made without the liburing, or the compiler, that is here now, or of
    modules that are no more; setuptools, which looks at dates alone, would pack it all the same.
    """

    def run(self) -> None:
        """Called by setuptools."""
        if Path(self.build_base).resolve() in Path(self.build_lib).resolve().parents:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class BuildNative(build_ext):
    """Lets a failing compiler be a warning unless the native part is required."""

    def finalize_options(self) -> None:
        """Called by setuptools once the extensions are known."""
        super().finalize_options()
        for extension in self.extensions:
            extension.optional = native_wish() == "try"

    def run(self) -> None:
        """Called by setuptools. Where nothing could be compiled, the wheel is one for any machine."""
        super().run()
        names = [extension.name for extension in self.extensions]
        lacking = [name for name in names if not Path(self.build_lib, self.get_ext_filename(name)).exists()]
        for name in lacking if self.inplace else ():
            Path(self.get_ext_fullpath(name)).unlink(missing_ok=True)  # what an earlier build has left
        if lacking == names:
            self.distribution.ext_modules = []
            self.get_finalized_command("bdist_wheel").root_is_pure = True


def limited_api() -> bool:
    """Whether one wheel serves every CPython from 3.10 on (free-threaded builds have no such ABI)."""
    return platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED")


def hot_half() -> Extension:
    """The C of a stream connection; see ``netcore/_native/hot/hot.h``."""
    limited = (
        {"define_macros": [("Py_LIMITED_API", "0x030A0000")], "py_limited_api": True} if limited_api() else {}
    )
    folder = "netcore/_native"
    return Extension(
        "netcore._native._hot",
        [f"{folder}/hot/module.c"],
        include_dirs=[f"{folder}/src"],
        depends=[*glob.glob(f"{folder}/hot/*.[ch]"), f"{folder}/src/netcore.h"],
        extra_compile_args=["-O2", "-fvisibility=hidden"],
        **limited,
    )


settings: dict[str, object] = {
    "cmdclass": {"build": Build},
    "long_description": described(),
    "long_description_content_type": "text/markdown",
}
if native_wish() != "0":
    settings["cffi_modules"] = ["netcore/_native/build.py:ffibuilder"]
    settings["cmdclass"] = {"build": Build, "build_ext": BuildNative}
    # Sockets that are handles are no index into a table, and PyPy is faster without.
    if platform.python_implementation() == "CPython" and sys.platform != "win32":
        settings["ext_modules"] = [hot_half()]
    if limited_api():
        settings["options"] = {"bdist_wheel": {"py_limited_api": "cp310"}}

setup(**settings)
