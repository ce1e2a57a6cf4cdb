"""Building netcore from a copy of its source, and installing it into environments of its own.

Builds run without isolation, that is with the setuptools and cffi of the running environment. An installed
netcore runs in a fresh virtual environment that borrows only cffi, from the end of its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = (".git", ".venv*", ".tox", ".hypothesis", ".*_cache", ".build")
NOT_SOURCE = (*BUILT, "__pycache__", "*.so", "*.pyd", "*.egg-info", "_netcore.c", "build", "dist")
SETTINGS = ("NETCORE_NATIVE", "NETCORE_LIBURING", "NETCORE_POLLER", "NETCORE_SOCKETS", "PYTHONPATH")

QUICKLY = f"{os.environ.get('CFLAGS', '')} -O0"
"""What compilers are told where nobody looks at how well they have done."""

Completed = subprocess.CompletedProcess


def unset() -> dict[str, str]:
    """Returns the environment without netcore's settings."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS}


def run(*command: object, cwd: Path, **environment: str) -> Completed[str]:
    """Runs a command with none of netcore's settings but those given."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**unset(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@dataclass(frozen=True)
class Build:
    """The outcome of a build: the process, and the file if it made one."""

    done: Completed[str]
    files: list[Path]

    @property
    def file(self) -> Path:
        """The one file that the build made."""
        assert self.done.returncode == 0, self.done.stdout + self.done.stderr
        (file,) = self.files
        return file


@dataclass(frozen=True)
class Installed:
    """A virtual environment with netcore in it."""

    directory: Path

    @property
    def scripts(self) -> Path:
        """Where its programs are."""
        return self.directory / ("Scripts" if sys.platform == "win32" else "bin")

    def python(self, *arguments: str) -> Completed[str]:
        """Runs its Python, away from the source."""
        return run(self.scripts / "python", *arguments, cwd=self.directory)

    def netcore(self, *arguments: str) -> Completed[str]:
        """Runs its ``netcore``."""
        return run(self.scripts / "netcore", *arguments, cwd=self.directory)


@pytest.fixture(scope="session", name="run")
def run_fixture() -> Callable[..., Completed[str]]:
    """The function of that name."""
    return run


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """One without netcore's settings."""
    return unset()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes copies of the source in which nothing has been built yet."""

    def copy() -> Path:
        directory = tmp_path_factory.mktemp("source") / "netcore"
        shutil.copytree(REPOSITORY, directory, ignore=shutil.ignore_patterns(*NOT_SOURCE))
        return directory

    return copy


@pytest.fixture(scope="module")
def build_wheel(source: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Build]:
    """Builds a wheel: ``build_wheel(NETCORE_NATIVE="0")``; of another tree, or with a setting of pip's.

    It is not optimized, unless CFLAGS say so.
    """

    def build(tree: Path | None = None, setting: str | None = None, **environment: str) -> Build:
        output = tmp_path_factory.mktemp("wheel")
        options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", output)
        options += (setting,) if setting else ()
        command = (sys.executable, "-m", "pip", "wheel", *options, tree or source())
        done = run(*command, cwd=output, **{"CFLAGS": QUICKLY, **environment})
        return Build(done, list(output.iterdir()))

    return build


@pytest.fixture(scope="module")
def build_sdist(source: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Build]:
    """Builds a source distribution through the standard hook (PEP 517)."""

    def build() -> Build:
        output = tmp_path_factory.mktemp("sdist")
        hook = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
        done = run(sys.executable, "-c", hook, output, cwd=source())
        return Build(done, list(output.iterdir()))

    return build


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Installed]:
    """Installs a wheel into a fresh virtual environment."""

    def into_fresh(wheel: Path) -> Installed:
        installed = Installed(tmp_path_factory.mktemp("environment"))
        venv.create(installed.directory, symlinks=sys.platform != "win32")
        python = installed.scripts / "python"
        pip = (sys.executable, "-m", "pip", "--python", python)
        done = run(*pip, "install", "--no-index", "--no-deps", wheel, cwd=installed.directory)
        assert done.returncode == 0, done.stdout + done.stderr
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(installed.python("-c", where).stdout.strip())
        # What a .pth file adds comes last on the path, and .pth files that lie there are not read.
        borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (packages / "borrowed.pth").write_text("\n".join(borrowed))
        return installed

    return into_fresh
