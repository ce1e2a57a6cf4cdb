"""TLS between the raw bytes of a network and the plain ones of an application.

OpenSSL is asked through the standard library's ``SSLObject``, and as seldom as that allows: an exception that
says "more is wanted" costs more than a small record. So only whole records go in, and it is asked for as many
as went in. RFC 8446 is TLS 1.3, RFC 5246 is TLS 1.2.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence

from netcore.sockets import Chunk
from netcore.tls.bios import Bios
from netcore.tls.errors import TlsError, TlsHandshakeError, TlsTruncatedError
from netcore.tls.hello import HelloReader
from netcore.tls.info import TlsInfo
from netcore.tls.records import (
    APPLICATION_DATA,
    HEADER,
    LARGEST_PLAIN,
    has_handshake,
    missing,
    portion,
    whole,
)
from netcore.tls.verdicts import verdict

__all__ = ["TlsFilter"]

_LONGEST_HANDSHAKE = 128 << 10
"""Bytes of the peer's that may come and bring the handshake to no end. OpenSSL takes certificate chains of up
to 100 KiB (SSL_CTX_set_max_cert_list(3)); all else takes a few."""

_MOST_EMPTY = 32
"""Records in a row that bring no byte of the application's, such as new keys and session tickets, of which a
peer needs few. Each takes as long as ten records of data do."""

_BATCH = 16 * LARGEST_PLAIN
"""Plain bytes encrypted before their records are taken out: the BIO keeps the room for them."""


class TlsFilter:
    """One side of a TLS connection; a ``netcore.connection.Filter``. Sans-I/O, and on one thread only.

    A client's first message is in ``output`` from the start. What is wrapped before the handshake is done is
    held, and leaves with its end.

    Args:
        context: Whose versions, certificates and callbacks hold.
        server_side: Which side this is.
        server_hostname: For a client: the name asked for and, as the context wants it, checked.
        session: For a client: what ``session`` was after an earlier connection, to be resumed.
        bios: What the filters of this thread share; None for a pair of its own.

    Raises:
        ValueError: The context is for the other side, or wants a host name, or the name is none.

    Attributes:
        done: Whether the handshake is done.
        ended: See ``Filter``: whether the peer's close_notify has come.
        failure: See ``Filter``: a ``TlsError``.
        held: See ``Filter``: what was written before the handshake is done.
        info: What was agreed on; None before the handshake is done. Any thread.
    """

    __slots__ = (
        "_bios",
        "_checks_types",
        "_early",
        "_empty",
        "_finished",
        "_hello",
        "_out",
        "_part",
        "_peer",
        "_said_end",
        "_server_name",
        "_ssl",
        "_taken",
        "_wanted",
        "done",
        "ended",
        "failure",
        "held",
        "info",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        bios: Bios | None = None,
    ) -> None:
        self.done: bool = False
        self.ended: bool = False
        self.failure: Exception | None = None
        self.info: TlsInfo | None = None
        self.held: int = 0
        self._bios = Bios() if bios is None else bios
        # wrap_bio would say so, too, but for what it checks before, and that differs between Pythons.
        if context.protocol is (ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER):
            side = "server" if server_side else "client"
            raise ValueError(f"the context is not for a {side}: it is one of {context.protocol.name}")
        if isinstance(server_hostname, str):
            server_hostname = server_hostname.removesuffix(".")  # RFC 6066, 3; no certificate has it
        if context.check_hostname and not server_hostname and not server_side:
            raise ValueError(
                "the context checks host names, and there is none to check"
            )  # wrap_bio would not
        self._ssl = context.wrap_bio(
            self._bios.incoming, self._bios.outgoing, server_side, server_hostname, session
        )
        self._peer = "client" if server_side else "server"
        self._hello = HelloReader() if server_side else None
        self._server_name = server_hostname  # of a server, what the client says
        self._checks_types = False
        self._early: list[bytes] = []
        self._empty = 0  # records in a row without bytes of the application's
        self._finished = False
        self._said_end = False
        self._out = b""
        self._part: bytearray | None = None  # an incomplete record
        self._wanted = 0  # bytes that it is incomplete by
        self._taken = 0  # bytes before the handshake was done
        if not server_side:
            self._begin()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection to the same server can resume; in TLS 1.3 it comes after the handshake.

        None on a server's side.
        """
        return None if self._ssl.server_side else self._ssl.session

    # What comes in.

    def feed(self, data: memoryview | bytearray) -> bytes:
        """See ``Filter.feed``: all records of the bytes are decrypted, and returned as one."""
        bios = self._bios
        if bios.busy:
            return bios.aside(self.feed, data)
        if self._part is None and self.done:
            size = len(data)
            if size > HEADER and data[0] == APPLICATION_DATA and data[3] << 8 | data[4] == size - HEADER:
                # One record, as small messages are. What has bytes of the application in it brings no output.
                bios.busy = True
                try:
                    bios.incoming.write(data)
                    plain = self._ssl.read(size)
                    if plain:
                        bios.busy = False
                        if self._empty:
                            self._empty = 0
                        return plain
                    self.ended = True
                except BaseException as error:
                    self._judge(error)
                    self._count(1, 0)
                self._leave_nothing()
                return b""
        return self._feed_parts(data)

    def _feed_parts(self, data: memoryview | bytearray) -> bytes:
        part = self._part
        if part is not None:
            part += data
            self._wanted -= len(data)
            if self._wanted > 0:
                return b""
            data = part
            self._part = None
        if self.ended or self.failure is not None:
            return b""
        end = whole(data)
        if end == len(data):
            return self._feed_records(data)
        with memoryview(data) as view:
            rest = bytearray(view[end:])
            self._wanted = missing(rest)
            self._part = rest
            if not end:
                return b""
            with view[:end] as records:
                return self._feed_records(records)

    def _feed_records(self, records: memoryview | bytearray) -> bytes:
        if not self.done:
            self._taken += len(records)
            if self._hello is not None and self._hello.feed(records):
                hello, self._hello = self._hello, None
                self._server_name = hello.server_name
                if hello.costly:
                    text = "the client wants a key exchange that costs too much, over a finite field"
                    self.give_up(TlsHandshakeError(text))
                    return b""
        self._bios.busy = True
        try:
            return self._decrypt(records) if self.done else self._go_on(records)
        finally:
            self._leave_nothing()

    def _decrypt(self, records: memoryview | bytearray | bytes) -> bytes:
        """Decrypts whole records, so many at a time that those without data cannot take long."""
        if self._checks_types and has_handshake(records):
            return self._refuse_renegotiation(records)
        parts: list[bytes] = []
        at = 0
        with memoryview(records) as view:
            while at < len(records) and not self.ended and self.failure is None:
                end, count = portion(records, at, _MOST_EMPTY + 1)
                with view[at:end] as some:
                    self._bios.incoming.write(some)
                before = len(parts)
                self._read(parts, end - at)
                self._count(count, len(parts) - before)
                at = end
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read(self, parts: list[bytes], raw: int) -> None:
        """Decrypts all that is there, one part for each record with data; ``raw`` is its size."""
        size = min(raw, LARGEST_PLAIN + 1)  # which no record fills, unless OpenSSL has more than was fed now
        read, incoming = self._ssl.read, self._bios.incoming
        try:
            while True:
                plain = read(size)
                if not plain:
                    self.ended = True
                    break
                parts.append(plain)
                if not incoming.pending and len(plain) < size:
                    break
        except Exception as error:
            self._judge(error)

    def _count(self, records: int, with_data: int) -> None:
        """Ends what only keeps this side busy: every new key has to be computed."""
        self._empty = records - with_data + (0 if with_data else self._empty)
        if self._empty > _MOST_EMPTY and not self.ended and self.failure is None:
            self.failure = TlsError(f"the {self._peer} has sent {self._empty} records in a row without data")
            self._let_go()

    def _judge(self, error: BaseException) -> None:
        """Takes what came instead of plain bytes; raises what is nobody's message."""
        if isinstance(error, ssl.SSLWantReadError):
            return  # the last record was not the application's: a session ticket, a new key
        if isinstance(error, ssl.SSLZeroReturnError):
            self.ended = True  # after this side's end; before it there are just no bytes
        elif isinstance(error, ssl.SSLError):
            self._fail(error)
        else:
            self._leave_nothing()
            raise error

    def _leave_nothing(self) -> None:
        """Empties the BIOs for the next filter: of what is behind an end or an error, and of output."""
        bios = self._bios
        if bios.incoming.pending:
            bios.incoming.read()
        if bios.outgoing.pending:
            self._take_output()
        bios.busy = False

    def _refuse_renegotiation(self, records: memoryview | bytearray | bytes) -> bytes:
        """Ends what would begin a second handshake in TLS 1.2, which costs much and is of no use."""
        self._checks_types = False
        plain = b""
        if self._ssl.context.options & ssl.OP_NO_RENEGOTIATION:
            plain = self._decrypt(records)  # OpenSSL says no in an alert
        if self.failure is None:
            self.failure = TlsError(f"the {self._peer} wants to renegotiate")
        return plain

    def end_of_stream(self) -> Exception | None:
        """See ``Filter.end_of_stream``; an end that follows this side's own close_notify is in order."""
        if not self.done:
            return TlsHandshakeError(f"the {self._peer} has left during the handshake")
        if self._said_end:
            return None
        return TlsTruncatedError(f"the {self._peer}'s stream has ended without close_notify")

    # The handshake.

    def _go_on(self, records: memoryview | bytearray) -> bytes:
        """Goes on with it, and with what has come behind its end."""
        incoming = self._bios.incoming
        incoming.write(records)
        plain = self._decrypt(incoming.read()) if self._shake_hands() else b""
        if self._finished and self.done and self.failure is None:
            self._say_end()  # last, since SSL_shutdown(3) fails where it finds more than the peer's end
        return plain

    def _begin(self) -> None:
        """Says a client's first message."""
        if self._bios.busy:
            return self._bios.aside(self._begin)
        self._bios.busy = True
        try:
            self._shake_hands()
        finally:
            self._leave_nothing()

    def _shake_hands(self) -> bool:
        """Takes a step; returns whether more has come behind the last."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            if self._taken > _LONGEST_HANDSHAKE:
                text = f"the {self._peer} has sent {self._taken} bytes, and the handshake is not done"
                self.failure = TlsHandshakeError(text)
                self._let_go()
            return False
        except ssl.SSLError as error:
            self._fail(error)
            return False
        self.done = True
        self.held = 0
        self.info = info = self._agreement()
        self._checks_types = info.version == "TLSv1.2"
        early, self._early = self._early, []
        if early:
            self._write(b"".join(early))
        return self._bios.incoming.pending > 0

    def _agreement(self) -> TlsInfo:
        """Asks OpenSSL what was agreed on: now, since an ``SSLObject`` is for one thread at a time."""
        its = self._ssl
        cipher = its.cipher()
        return TlsInfo(
            version=sys.intern(its.version() or ""),
            cipher=sys.intern("" if cipher is None else cipher[0]),
            alpn=its.selected_alpn_protocol(),
            server_name=self._server_name,
            peer_certificate=its.getpeercert(binary_form=True),
            session_reused=bool(its.session_reused),
        )

    def _fail(self, error: ssl.SSLError) -> None:
        error.__traceback__ = None  # its frames lead back here, and only the collector would find that
        self.failure = verdict(error, self._peer, self.done)
        self.failure.__cause__ = error
        self._let_go()

    def give_up(self, error: Exception) -> None:
        """Makes something that OpenSSL does not see the failure, such as the time being over."""
        if self.failure is None:
            self.failure = error
            self._let_go()

    def _let_go(self) -> None:
        self._part = None
        self._early.clear()
        self.held = 0

    # What goes out.

    def wrap(self, chunks: Sequence[Chunk]) -> None:
        """See ``Filter.wrap``: all chunks together become as few records as they fit."""
        if self.failure is not None:
            return
        if not self.done:
            self._early.extend(map(bytes, chunks))
            self.held += sum(map(len, chunks))
            return
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        bios = self._bios
        if bios.busy:
            return bios.aside(self.wrap, [data])
        bios.busy = True
        try:
            if 0 < len(data) <= LARGEST_PLAIN:
                self._ssl.write(data)
                out = bios.outgoing.read()
                self._out = self._out + out if self._out else out
            else:
                self._write(data)
        finally:
            bios.busy = False

    def _write(self, data: Chunk) -> None:
        write = self._ssl.write
        parts = [self._out]
        with memoryview(data) as view:
            for start in range(0, len(data), _BATCH):
                for at in range(start, min(start + _BATCH, len(data)), LARGEST_PLAIN):
                    write(view[at : at + LARGEST_PLAIN])  # one record each
                parts.append(self._bios.outgoing.read())
        self._out = b"".join(parts) if len(parts) > 2 or parts[0] else parts[-1]

    def finish(self) -> None:
        """See ``Filter.finish``: close_notify, once the handshake is done."""
        self._finished = True
        if not self.done and self.failure is None:
            self.held += 1
        bios = self._bios
        if bios.busy:
            return bios.aside(self.finish)
        if self.done and self.failure is None:
            bios.busy = True
            try:
                self._say_end()
            finally:
                self._leave_nothing()

    def _say_end(self) -> None:
        self._said_end = True
        try:
            self._ssl.unwrap()
        except ssl.SSLWantReadError:
            pass  # the peer's has not come yet
        except ssl.SSLError as error:
            self._fail(error)

    def output(self) -> bytes:
        """See ``Filter.output``; after a failure it is the alert that tells the peer."""
        out, self._out = self._out, b""
        return out

    def _take_output(self) -> None:
        out = self._bios.outgoing.read()
        self._out = self._out + out if self._out else out
