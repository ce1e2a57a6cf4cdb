"""Servers of others that tests start for themselves: redis-server and PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from needed import program

TIMEOUT = 60
NOBODY = 65534


def _await(lines: IO[str] | None, words: str) -> None:
    """Reads what a server says until it says that it is there."""
    assert lines is not None
    said = []
    for line in lines:
        said.append(line)
        if words in line:
            return
    raise AssertionError(said)


@contextmanager
def redis_server(folder: Path) -> Iterator[dict[str, str]]:
    """Runs one without persistence; gives where it is, as variables of an environment."""
    path = folder / "s"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = ("--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(path), "--save", "")
    with subprocess.Popen(
        [program("redis-server"), *settings], stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        try:
            _await(process.stdout, f"ready to accept connections at {path}")
            yield {"REDIS_URL": f"redis://127.0.0.1:{port}", "REDIS_SOCKET": str(path)}
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT)


def _of_postgres(name: str) -> str:
    """Finds a program, which Debian keeps out of PATH, in a folder for each version."""
    return program(name, *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))


def _other_than_root(folder: Path) -> dict[str, Any]:
    """Returns as whom to run what refuses to run for root, and gives the folder to them."""
    if os.getuid() != 0:
        return {}
    os.chown(folder, NOBODY, NOBODY)
    for each in folder.parents:
        if each.stat().st_uid == 0 and not each.stat().st_mode & 0o011:
            each.chmod(each.stat().st_mode | 0o011)  # pytest has made it for one user only
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    """Runs a cluster of its own on a Unix socket; gives where it is, as its clients are told of it."""
    user = _other_than_root(folder)
    data = folder / "data"
    settings = ("--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8", "--locale=C")
    command = [_of_postgres("initdb"), *settings, f"--pgdata={data}"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **user)
    options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
    command = [_of_postgres("postgres"), "-D", str(data), *(f"--{option}" for option in options)]
    environment = {**os.environ, "LC_ALL": "C"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment, **user
    ) as process:
        try:
            _await(process.stderr, "ready to accept connections")
            yield {"PGHOST": str(folder), "PGUSER": "tester", "PGDATABASE": "postgres"}
        finally:
            process.send_signal(signal.SIGINT)  # which does not wait for clients: postgres(1)
            process.communicate(timeout=TIMEOUT)
