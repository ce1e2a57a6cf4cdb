"""The peers of each job: servers that do the same, each in its own idiom."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bench import foreign
from bench.launchers import (
    PEERS,
    REPOSITORY,
    Built,
    CProgram,
    Installed,
    NodeScript,
    PythonModule,
    PythonProgram,
    PythonScript,
)
from bench.peer import Peer

# What Python peers must be able to execute.
_NETCORE = "import netcore"
_NETCORE_DATAGRAMS = """
import sys, netcore
try:
    with netcore.Engine(netcore.EventHandler(), "udp://127.0.0.1:0"):
        pass
except (netcore.NetcoreError, NotImplementedError, OSError) as error:
    sys.exit(f"netcore does not serve datagrams yet: {error}")
"""
_IO_URING = """
import sys
from netcore.poll import why_unavailable
if reason := why_unavailable("io_uring"):
    sys.exit(reason)
"""
_NETCORE_FRAMES = """
import importlib.util, sys
if importlib.util.find_spec("netcore.codec") is None:
    sys.exit("netcore has no codecs yet: there is no netcore.codec")
from netcore.codec import FrameHandler, LengthFieldCodec
"""
_NETCORE_KCP = """
import sys, netcore
try:
    from netcore.kcp import KcpOptions
    with netcore.Engine(netcore.EventHandler(), "kcp://127.0.0.1:0", kcp=KcpOptions()):
        pass
except (ImportError, netcore.NetcoreError, TypeError, ValueError, OSError) as error:
    sys.exit(f"netcore does not serve KCP yet: {error}")
"""
_NETCORE_TLS = "import netcore.tls"
_NETCORE_REDIS = "import netcore, hiredis"
_NETCORE_NATIVE = """
import sys
from netcore import _native
if _native.MISSING:
    sys.exit(_native.MISSING)
"""

_AIO = "import netcore.aio"
# Since 0.36 its --loop takes a function that makes one.
_UVICORN = "import uvicorn, httptools; uvicorn.Config.get_loop_factory"

_LOOPS = {"netcore.aio": "netcore.aio:new_event_loop", "uvloop": "uvloop", "asyncio": "asyncio"}
"""The loops of asyncio's kind, as uvicorn is told of them."""

# Seconds of load before the warm-up, for compilers that work while the program runs.
_JVM_SETTLES, _V8_SETTLES, _JIT_SETTLES = 3.0, 0.5, 3.0


