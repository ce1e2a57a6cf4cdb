"""Python time per echo message of a netcore loop whose system calls return at once.

Usage: gil_netcore.py BUILD_DIRECTORY CONNECTIONS WARMUP_SECONDS SECONDS; prints one line of JSON. An engine
runs as always, on netcore's own pollers and sockets, but over native/gil_stub.c instead of the kernel. The
CPU time of its loop's thread is then what the loop spends in Python and in the calls into C.
"""

import hashlib
import importlib.util
import json
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import cffi

import netcore
from netcore import _native
from netcore._native import build

_STUB = Path(__file__).resolve().parents[1] / "native" / "gil_stub.c"
_FUNCTIONS = "void stub_begin(int connections); long stub_messages(void);"
_CONNECTING = 30.0


class Echo(netcore.EventHandler):
    def on_boot(self, engine: netcore.EngineView) -> None:
        self.opened = threading.Semaphore(0)

    def on_open(self, conn: netcore.Conn) -> None:
        self.opened.release()

    def on_traffic(self, conn: netcore.Conn) -> None:
        conn.write(conn.read())


def load_stub(directory: Path) -> ModuleType:
    """Compiles the stub unless the same sources have been compiled before, and imports it."""
    sources = [*sorted(build.SOURCES.glob("*.[ch]")), _STUB]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    name = f"gil_stub_{sys.implementation.cache_tag.replace('-', '_')}_{digest}"
    header = (build.SOURCES / "netcore.h").read_text().splitlines()
    ffi = cffi.FFI()
    ffi.cdef("\n".join(line for line in header if not line.startswith("#")) + _FUNCTIONS)
    ffi.set_source(
        name,
        _STUB.read_text(),
        include_dirs=[str(build.SOURCES)],
        extra_compile_args=["-O2"],
        extra_link_args=build.LIBRARIES,
    )
    found = next(directory.glob(f"{name}.*so"), None)
    library = str(found) if found else ffi.compile(str(directory), debug=False)
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(stub: ModuleType, connections: int, warmup: float, seconds: float) -> dict[str, float]:
    handler = Echo()
    stub.lib.stub_begin(connections)
    known = set(threading.enumerate())
    with netcore.Engine(handler, "tcp://127.0.0.1:0", num_event_loops=1, poller="epoll") as engine:
        (loop,) = (thread for thread in threading.enumerate() if thread not in known)
        for _ in range(connections):
            if not handler.opened.acquire(timeout=_CONNECTING):
                sys.exit(f"only {engine.connection_count} connections were opened")
        assert loop.ident is not None
        clock = time.pthread_getcpuclockid(loop.ident)
        time.sleep(warmup)
        begin, before = time.clock_gettime(clock), stub.lib.stub_messages()
        time.sleep(seconds)
        spent, messages = time.clock_gettime(clock) - begin, stub.lib.stub_messages() - before
        engine.stop(0.0)
    return {"messages": messages, "gil_us_per_message": spent / messages * 1e6}


if __name__ == "__main__":
    directory, connections, warmup, seconds = sys.argv[1:]
    if _native.MISSING:
        sys.exit(_native.MISSING)
    stub = load_stub(Path(directory))
    _native._loaded = stub.ffi, stub.lib
    print(json.dumps(measure(stub, int(connections), float(warmup), float(seconds))))
