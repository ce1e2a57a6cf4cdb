"""The dialogue of the SMTP example, without a network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from examples.smtp_service import Answer, Limits, Message, Session, Then

Talk = Callable[..., list[int]]


class Client:
    """Says lines and notes what comes."""

    def __init__(self, limits: Limits | None = None, needs_tls: bool = False) -> None:
        self.taken: list[Message] = []
        self.session = Session("here.example", self.taken.append, limits or Limits(), needs_tls)
        self.last = self.session.begin()

    def say(self, *lines: str | bytes) -> list[int]:
        """Returns the codes of the answers; 0 where there is none."""
        codes = []
        for line in lines:
            self.last = self.session.receive(line.encode() if isinstance(line, str) else line)
            codes.append(int(self.last.data[:3] or 0))
        return codes


@pytest.fixture
def client() -> Client:
    return Client()


MAIL = ("MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA")


def test_a_message(client: Client) -> None:
    assert client.last.data == b"220 here.example ESMTP\r\n"
    assert client.say("EHLO me", *MAIL) == [250, 250, 250, 354]
    assert client.say("Subject: x", "", "..", ".dot", "end", ".", "QUIT") == [0, 0, 0, 0, 0, 250, 221]
    assert client.last.then is Then.CLOSE
    text = b"Subject: x\r\n\r\n.\r\ndot\r\nend\r\n"
    assert client.taken == [Message("a@x.example", ("b@y.example",), text, secured=False)]


def test_several_messages_and_recipients(client: Client) -> None:
    client.say("HELO me")
    for _ in range(2):
        codes = client.say("mail from:<>", "rcpt to:<b@y.example>", "RCPT TO:<c@y.example>", "data", "x", ".")
        assert codes == [250, 250, 250, 354, 0, 250]
    assert [message.recipients for message in client.taken] == [("b@y.example", "c@y.example")] * 2
    assert client.taken[0].sender == ""


def test_what_is_offered(client: Client) -> None:
    client.say("EHLO me")
    offered = client.last.data.decode().split("\r\n")[:-1]
    assert [line[3] for line in offered] == ["-"] * (len(offered) - 1) + [" "]
    assert {line[4:] for line in offered} >= {"STARTTLS", "PIPELINING", "8BITMIME", f"SIZE {1 << 20}"}
    client.session.secure()
    client.say("EHLO me")
    assert b"STARTTLS" not in client.last.data


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["MAIL FROM:<a@x>"], [503]),
        (["EHLO"], [501]),
        (["HELO "], [501]),
        (["EHLO me", "RCPT TO:<b@y>"], [250, 503]),
        (["EHLO me", "DATA"], [250, 503]),
        (["EHLO me", "MAIL FROM:<a@x>", "DATA"], [250, 250, 503]),
        (["EHLO me", "MAIL FROM:<a@x>", "MAIL FROM:<a@x>"], [250, 250, 503]),
        (["EHLO me", "MAIL FROM:<a@x>", "RSET", "RCPT TO:<b@y>"], [250, 250, 250, 503]),
        (["EHLO me", "MAIL FROM:<a@x>", "EHLO me", "RCPT TO:<b@y>"], [250, 250, 250, 503]),
        (["EHLO me", "MAIL a@x"], [250, 501]),
        (["EHLO me", "MAIL TO:<a@x>"], [250, 501]),
        (["EHLO me", "MAIL FROM:<a@x> SIZE=10 BODY=8BITMIME"], [250, 250]),
        (["EHLO me", f"MAIL FROM:<a@x> SIZE={2 << 20}"], [250, 552]),
        (["EHLO me", "MAIL FROM:<a@x> ODD=1"], [250, 555]),
        (["EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<>"], [250, 250, 501]),
        (["EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@y> NOTIFY=NEVER"], [250, 250, 555]),
        (["EHLO me", *MAIL[:2], "DATA now"], [250, 250, 250, 501]),
        (["STARTTLS now"], [501]),
        (["NOOP", "VRFY you", "NONSENSE", "", b"\xff\xfe"], [250, 252, 500, 500, 500]),
    ],
)
def test_orders_and_arguments(client: Client, lines: list[str | bytes], codes: list[int]) -> None:
    assert client.say(*lines) == codes


def test_starttls_forgets_everything(client: Client) -> None:
    client.say("EHLO me", "MAIL FROM:<plain@x>")
    assert client.say("STARTTLS") == [220]
    assert client.last.then is Then.START_TLS
    client.session.secure()
    assert client.say("RCPT TO:<b@y>", "MAIL FROM:<a@x>", "STARTTLS") == [503, 503, 503]
    assert client.say("EHLO me", *MAIL, "x", ".") == [250, 250, 250, 354, 0, 250]
    assert client.taken[0].secured


def test_mail_by_tls_only() -> None:
    client = Client(needs_tls=True)
    assert client.say("EHLO me", "MAIL FROM:<a@x>", "NOOP", "STARTTLS") == [250, 530, 250, 220]
    client.session.secure()
    assert client.say("EHLO me", "MAIL FROM:<a@x>") == [250, 250]


def test_bounds() -> None:
    client = Client(Limits(size=10, recipients=2, mistakes=3))
    client.say("EHLO me", "MAIL FROM:<a@x>")
    assert client.say("RCPT TO:<b@y>", "RCPT TO:<c@y>", "RCPT TO:<d@y>", "DATA") == [250, 250, 452, 354]
    assert client.say("12345678", "x", "y", ".") == [0, 0, 0, 552]
    assert client.say(*MAIL, "12345678", ".") == [250, 250, 354, 0, 250]
    assert [message.data for message in client.taken] == [b"12345678\r\n"]
    assert client.say("?", "?", "?", "?") == [500, 500, 500, 421]
    assert client.last.then is Then.CLOSE


@pytest.mark.parametrize("line", [b"x\ny", b".\n", b"x\r", b"\n.\nMAIL FROM:<smuggled@x>"])
def test_a_bare_end_of_line_ends_the_dialogue(client: Client, line: bytes) -> None:
    client.say("EHLO me", *MAIL)
    assert client.say(line) == [550]
    assert client.last.then is Then.CLOSE and not client.taken


def test_an_answer_to_a_line_that_is_too_long(client: Client) -> None:
    assert client.session.too_long() == Answer(b"500 5.5.2 this line is too long\r\n", Then.CLOSE)
