"""A codec of one's own: netstrings. The server sends each one back in upper case.

python examples/custom_codec.py tcp://127.0.0.1:9000
netcore run examples.custom_codec:Shout tcp://127.0.0.1:9000
printf '5:hello,3:you,' | nc -N 127.0.0.1 9000

A netstring is the length of a payload in decimal, a colon, the payload and a comma
(https://cr.yp.to/proto/netstrings.txt). `netcore.testing.check_codec(NetstringCodec)` checks the codec.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import netcore
from netcore.codec import Decoder, FrameHandler

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_LENGTH = 65536
"""Bytes of the longest payload; as for encoding, nothing keeps one from saying more than one would hear."""


class NetstringCodec:
    """Any object with these two methods is a codec."""

    def decoder(self) -> NetstringDecoder:
        """Makes the decoder of one connection."""
        return NetstringDecoder()

    def encode(self, payload: Buffer) -> bytes:
        """Frames a payload."""
        data = bytes(payload)
        return b"%d:%b," % (len(data), data)


class NetstringDecoder(Decoder):
    """Holds the beginning of one netstring, and whatever has come behind it."""

    DIGITS = len(str(MAX_LENGTH))

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: Buffer) -> None:
        """Takes in what has come; it does not stay anybody else's."""
        self._held += data

    @property
    def pending(self) -> int:
        """How much is held."""
        return len(self._held)

    def next_frame(self) -> bytes | None:
        """Takes the next payload; None until all of it is here."""
        # No more than a length and its colon is searched, however much is held.
        colon = self._held.find(b":", 0, self.DIGITS + 1)
        digits = bytes(self._held[: self.DIGITS + 1] if colon < 0 else self._held[:colon])
        self._check(digits, complete=colon >= 0)
        if colon < 0:
            return None
        begin = colon + 1
        end = begin + int(digits)
        if len(self._held) <= end:
            return None
        if self._held[end] != ord(","):
            self._give_up(f"a netstring ends with {self._held[end : end + 1]!r} instead of a comma")
        frame = bytes(self._held[begin:end])
        del self._held[: end + 1]  # a bytearray gives up its front without moving the rest
        return frame

    def _check(self, digits: bytes, complete: bool) -> None:
        if (digits or complete) and not digits.isdigit():
            self._give_up(f"a netstring begins with {digits!r} instead of its length")
        if len(digits) > 1 and digits.startswith(b"0"):
            self._give_up(f"the length {digits!r} of a netstring begins with zero")
        if len(digits) > self.DIGITS or int(digits or b"0") > MAX_LENGTH:
            self._held.clear()
            raise netcore.TooLongFrameError(f"a netstring is longer than {MAX_LENGTH} bytes")

    def _give_up(self, reason: str) -> None:
        # There is no telling where the next netstring begins. A bad frame is to be used up by its error.
        self._held.clear()
        raise netcore.CorruptedFrameError(reason)


class Shout(FrameHandler):
    """Sends each netstring back in upper case."""

    def __init__(self) -> None:
        super().__init__(NetstringCodec())

    def on_boot(self, engine: netcore.EngineView) -> None:
        """Says where, since with port 0 the system has chosen."""
        print("shout on", *engine.addresses, flush=True)

    def on_frame(self, conn: netcore.Conn, frame: bytes) -> None:
        """Answers one netstring; the answers of a turn leave together."""
        self.send_frame(conn, frame.upper())

    def on_frame_error(self, conn: netcore.Conn, error: netcore.FrameError) -> netcore.Action:
        """Says what is wrong and closes."""
        self.send_frame(conn, str(error).encode())
        return netcore.Action.CLOSE


def main() -> None:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="Sends netstrings back in upper case.")
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        default=["tcp://127.0.0.1:9000"],
        help="tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:9000)",
    )
    parser.add_argument("--loops", type=int, default=1, metavar="N", help="event loops (default: 1)")
    arguments = parser.parse_args()
    try:
        netcore.run(Shout(), *arguments.addresses, num_event_loops=arguments.loops)
    except (netcore.NetcoreError, OSError) as error:
        sys.exit(f"shout: {error}")


if __name__ == "__main__":
    main()
