"""The documentation's container and its deployment: what they name exists, and what is copied suffices."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from netcore.cli.settings import run_settings
from netcore.options import Options

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs" / "how-to" / "deploy"
NATIVE = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: cc is not on PATH")


def instructions(stage: int) -> list[tuple[str, str]]:
    """Reads a stage of the Dockerfile: each instruction, and what stands behind it."""
    text = re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    starts = [number for number, (name, _) in enumerate(lines) if name == "FROM"]
    ends = [*starts[1:], len(lines)]
    return [(name, rest.strip()) for name, rest in lines[starts[stage] : ends[stage]]]


def one(name: str) -> str:
    """The only instruction of a name in the last stage."""
    (rest,) = (rest for word, rest in instructions(-1) if word == name)
    return rest


def command() -> list[str]:
    """What the container runs. That both are lists is why SIGTERM reaches netcore itself."""
    return [*json.loads(one("ENTRYPOINT")), *json.loads(one("CMD"))]


def settings() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(one("ENV")))


def check() -> list[str]:
    """What asks for the container's health."""
    return list(json.loads(one("HEALTHCHECK").partition(" CMD ")[2]))


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_the_container_names_what_there_is() -> None:
    for name, rest in instructions(0):
        if name == "COPY":
            assert all((REPOSITORY / source).exists() for source in rest.split()[:-1]), rest
    copied = [rest.split()[:-1] for name, rest in instructions(-1) if name == "COPY"]
    assert copied == [["--from=build", "/wheels"], ["examples/echo.py"]]
    assert (REPOSITORY / "examples" / "echo.py").exists()
    assert {setting.variable for setting in run_settings()} >= set(settings())
    assert not one("USER").startswith(("root", "0"))
    assert one("STOPSIGNAL") == "SIGTERM"


def test_the_container_exposes_what_it_serves() -> None:
    ports = [str(port(word)) for word in (*command(), settings()["NETCORE_ADMIN"]) if "://" in word]
    assert one("EXPOSE").split() == ports
    (asked,) = re.findall(r"http://127.0.0.1:(\d+)(/\w+)", check()[-1])
    assert asked == (ports[1], "/health")


@pytest.mark.packaging
@NATIVE
def test_what_the_container_copies_is_enough(
    build_wheel: Callable[..., Any],
    install: Callable[[Path], Any],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    tree = tmp_path / "src"
    tree.mkdir()
    for name, rest in instructions(0):
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                path = REPOSITORY / source
                if path.is_dir():
                    ignored = shutil.ignore_patterns("*.so", "__pycache__", "_netcore.c")
                    shutil.copytree(path, tree / target, ignore=ignored)
                else:
                    shutil.copy(path, tree / target)
    installed = install(build_wheel(tree=tree, NETCORE_NATIVE="require").file)
    application = tmp_path / "app"
    application.mkdir()
    shutil.copy(REPOSITORY / "examples" / "echo.py", application / "app.py")
    with running(installed, application, environment) as (process, served, admin):
        with socket.create_connection(("127.0.0.1", served), timeout=30) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"hello"
        asks = check()[-1].replace("9100", str(admin))
        assert installed.python("-c", asks).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert installed.python("-c", asks).returncode != 0


@contextmanager
def running(
    installed: Any, folder: Path, outside: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """Runs the container's command, on free ports; tells them once all of it is ready."""
    words = [str(installed.scripts / "netcore"), *command()[1:]]
    words = [re.sub(r"^tcp://0\.0\.0\.0:\d+$", "tcp://127.0.0.1:0", word) for word in words]
    changed = {**settings(), "NETCORE_ADMIN": "tcp://127.0.0.1:0"}
    with open(folder / "log", "w+b") as log:
        process = subprocess.Popen(words, cwd=folder, env={**outside, **changed}, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                said = [json.loads(line)["message"] for line in (folder / "log").read_text().splitlines()]
                assert process.poll() is None and time.monotonic() < deadline, said
                if sum("serves" in line for line in said) == 2:
                    break
                time.sleep(0.05)
            (served,) = (port(line) for line in said if line.startswith("listening on"))
            (admin,) = (port(line) for line in said if "are shown on" in line)
            yield process, served, admin
        finally:
            process.kill()
            process.wait()


def deployment() -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod of the deployment, and its container."""
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    (found,) = (document for document in documents if document["kind"] == "Deployment")
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def test_a_pod_has_the_time_to_stop() -> None:
    pod, container = deployment()
    given = dict(word[2:].split("=") for word in container["args"] if word.startswith("--"))
    assert {setting.flag.partition(" ")[0] for setting in run_settings()} >= {f"--{name}" for name in given}
    delay = float(given.get("shutdown-delay", Options().shutdown_delay))
    timeout = float(given.get("shutdown-timeout", Options().shutdown_timeout))
    ready = container["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] < delay
    assert delay + timeout < pod["terminationGracePeriodSeconds"]


def test_a_pod_is_asked_where_it_answers() -> None:
    _, container = deployment()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert list(ports.values()) == [int(word) for word in one("EXPOSE").split()]
    assert [port(word) for word in container["args"] if "://" in word] == [ports["echo"]]
    wanted = {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}
    for probe, path in wanted.items():
        assert container[probe]["httpGet"] == {"path": path, "port": "admin"}
