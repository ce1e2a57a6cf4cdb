"""One client's dialogue: lines in, answers out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from examples.smtp_service.answer import SILENCE, Answer, Then, answer

__all__ = ["Limits", "Message", "Session"]

_PATH = re.compile(r"(FROM|TO):<([^<>\s]*)>((?: \S+)*)", re.IGNORECASE)
"""The argument of MAIL and RCPT; a source route, which nobody sends any more, is no special case."""

_SIZE = re.compile(r"SIZE=(\d{1,20})", re.IGNORECASE)
_BODY = re.compile(r"BODY=(7BIT|8BITMIME)", re.IGNORECASE)

_BAD_ORDER = answer(503, "5.5.1 not now: EHLO, MAIL, RCPT and DATA is the order")
_BARE = answer(550, "5.5.2 a line ends with CR LF, and neither stands alone", then=Then.CLOSE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do.

    Attributes:
        size: Bytes of a message.
        recipients: Of a message; RFC 5321, 4.5.3.1.8, wants a hundred.
        mistakes: Wrong commands until the connection is closed.
    """

    size: int = 1 << 20
    recipients: int = 100
    mistakes: int = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A mail.

    Attributes:
        sender: The reverse path; empty for a report that something cannot be delivered.
        recipients: The forward paths.
        data: The text, lines ending with CR LF.
        secured: Whether it came by TLS.
    """

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    secured: bool


@dataclass(slots=True)
class _Transaction:
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)


class Session:
    """A dialogue (RFC 5321), that may be secured in its midst (RFC 3207).

    Args:
        name: The server's.
        deliver: Takes a message.
        limits: What the client may do.
        needs_tls: Whether mail is taken by TLS only.
    """

    def __init__(
        self, name: str, deliver: Callable[[Message], object], limits: Limits, needs_tls: bool = False
    ) -> None:
        self._name = name
        self._deliver = deliver
        self._limits = limits
        self._needs_tls = needs_tls
        self._secured = False
        self._greeted = False
        self._mistakes = 0
        self._mail = _Transaction()
        self._text: list[bytes] | None = None
        """The message that is coming; None between messages."""
        self._size = 0

    def begin(self) -> Answer:
        """Greets a client that has connected."""
        return answer(220, f"{self._name} ESMTP")

    def secure(self) -> None:
        """Forgets all that was said in plain, which may be anybody's; the client says EHLO again."""
        self._secured = True
        self._greeted = False
        self._mail = _Transaction()

    def too_long(self) -> Answer:
        """Answers to a line that is longer than lines may be."""
        return answer(500, "5.5.2 this line is too long", then=Then.CLOSE)

    def receive(self, line: bytes) -> Answer:
        """Takes a line without its CR LF.

        A CR or LF alone ends the dialogue: what one server takes for the end of a message and another does
        not can smuggle a second message past the first of them.
        """
        if b"\n" in line or b"\r" in line:
            return _BARE
        if self._text is not None:
            return self._take_text(line)
        name, _, argument = line.decode("utf-8", "replace").partition(" ")
        method = _COMMANDS.get(name.upper())
        reply = answer(500, "5.5.2 there is no such command") if method is None else method(self, argument)
        if reply.data[:2] == b"50":
            self._mistakes += 1
            if self._mistakes > self._limits.mistakes:
                return answer(421, "4.7.0 too many mistakes", then=Then.CLOSE)
        return reply

    def _ehlo(self, argument: str) -> Answer:
        if not argument.strip():
            return answer(501, "5.5.4 EHLO needs your name")
        self._greeted = True
        self._mail = _Transaction()
        offers = [f"SIZE {self._limits.size}", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"]
        return answer(250, self._name, *offers, *([] if self._secured else ["STARTTLS"]))

    def _helo(self, argument: str) -> Answer:
        if not argument.strip():
            return answer(501, "5.5.4 HELO needs your name")
        self._greeted = True
        self._mail = _Transaction()
        return answer(250, self._name)

    def _starttls(self, argument: str) -> Answer:
        if argument:
            return answer(501, "5.5.4 STARTTLS has no parameters")
        if self._secured:
            return answer(503, "5.5.1 this is TLS already")
        return answer(220, "2.0.0 begin", then=Then.START_TLS)

    def _mail_from(self, argument: str) -> Answer:
        if self._needs_tls and not self._secured:
            return answer(530, "5.7.0 say STARTTLS first")
        if not self._greeted or self._mail.sender is not None:
            return _BAD_ORDER
        path = _PATH.fullmatch(argument)
        if path is None or path[1].upper() != "FROM":
            return answer(501, "5.5.4 MAIL FROM:<address>")
        for parameter in path[3].split():
            size = _SIZE.fullmatch(parameter)
            if size is not None and int(size[1]) > self._limits.size:
                return answer(552, "5.3.4 the message is too large")
            if size is None and not _BODY.fullmatch(parameter):
                return answer(555, "5.5.4 there is no such parameter")
        self._mail.sender = path[2]
        return answer(250, "2.1.0 yes")

    def _rcpt_to(self, argument: str) -> Answer:
        if self._mail.sender is None:
            return _BAD_ORDER
        path = _PATH.fullmatch(argument)
        if path is None or path[1].upper() != "TO" or not path[2]:
            return answer(501, "5.5.4 RCPT TO:<address>")
        if path[3]:
            return answer(555, "5.5.4 there is no such parameter")
        if len(self._mail.recipients) >= self._limits.recipients:
            return answer(452, "4.5.3 too many recipients")
        self._mail.recipients.append(path[2])
        return answer(250, "2.1.5 yes")

    def _data(self, argument: str) -> Answer:
        if argument:
            return answer(501, "5.5.4 DATA has no parameters")
        if not self._mail.recipients:
            return _BAD_ORDER
        self._text = []
        self._size = 0
        return answer(354, "end with a line that is a dot")

    def _take_text(self, line: bytes) -> Answer:
        assert self._text is not None
        if line == b".":
            return self._end_text()
        self._size += len(line) + 2
        if self._size <= self._limits.size:
            self._text.append(line[1:] if line[:1] == b"." else line)  # RFC 5321, 4.5.2
        else:
            self._text.clear()  # the rest is thrown away as it comes
        return SILENCE

    def _end_text(self) -> Answer:
        mail, text = self._mail, self._text or []
        self._mail, self._text = _Transaction(), None
        if self._size > self._limits.size:
            return answer(552, "5.3.4 the message is too large")
        data = b"".join(line + b"\r\n" for line in text)
        self._deliver(Message(mail.sender or "", tuple(mail.recipients), data, self._secured))
        return answer(250, "2.0.0 it is taken")

    def _rset(self, argument: str) -> Answer:
        self._mail = _Transaction()
        return answer(250, "2.0.0 forgotten")

    def _noop(self, argument: str) -> Answer:
        return answer(250, "2.0.0 nothing done")

    def _vrfy(self, argument: str) -> Answer:
        return answer(252, "2.5.2 try and send it")

    def _quit(self, argument: str) -> Answer:
        return answer(221, "2.0.0 good bye", then=Then.CLOSE)


_COMMANDS: dict[str, Callable[[Session, str], Answer]] = {
    "EHLO": Session._ehlo,
    "HELO": Session._helo,
    "STARTTLS": Session._starttls,
    "MAIL": Session._mail_from,
    "RCPT": Session._rcpt_to,
    "DATA": Session._data,
    "RSET": Session._rset,
    "NOOP": Session._noop,
    "VRFY": Session._vrfy,
    "QUIT": Session._quit,
}