@dataclass(frozen=True)
class Registry:
    """The peers by job; those in Python run on `python`.

    Beside "netcore" there are the same program on io_uring, as "netcore-io_uring", and without the hot half
    of a connection in C, as "netcore-cold". With `other`, the source tree of another version with its native
    part in place, its netcore does the same jobs as "netcore-other"; with `pythons`, names and paths of
    interpreters for which the native part of this tree has been built as well, it does as "netcore-NAME".

    "netcore.aio", "uvloop" and "asyncio" are one program on three loops, the first with the
    variants of netcore.
    """

    python: str
    other: str = ""
    pythons: tuple[tuple[str, str], ...] = ()

    def stream_echo(self) -> tuple[Peer, ...]:
        """Servers that send back the bytes of a stream, the physical reference first."""
        return self._with_variants(
            (
                Peer("c-epoll", CProgram("echo_epoll")),
                self._netcore_stream("netcore", 1),
                *self._on_each_loop("stream_protocol.py"),
                Peer("gevent", self.script("stream_gevent.py", "import gevent")),
                Peer("twisted", self.script("stream_twisted.py", "import twisted")),
                Peer("node", NodeScript("stream_node.js"), settle=_V8_SETTLES),
                _gnet("gnet", "tcp", 1),
                _netty("netty", "tcp", 1),
            )
        )

    def plain_echo(self) -> tuple[Peer, ...]:
        """The stream echo with netcore, to be compared with variations of it."""
        return self._with_variants((self._netcore_stream("netcore", 1),))

    def tls_echo(self) -> tuple[Peer, ...]:
        """The stream echo by TLS, of those that have it."""
        files = ("{port}", "{certificate}", "{key}")
        return self._with_variants(
            (
                Peer("netcore", self.script("tls_netcore.py", _NETCORE_TLS), files),
                *self._on_each_loop("stream_protocol.py", files, "import ssl"),
                Peer("node", NodeScript("tls_node.js"), files, settle=_V8_SETTLES),
            )
        )

    def several_loops(self) -> tuple[Peer, ...]:
        """The stream echo of those that can have more than one loop, with one and with two."""
        return self._with_variants(
            (
                self._netcore_stream("netcore", 1),
                self._netcore_stream("netcore-2", 2),
                _gnet("gnet", "tcp", 1),
                _gnet("gnet-2", "tcp", 2),
                _netty("netty", "tcp", 1),
                _netty("netty-2", "tcp", 2),
            )
        )

    def datagram_echo(self) -> tuple[Peer, ...]:
        """Servers that send back each datagram."""
        return self._with_variants(
            (
                Peer("c-batch", CProgram("echo_datagram"), ("batch", "{port}")),
                Peer("c-single", CProgram("echo_datagram"), ("single", "{port}")),
                Peer("netcore", self.script("datagram_netcore.py", _NETCORE_DATAGRAMS)),
                *self._on_each_loop("datagram_protocol.py"),
                Peer("gevent", self.script("datagram_gevent.py", "import gevent")),
                Peer("twisted", self.script("datagram_twisted.py", "import twisted")),
                Peer("node", NodeScript("datagram_node.js"), settle=_V8_SETTLES),
                _gnet("gnet", "udp", 1),
                _netty("netty", "udp", 1),
            )
        )

    def kcp_echo(self) -> tuple[Peer, ...]:
        """Servers that send back what comes by KCP, with the same options."""
        return self._with_variants(self._kcp("127.0.0.1:{port}"))

    def kcp_and_tcp(self) -> tuple[Peer, ...]:
        """The same, to be reached from elsewhere, and netcore by TCP, whose name is "tcp"."""
        tcp = Peer("tcp", self.script("kcp_netcore.py", _NETCORE_KCP), ("tcp://0.0.0.0:{port}",))
        return (tcp, *self._with_variants(self._kcp("0.0.0.0:{port}")))

    def _kcp(self, where: str) -> Iterator[Peer]:
        yield Peer("kcp-go", Built(foreign.kcp_go), ("serve", "-sndwnd=1024", "-rcvwnd=1024", where))
        yield Peer("netcore", self.script("kcp_netcore.py", _NETCORE_KCP), (f"kcp://{where}",))

    def frames(self) -> tuple[Peer, ...]:
        """Servers that take length-field frames out of a stream and frame the payload anew."""
        protocol = "frames_protocol.py"
        uvloop = self.script(protocol, "import uvloop")
        return self._with_variants(
            (
                Peer("c-epoll", CProgram("frames_epoll")),
                Peer("netcore", self.script("frames_netcore.py", _NETCORE_FRAMES)),
                Peer("uvloop", uvloop, ("uvloop", "each", "{port}")),
                Peer("uvloop-joined", uvloop, ("uvloop", "joined", "{port}")),
                Peer("netcore.aio", self.script(protocol, _AIO), ("netcore.aio", "each", "{port}")),
                Peer("asyncio", self.script(protocol, "import asyncio"), ("asyncio", "joined", "{port}")),
            )
        )

    def redis(self) -> tuple[Peer, ...]:
        """Redis itself, without persistence, and the example."""
        settings = ("--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        example = self.script(str(REPOSITORY / "examples" / "redis.py"), _NETCORE_REDIS)
        return self._with_variants(
            (
                Peer("redis-server", Installed("redis-server"), settings),
                Peer("netcore", example, ("tcp://127.0.0.1:{port}",)),
            )
        )

    def http(self) -> tuple[Peer, ...]:
        """Web servers for one path; netcore and the loops of asyncio's kind share what they say."""
        return self._with_variants(
            (
                Peer("netcore", self.script("http_netcore.py", "import netcore, httptools")),
                *self._on_each_loop("http_protocol.py", needs="import httptools"),
                self.uvicorn("uvicorn", "uvloop", "http_application:asgi"),
                self._granian("granian", "rsgi"),
                self._granian("granian-asgi", "asgi"),
                Peer("node", NodeScript("http_node.js"), settle=_V8_SETTLES),
                Peer("gnet", Built(foreign.gnet), ("http", "tcp", "{port}", "1")),
            )
        )

    def lines(self) -> tuple[Peer, ...]:
        """Servers that send back each line, by a coroutine: netcore's own streams, and those of asyncio."""
        netcore = Peer("netcore", self.script("lines_netcore.py", _AIO))
        return self._with_variants((netcore, *self._on_each_loop("lines_streams.py")))

    def asgi(self, application: str, needs: str) -> tuple[Peer, ...]:
        """uvicorn with an application, which is MODULE:NAME in peers/, on each loop of asyncio's kind."""
        return self._with_variants(self.uvicorn(name, name, application, needs) for name in _LOOPS)

    def tasks(self, case: str) -> tuple[Peer, ...]:
        """Programs that run tasks on a loop of asyncio's kind and do nothing else."""
        return self._with_variants(self._on_each_loop("tasks.py", (case, "{seconds}")), with_io_uring=False)

    def timers(self) -> tuple[Peer, ...]:
        """Programs that arm and cancel timers."""
        script, arguments = "timers.py", ("{count}",)
        netcore = Peer("netcore", self.script(script, _NETCORE), ("netcore", *arguments))
        return self._with_variants((netcore, *self._on_each_loop(script, arguments)), with_io_uring=False)

    def gil(self) -> tuple[Peer, ...]:
        """The program that runs a loop without a kernel."""
        script = self.script("gil_netcore.py", _NETCORE_NATIVE)
        peer = Peer("netcore", script, ("{connections}", "{warmup}", "{seconds}"))
        return self._with_variants((peer,), with_io_uring=False)

    def _with_variants(self, peers: Iterable[Peer], with_io_uring: bool = True) -> tuple[Peer, ...]:
        found: list[Peer] = []
        for peer in peers:
            found.append(peer)
            if isinstance(peer.launcher, PythonProgram):
                if peer.name in ("netcore", "netcore.aio"):
                    variants = self._variants(peer.launcher, with_io_uring)
                    found += (replace(peer, name=peer.name + how, launcher=each) for how, each in variants)
                if peer.name in ("netcore", "netcore.aio", "asyncio"):
                    found += self._on_each_python(peer, peer.launcher)
        return tuple(found)

    def _variants(self, plain: PythonProgram, with_io_uring: bool) -> Iterator[tuple[str, PythonProgram]]:
        if with_io_uring:
            asking = replace(plain, needs=plain.needs + _IO_URING)
            yield "-io_uring", asking.under("NETCORE_POLLER=io_uring")
        yield "-cold", plain.under("NETCORE_HOT=0")
        if self.other:
            whole = replace(plain, needs=plain.needs + _NETCORE_NATIVE)
            yield "-other", whole.under(f"PYTHONPATH={self.other}")

    def _on_each_python(self, peer: Peer, plain: PythonProgram) -> Iterator[Peer]:
        for name, python in self.pythons:
            launcher = replace(plain, python=python, needs=plain.needs + _NETCORE_NATIVE)
            yield replace(peer, name=f"{peer.name}-{name}", launcher=launcher, settle=_JIT_SETTLES)

    def _on_each_loop(
        self, script: str, arguments: tuple[str, ...] = ("{port}",), needs: str = ""
    ) -> Iterator[Peer]:
        for name in _LOOPS:
            needed = f"import {name}\n{needs}"
            yield Peer(name, self.script(script, needed), (name, *arguments))

    def uvicorn(self, name: str, loop: str, application: str, needs: str = "") -> Peer:
        """uvicorn with MODULE:NAME in peers/, on one of the loops of asyncio's kind."""
        program = PythonModule(self.python, "uvicorn", f"{_UVICORN}\nimport {loop}\n{needs}")
        options = f"--http=httptools --loop={_LOOPS[loop]} --lifespan=off --no-access-log --log-level=warning"
        options += f" --backlog=4096 --port={{port}} {application}"
        return Peer(name, program, (f"--app-dir={PEERS}", *options.split()))

    def _granian(self, name: str, interface: str) -> Peer:
        program = PythonModule(self.python, "granian", "import granian, uvloop")
        options = "--http=1 --no-ws --workers=1 --loop=uvloop --no-access-log --log-level=error"
        options += f" --backlog=4096 --port={{port}} --interface={interface} http_application:{interface}"
        return Peer(name, program, (f"--working-dir={PEERS}", *options.split()))

    def script(self, script: str, needs: str) -> PythonScript:
        """A script in peers/, and what it takes."""
        return PythonScript(self.python, script, needs)

    def _netcore_stream(self, name: str, loops: int) -> Peer:
        return Peer(name, self.script("stream_netcore.py", _NETCORE), ("{port}", str(loops)))


def _gnet(name: str, network: str, loops: int) -> Peer:
    return Peer(name, Built(foreign.gnet), ("echo", network, "{port}", str(loops)))


def _netty(name: str, network: str, loops: int) -> Peer:
    return Peer(name, Built(foreign.netty), (network, "{port}", str(loops)), settle=_JVM_SETTLES)
