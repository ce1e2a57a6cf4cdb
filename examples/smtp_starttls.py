"""A mail server with STARTTLS: SMTP that goes on with TLS when the client asks for it.

python examples/smtp_starttls.py
python examples/smtp_starttls.py tcp://:2525 --tls-certificate cert.pem --tls-key key.pem --needs-tls
swaks --server 127.0.0.1:2525 --tls --from me@here.example --to you@there.example

Without a certificate it makes one for this run, by the program openssl, and says how to talk to it. The
protocol itself is `examples.smtp_service`, which does no I/O; here it is wired to connections.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import netcore
from netcore.codec import DelimiterCodec, FrameHandler

if not __package__:
    # Run as a script: Python has put this directory on the path, where the one above has to be.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.certificates import Certified, add_arguments, certified
from examples.smtp_service import Answer, Limits, Message, Session, Then

LONGEST_LINE = 2000
"""Bytes; RFC 5321, 4.5.3.1.6, wants a thousand at least."""

PATIENCE = 300.0
"""Seconds that a client may be silent; see RFC 5321, 4.5.3.2.7."""


def announce(message: Message) -> None:
    """Prints a line of a message."""
    how = "by TLS" if message.secured else "in plain"
    to = ", ".join(message.recipients)
    print(f"from {message.sender!r} to {to!r}: {len(message.data)} bytes, {how}", flush=True)


class SmtpServer(FrameHandler):
    """Takes mail.

    Args:
        secrets: What TLS is spoken with.
        name: The server's.
        deliver: Takes each message.
        limits: Of each client.
        needs_tls: Whether mail is taken by TLS only.
    """

    def __init__(
        self,
        secrets: Certified,
        name: str = "localhost",
        deliver: Callable[[Message], object] = announce,
        limits: Limits | None = None,
        needs_tls: bool = False,
    ) -> None:
        # CR LF only, as RFC 5321, 2.3.8, wants it: a codec of lines would take a bare LF for an end, too.
        super().__init__(DelimiterCodec(LONGEST_LINE, b"\r\n", fail_fast=True))
        self._secrets = secrets
        self._make = partial(Session, name, deliver, limits or Limits(), needs_tls)

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("smtp on", *engine.addresses, flush=True)
        if hint := self._secrets.hint(engine.addresses[0], "-starttls smtp"):
            print(hint, flush=True)

    def on_open(self, conn: netcore.Conn) -> netcore.Action | None:
        """Greets, in plain."""
        conn.context = self._make()
        conn.set_read_deadline(PATIENCE)
        return self._say(conn, conn.context.begin())

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> netcore.Action | None:
        """Takes a line."""
        session: Session = conn.context
        return self._say(conn, session.receive(frame))

    def on_frame_error(self, conn: netcore.Conn, error: netcore.FrameError) -> netcore.Action | None:
        """Ends with who sends longer lines."""
        session: Session = conn.context
        return self._say(conn, session.too_long())

    def on_timeout(self, conn: netcore.Conn, timeout: netcore.Timeout) -> netcore.Action | None:
        """Ends with who says nothing."""
        conn.write(b"421 4.4.2 you say nothing\r\n")
        return netcore.Action.CLOSE

    def _say(self, conn: netcore.Conn, answer: Answer) -> netcore.Action | None:
        if answer.data:
            conn.write(answer.data)
        if answer.then is Then.START_TLS:
            # The answer leaves in plain. Whoever has sent more behind his STARTTLS is dropped: somebody in
            # between could have put it there, and it would be taken for the client's own (CVE-2011-0411).
            conn.start_tls(self._secrets.context, callback=self._secured)
        return netcore.Action.CLOSE if answer.then is Then.CLOSE else None

    def _secured(self, conn: netcore.Conn, error: Exception | None) -> None:
        if error is None:
            session: Session = conn.context
            session.secure()


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Takes mail, and prints a line of each.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:2525"],
        help="tcp://HOST:PORT (default: tcp://127.0.0.1:2525)",
    )
    add_arguments(parser)
    parser.add_argument("--needs-tls", action="store_true", help="take mail by TLS only")
    parser.add_argument("--name", default="localhost", help="the server's name (default: localhost)")
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        with certified(arguments) as secrets:
            server = SmtpServer(secrets, arguments.name, needs_tls=arguments.needs_tls)
            netcore.run(server, *arguments.addresses, num_event_loops=arguments.loops)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"smtp: {error}")


if __name__ == "__main__":
    main()
