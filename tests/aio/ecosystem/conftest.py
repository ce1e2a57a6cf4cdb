"""Libraries and servers of others on the loop of netcore."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from needed import program
from pki import Pki

from netcore.aio import EventLoop, run

TIMEOUT = 60
HERE = Path(__file__).parent

Serving = Callable[..., AbstractContextManager["Service"]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is here, and nothing else, as driving clients and servers of others."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("clients")


@pytest.fixture
def on_loop() -> Callable[[Coroutine[Any, Any, object]], None]:
    """Runs a coroutine on a loop of netcore, and gives it its time; no task of its may fail unheard."""

    def drive(main: Coroutine[Any, Any, object]) -> None:
        async def watched() -> None:
            loop = asyncio.get_running_loop()
            assert type(loop) is EventLoop
            loop.set_exception_handler(lambda _, context: unheard.append(context))
            await asyncio.wait_for(main, TIMEOUT)

        unheard: list[dict[str, Any]] = []
        run(watched())
        assert unheard == []

    return drive


class Service:
    """A server of others in processes of its own, from when it has said where it listens."""

    def __init__(self, process: subprocess.Popen[str], saying: str) -> None:
        self.process = process
        self.said: list[str] = []
        self.address = ""
        self._saying = saying
        self._announced = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        assert self._announced.wait(TIMEOUT) and self.address, self.said

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line)
                if self._saying in line and not self.address:
                    self.address = line.partition(self._saying)[2].split()[0]
                    self._announced.set()
        self._announced.set()  # or it has ended

    def stop(self) -> str:
        """Ends it as an administrator would; returns all it has said once it has ended in order."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> str:
        """Awaits the end that it was asked for, which uvicorn tells as one by the signal."""
        assert self.process.wait(TIMEOUT) in (0, -signal.SIGTERM), self.said
        self._listener.join(TIMEOUT)
        return "".join(self.said)

    def kill(self) -> None:
        """Ends all that is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._listener.join()


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """Runs a module that finds applications in this folder, and says its address after ``saying``."""

    @contextmanager
    def serve(*arguments: str, saying: str) -> Iterator[Service]:
        with subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(HERE)},
            cwd=tmp_path,
            start_new_session=True,
        ) as process:
            service = Service(process, saying)
            try:
                yield service
            finally:
                service.kill()
        assert "Traceback" not in "".join(service.said), service.said

    return serve


@pytest.fixture(scope="session")
def pki_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The certificate of an authority, one that it has issued for 127.0.0.1, and the key of that."""
    program("openssl")
    pki = Pki(tmp_path_factory.mktemp("pki"))
    return pki.ca, *pki.issue("server", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(scope="session")
def contexts(pki_files: tuple[Path, Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server at 127.0.0.1, and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*pki_files[1:])
    return server, ssl.create_default_context(cafile=pki_files[0])
