"""An HTTP/1.1 server: the files of a directory, GET /hello, and POST /echo, which sends the body back.

python examples/http_server.py tcp://127.0.0.1:8080 --root public --loops 2
netcore run examples.http_server:HttpServer tcp://127.0.0.1:8080
curl http://127.0.0.1:8080/hello

python examples/http_server.py tls://127.0.0.1:8443 --tls-certificate cert.pem --tls-key key.pem
netcore run examples.http_server:HttpServer tls://:8443 --tls-certificate cert.pem --tls-alpn http/1.1
curl --cacert cert.pem https://127.0.0.1:8443/hello

It needs the package httptools. The protocol itself is `examples.http_service`, which does no I/O; here it
is wired to connections.
"""

import argparse
import ssl
import sys
from collections import deque
from pathlib import Path
from typing import BinaryIO

import netcore
from netcore.tls import server_context

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.needed import needed

with needed("netcore-io[http]"):
    from examples.http_service import Continue, Limits, Refusal, Request, RequestReader, Response, Site

PER_TURN = 64
"""Answers for one connection in a row; then it is the others' turn."""

LINGER = 2.0
"""Seconds for a client to read a refusal; closed at once, with its request unread, it would get a reset."""


class Exchange:
    """What the server remembers of a connection; its ``conn.context``.

    Attributes:
        reader: Makes requests of the bytes.
        waiting: What has been read and not answered, since the client is slow to take the answers.
        paused: Whether reading is paused for that.
        over: Whether the last answer has been begun.
    """

    __slots__ = ("over", "paused", "reader", "waiting")

    def __init__(self, limits: Limits) -> None:
        self.reader = RequestReader(limits)
        self.waiting: deque[Request | Continue | Refusal] = deque()
        self.paused = False
        self.over = False


class HttpServer(netcore.EventHandler):
    """Answers requests in their order, as many as a client sends at once.

    Args:
        root: The directory whose files are served; None for none.
        limits: Of each request.

    Raises:
        NotADirectoryError: The root is no directory.
    """

    def __init__(self, root: Path | None = None, limits: Limits | None = None) -> None:
        self._site = Site(root)
        self._limits = limits or Limits()
        self._engine: netcore.EngineView | None = None

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        self._engine = engine
        print("http on", *engine.addresses, flush=True)

    def on_open(self, conn: netcore.Conn) -> None:
        """Gives the connection a memory."""
        conn.context = Exchange(self._limits)

    def on_traffic(self, conn: netcore.Conn) -> None:
        """Reads requests and answers them."""
        exchange: Exchange = conn.context
        data = conn.read()
        if not exchange.over:
            exchange.waiting += exchange.reader.feed(data)
            self._answer(conn, exchange)

    def on_writable(self, conn: netcore.Conn) -> None:
        """Goes on answering."""
        self._answer(conn, conn.context)

    def _answer(self, conn: netcore.Conn, exchange: Exchange) -> None:
        """Answers what is waiting, as long as the client takes the answers; then it waits as well."""
        steps = 0
        while exchange.waiting and conn.writable and not conn.closed:
            if steps == PER_TURN:
                conn.loop.execute(self._answer, conn, exchange)
                break
            steps += 1
            self._step(conn, exchange)
        if exchange.waiting and not exchange.paused:
            exchange.paused = True
            conn.pause_reading()
        elif exchange.paused and not exchange.waiting:
            exchange.paused = False
            conn.resume_reading()

    def _step(self, conn: netcore.Conn, exchange: Exchange) -> None:
        match exchange.waiting.popleft():
            case Request() as request:
                self._respond(conn, exchange, request)
            case Continue():
                conn.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            case Refusal() as refusal:
                self._refuse(conn, exchange, refusal)

    def _respond(self, conn: netcore.Conn, exchange: Exchange, request: Request) -> None:
        response = self._site.answer(request)
        keep = request.keep_alive and not self._leaves()
        exchange.over = not keep
        conn.write(response.head(keep))
        if response.file is not None:
            with response.file as file:
                if request.method != "HEAD":
                    self._send(conn, file, response.size)
        elif request.method != "HEAD":
            conn.write(response.body)
        if exchange.over:
            conn.close()

    def _leaves(self) -> bool:
        """Whether clients are to go elsewhere with their next request: it would be cut off."""
        return self._engine is not None and not self._engine.accepting

    def _send(self, conn: netcore.Conn, file: BinaryIO, size: int) -> None:
        """Sends a file; if it becomes shorter than the head has promised, the connection is reset."""
        if conn.sendfile(file, 0, size) < size:
            conn.abort()

    def _refuse(self, conn: netcore.Conn, exchange: Exchange, refusal: Refusal) -> None:
        response = Response.plain(refusal.status)
        conn.writev((response.head(keep_alive=False), response.body))
        exchange.over = True
        conn.shutdown_write()  # its end answers ours and closes; until then what it sends is thrown away
        conn.loop.schedule(LINGER, conn.close)


def certified(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Makes a context for HTTP/1.1, which clients ask for by ALPN; None without a certificate."""
    return server_context(certificate, key, alpn=("http/1.1",)) if certificate else None


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serves HTTP/1.1.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:8080"],
        help="tcp://HOST:PORT, tls://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:8080)",
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="of tls:// addresses, PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="PEM (default: it is in the same file)")
    parser.add_argument("--root", type=Path, metavar="DIR", help="serve the files below it (default: none)")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    parser.add_argument("--idle-timeout", type=float, default=60, metavar="S", help="seconds (default: 60)")
    parser.add_argument("--max-body", type=int, default=1 << 20, metavar="BYTES", help="(default: 1 MiB)")
    arguments = parser.parse_args()
    try:
        addresses = [netcore.Address.parse(address) for address in arguments.addresses]
        if any(address.is_tls for address in addresses) != bool(arguments.tls_certificate):
            sys.exit("http: tls:// addresses and --tls-certificate need each other")
        server = HttpServer(arguments.root, Limits(body=arguments.max_body))
        netcore.run(
            server,
            *addresses,
            num_event_loops=arguments.loops,
            idle_timeout=arguments.idle_timeout,
            tls=certified(arguments.tls_certificate, arguments.tls_key),
        )
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"http: {error}")


if __name__ == "__main__":
    main()
