"""The TCP proxy once more, as coroutines: one for each client, and one for each direction.

python examples/async_proxy.py tcp://127.0.0.1:9000 --to tcp://127.0.0.1:8080
"""

import argparse
import asyncio
import errno
import sys

import netcore
from netcore.aio import AsyncHandler, Stream

OPTIONS = netcore.Options(
    # What waits in a proxy helps nobody: enough to keep the slower side busy.
    low_water=65536,
    high_water=262144,
    # The slower side may take its time with the last of what it gets: so much in a minute is a modem's pace.
    close_timeout=60,
    # Who has lost power or the net says no goodbye, and would be waited for for ever.
    tcp_keep_alive=60,
)


class Proxy(AsyncHandler):
    """Connects every client to a target, on the client's own loop, and copies until both directions end.

    Args:
        target: Where to connect to.
        timeout: Seconds for that.
    """

    # What a client has sent before it went has still to reach the target, at the pace of this.
    grace = 60.0

    def __init__(self, target: str | netcore.Address, timeout: float = 10.0) -> None:
        self._target = netcore.Address.parse(target)
        self._timeout = timeout

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen.

        Raises:
            OSError: The target is the proxy itself, which would dial itself without an end.
        """
        if self._target in engine.addresses:
            raise OSError(errno.ELOOP, f"{self._target} is the proxy itself")
        print("proxy on", *engine.addresses, flush=True)

    async def serve(self, stream: Stream) -> None:
        """Serves a client."""
        try:
            target = await stream.dial(self._target, timeout=self._timeout)
        except OSError as error:
            stream.conn.loop.logger.warning("cannot reach %s: %s", self._target, error)
            stream.conn.abort()
            return
        copies = [asyncio.ensure_future(copy(*ends)) for ends in ((stream, target), (target, stream))]
        whole = False
        try:
            await asyncio.gather(*copies)
            whole = True
        except OSError:
            pass
        finally:
            for each in copies:
                each.cancel()
            if not whole:  # one side is gone, and half an answer must not look like a whole one
                stream.conn.abort()
                target.conn.abort()


async def copy(source: Stream, target: Stream) -> None:
    """Passes on what comes, no faster than the other side takes it, and then the end."""
    while data := await source.read(65536):
        target.write(data)
        await target.drain()
    if not target.conn.closed:
        target.conn.shutdown_write()


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Passes TCP connections on to a target.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--to", required=True, metavar="ADDRESS", help="where to pass connections on to")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(
            Proxy(arguments.to), *arguments.addresses, options=OPTIONS, num_event_loops=arguments.loops
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"proxy: {error}")


if __name__ == "__main__":
    main()
