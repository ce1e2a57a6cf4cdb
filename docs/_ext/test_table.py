"""How netcore is tested, counted in the tree: its tests by folder, and the environments that take them."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

from generated import list_table, rst_directive
from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[2]
_TESTS = _ROOT / "tests"

ABOUT = {
    "admin": "metrics, health, the live page in Chromium, ``netcore top``, alerts as Prometheus sees them",
    "aio": "the asyncio loop: CPython's own tests of loops; uvicorn, aiohttp, asyncpg, grpc and others on it",
    "attack": "a short round of each :doc:`attack <attacks>`",
    "bench": "the benchmarks: that they measure what they say, and refuse wrong replies",
    "buffer": "the buffers, against a model",
    "cli": "the command: flags, variables, files, completion in bash, zsh and fish, mistakes",
    "codec": "each codec whole, byte by byte and with a tail, in C and in Python; random streams",
    "connection": "what a connection does, turn by turn, on fakes",
    "datagrams": "UDP in batches, over the kernel and on fakes",
    "docs": "this site: each block of code, link and page (in Chromium); recipes for HAProxy and nginx",
    "engine": "engines on real sockets: serving, stopping, dialling, limits",
    "eventloop": "turns of a loop on fakes, under a clock that is wound by hand",
    "examples": "each example as a program, with real clients: redis-cli, curl, browsers, swaks",
    "faults": "errors in every line, system call and callback, random histories, memory",
    "kcp": "KCP without I/O, on lines that lose, double, delay and spoil datagrams; and against kcp-go",
    "lb": "the load balancers",
    "logs": "formats, the access log, and what is dropped",
    "native": "the C by itself: without memory, with odd uses, under sanitizers, kqueue on an emulation",
    "network": "loss, delay, cut lines and refusals, in network namespaces; HAProxy before several hosts",
    "packaging": "wheels, source distribution, pure installation, the container",
    "poll": "each poller against one conformance check, and what each of them is known for",
    "proxy": "the PROXY protocol, against its specification and random bytes",
    "ratelimit": "token buckets and rate limits",
    "service": "systemd's notifications, watchdog and sockets",
    "sessions": "streams over UDP by KCP: against engines, strangers, and other implementations",
    "simulation": "the simulated world: its net, hosts and clocks; its trace, and the page that shows it",
    "sockets": "sockets in C and in Python, against one conformance check",
    "supervisor": "processes that die, hang, are replaced, and take over, under load",
    "tls": "TLS by each side, step by step and against OpenSSL's own program; scanners; renewals",
    "worker": "the pool for work that blocks",
}


def folders() -> dict[str, int]:
    """Counts the test functions of each folder; of those that lie in none, under the name of none."""
    found: dict[str, int] = {}
    for path in sorted(_TESTS.rglob("test_*.py")):
        inside = path.relative_to(_TESTS).parts
        name = inside[0] if len(inside) > 1 else ""
        found[name] = found.get(name, 0) + len(list(_tests(path)))
    return found


def _tests(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node


def describe() -> str:
    """Writes the table of folders, with a line for all of them together."""
    counted = folders()
    rows = [(f"``tests/{name}``", ABOUT[name], str(count)) for name, count in counted.items() if name]
    rows.append(("``tests``", "options, layers, addresses, and what belongs to no folder", str(counted[""])))
    rows.append(
        (
            "",
            "test functions altogether; with their parameters several times as many",
            str(sum(counted.values())),
        )
    )
    return list_table(("Where", "What about", "Functions"), rows, "25 60 15")


def environments() -> str:
    """Writes the table of what tox runs, each with its own description."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(_ROOT / "tox.ini")
    rows = [("``py310`` and later", "all of it, or what each Python differs in, from a wheel")]
    usual = parser["tox"]["env_list"].replace(",", " ").split()
    for section in parser.sections():
        name = section.removeprefix("testenv:")
        if name in usual:
            rows.append((f"``{name}``", parser[section]["description"].partition(";")[0]))
    return list_table(("Environment", "What it runs"), rows, "25 75")


def setup(app: Sphinx) -> None:
    """Registers the directives."""
    app.add_directive("test-table", rst_directive(describe))
    app.add_directive("environment-table", rst_directive(environments))
