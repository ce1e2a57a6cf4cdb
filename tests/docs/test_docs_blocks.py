"""Every block of code in the documentation runs, or is at least what it claims to be."""

from __future__ import annotations

import ast
import asyncio
import configparser
import contextlib
import importlib.util
import io
import logging
import re
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from needed import library
from needed import program as needed_program
from page_blocks import FENCE, ROOT, Block, blocks
from servers import postgresql, redis_server

import netcore
from netcore.cli.parser import make_parser
from netcore.poll import registry
from netcore.testing import RecordingHandler

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
KNOWN = {"python", "sh", "ini", "text", "nginx", "haproxy", "c", "go", "toml"}

_FUTURE = "from __future__ import annotations"


def indented(page: Path) -> list[Block]:
    """Finds the indented blocks of a page, which are commands to type."""
    text = FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())
    return [
        Block(text.count("\n", 0, match.start()) + 3, "sh", textwrap.dedent(match[1]))
        for match in re.finditer(r"\n\n( {4}\S.*\n(?: {4,}\S.*\n)*)", text)
    ]


def shell_blocks(page: Path) -> list[Block]:
    """Finds the commands of a page, fenced or indented."""
    return [*(block for block in blocks(page) if block.language == "sh"), *indented(page)]


def width(page: Path) -> int:
    """Returns how many columns the widest line of a page's code takes."""
    lines = [line for block in [*blocks(page), *indented(page)] for line in block.text.splitlines()]
    return max(map(len, lines), default=0)


def pages_with(language: str) -> list[object]:
    """Makes a parameter of each page that has such blocks."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if any(block.language == language for block in blocks(page))
    ]


def serve_briefly(handler: netcore.EventHandler, *addresses: str, **options: object) -> None:
    """Stands in for ``netcore.run``: serves on free ports until one connection to each has come and gone."""
    free = [re.sub(r":\d+$", ":0", address) for address in addresses]
    poller = options.get("poller")
    if isinstance(poller, str) and registry.why_unavailable(poller):  # a page may name one that is not here
        del options["poller"]
    with netcore.Engine(handler, *free, **options) as engine:
        for address in engine.addresses:
            if address.network in ("tcp", "tls"):
                host = address.host or "127.0.0.1"
                sock = socket.create_connection((host, address.port), timeout=30)
                if address.is_tls:
                    sock = netcore.tls.client_context(verify=False).wrap_socket(sock)
                with sock:
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass


def serve_application_briefly(application: object, **options: object) -> None:
    """Stands in for ``uvicorn.run``: serves on a free port until a request is answered."""
    import uvicorn

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            self.asking = asyncio.ensure_future(asyncio.to_thread(self.ask, f"http://127.0.0.1:{port}/"))

        def ask(self, address: str) -> None:
            with contextlib.closing(urllib.request.urlopen(address, timeout=30)) as answer:
                assert answer.status == 200
            self.should_exit = True

    config = uvicorn.Config(application, **{**options, "port": 0, "log_level": "warning"})
    loop = config.get_loop_factory()()
    try:
        server = Server(config)
        loop.run_until_complete(server.serve())
        loop.run_until_complete(server.asking)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def libraries(page: Path) -> set[str]:
    """Finds what the code of a page imports that is neither Python's nor netcore's."""
    code = "\n".join(block.text for block in blocks(page) if block.language == "python")
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    ours = {"netcore", "examples", *sys.stdlib_module_names}
    return {name for name in found if name.partition(".")[0] not in ours}


@pytest.fixture
def stand_ins(
    page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """What the code of a page asks for that a machine may not have, or that would not end."""
    monkeypatch.setattr(netcore, "run", serve_briefly)
    needed = {name: library(name) for name in sorted(libraries(page))}
    if "uvicorn" in needed:
        monkeypatch.setattr(needed["uvicorn"], "run", serve_application_briefly)
    if "anyio" in needed:
        request.config.addinivalue_line("markers", "anyio: of its plugin, which has no part in these tests")
    with contextlib.ExitStack() as servers:
        for name, start in (("redis.asyncio", redis_server), ("asyncpg", postgresql)):
            if name in needed:
                folder = tmp_path / name
                folder.mkdir()
                for variable, value in servers.enter_context(start(folder)).items():
                    monkeypatch.setenv(variable, value)
        yield


def is_watchable() -> bool:
    """Whether another loop can watch the poller that engines have here unless they are told otherwise."""
    with contextlib.closing(registry.open_poller()) as poller:
        return hasattr(poller, "fileno")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Collects what netcore logs as an error."""
    errors: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(self.format(record))

    collector = Collect(logging.ERROR)
    logging.getLogger("netcore").addHandler(collector)
    yield errors
    logging.getLogger("netcore").removeHandler(collector)


@pytest.mark.parametrize("page", pages_with("python"))
@pytest.mark.usefixtures("stand_ins")
def test_python_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logged: list[str]) -> None:
    if "socket.AF_UNIX" in page.read_text() and not hasattr(socket, "AF_UNIX"):
        pytest.skip("this platform has no Unix sockets")
    if "loop.fileno()" in page.read_text() and not is_watchable():
        pytest.skip("the poller has no descriptor")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    make_certificates(page, tmp_path)
    # A page may register a poller: no other test is to know it, whichever of them comes first.
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    for name in [name for name in sys.modules if name.startswith("examples.")]:
        monkeypatch.delitem(sys.modules, name)
    namespace: dict[str, object] = {"__name__": "page"}
    # What a block defines may be imported by name, such as by the loading of dataclasses.
    monkeypatch.setitem(sys.modules, "page", type(sys)("page"))
    said = io.StringIO()
    for block in blocks(page):
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            with contextlib.redirect_stdout(said):
                exec(code, namespace)
    assert not logged, logged


def make_certificates(page: Path, folder: Path) -> None:
    """Runs what a page has openssl make before its code needs it."""
    for block in blocks(page):
        if block.language == "sh" and block.text.startswith("openssl req "):
            if not shutil.which("openssl"):
                pytest.skip("openssl is not installed")
            subprocess.run(block.text, shell=True, cwd=folder, check=True, capture_output=True)


def program_of(page: Path) -> str:
    """The code of a page, in the lines in which it stands there; empty if it has none."""
    lines: list[str] = []
    for block in blocks(page):
        if block.language == "python":
            lines += [""] * (block.line - 1 - len(lines)) + block.text.replace(_FUTURE, "").splitlines()
    return "\n".join(lines)


@pytest.mark.once
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_the_programs_are_typed_right(tmp_path: Path) -> None:
    for page in PAGES:
        if program := program_of(page):
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
            (tmp_path / f"{name}.py").write_text(f"{program}\n")
    (tmp_path / "mypy.ini").write_text(
        # Blocks of a page define what others have defined. What other packages say of each other is theirs.
        "[mypy]\ncheck_untyped_defs = true\nno_site_packages = true\nignore_missing_imports = true\n"
        f"disable_error_code = no-redef, var-annotated\nmypy_path = {ROOT}\ncache_dir = {tmp_path}/cache\n"
        # Starlette and hypercorn each have types of their own for ASGI, which do not know each other.
        "[mypy-hypercorn.*]\nfollow_imports = skip\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_languages_are_known(page: Path) -> None:
    for block in blocks(page):
        assert block.language in KNOWN, f"{page}:{block.line} is {block.language!r}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "bench" / "README.md"], ids=lambda page: page.name)
def test_code_fits_a_page(page: Path) -> None:
    assert width(page) <= 88


@pytest.mark.parametrize("page", [page for page in PAGES if shell_blocks(page)], ids=lambda page: page.name)
def test_shell_is_right(page: Path) -> None:
    for block in shell_blocks(page):
        if shutil.which("bash"):
            checked = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
            assert checked.returncode == 0, f"{page}:{block.line}: {checked.stderr}"
        for command in commands(block.text):
            check_command(command)


def commands(text: str) -> list[list[str]]:
    """Splits a block into commands and their words."""
    lines = text.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        words: list[str] = []
        for word in shlex.split(line, comments=True):
            if word in ("&&", "|", ";", "&"):
                found.append(words)
                words = []
            else:
                words.append(word)
        found.append(words)
    return [words for words in found if words]


def check_command(words: list[str]) -> None:
    """Looks at a command: it names files, environments and arguments that there are."""
    while "=" in words[0]:  # settings of the environment
        words = words[1:]
    if ">" in words:
        words = words[: words.index(">")]
    program = Path(words[0]).name
    if program.startswith("python") and len(words) > 1 and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file(), words
    elif program == "netcore" and words[1] not in ("--help", "--version"):
        make_parser().parse_args(words[1:])
    elif program == "tox" and "-e" in words:
        named = re.findall(
            r"^\[testenv:(\w+)\]|^env_list = (.*)$", (ROOT / "tox.ini").read_text(), re.MULTILINE
        )
        known = {name for pair in named for name in re.split(r"[, {}]+", "".join(pair))}
        asked = words[words.index("-e") + 1].split(",")
        assert set(asked) <= known | {"py311", "py312", "py313"}, words


@pytest.mark.parametrize("page", pages_with("ini"))
def test_units_are_well_formed(page: Path) -> None:
    for block in blocks(page):
        if block.language == "ini":
            parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
            parser.read_string(block.text)
            assert parser.sections(), f"{page}:{block.line}"


@pytest.mark.clients
@pytest.mark.parametrize("language", ["haproxy", "nginx"])
def test_proxies_take_their_configuration(language: str, tmp_path: Path) -> None:
    program = shutil.which(language) or shutil.which(language, path="/usr/sbin")
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if program is None or (language == "nginx" and not module.exists()):
        pytest.skip(f"{language} is not installed, or not all of it")
    found = [block for page in PAGES for block in blocks(page) if block.language == language]
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"{number}.conf"
        if language == "haproxy":
            path.write_text(block.text)
            command = [program, "-c", "-f", str(path)]
        else:
            path.write_text(f"load_module {module};\npid {tmp_path}/pid;\nevents {{}}\n{block.text}")
            command = [program, "-t", "-c", str(path), "-e", str(tmp_path / "log")]
        checked = subprocess.run(command, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.once
def test_the_client_in_go_is_answered(tmp_path: Path) -> None:
    needed_program("go")
    (program,) = [block.text for page in PAGES for block in blocks(page) if block.language == "go"]
    for name in ("go.mod", "go.sum"):  # with the release that netcore is tried against
        shutil.copy(ROOT / "bench" / "peers" / "kcp" / name, tmp_path)
    handler = RecordingHandler(on_traffic=lambda conn: conn.write(conn.read()) and None)
    with netcore.Engine(handler, "kcp://127.0.0.1:0", shutdown_timeout=0.5) as engine:
        (tmp_path / "main.go").write_text(program.replace(":9000", f":{engine.addresses[0].port}"))
        done = subprocess.run(
            ["go", "run", "-buildvcs=false", "."], cwd=tmp_path, capture_output=True, text=True, timeout=110
        )
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
