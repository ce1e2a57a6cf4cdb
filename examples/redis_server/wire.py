"""Replies as bytes.

Commands return what goes on the wire, so that nothing has to be walked a second time. What RESP3 says
differently (nulls, doubles, maps, sets, verbatim strings) goes through the connection's `Wire`; the rest
are plain functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import hiredis

from .numeric import format_float

OK = b"+OK\r\n"
ZERO = b":0\r\n"
ONE = b":1\r\n"
EMPTY_ARRAY = b"*0\r\n"


def integer(number: int) -> bytes:
    """An integer."""
    return b":%d\r\n" % number


def bulk(value: bytes | bytearray) -> bytes:
    """A string of any bytes."""
    return b"$%d\r\n%b\r\n" % (len(value), value)  # type: ignore[str-format]  # a bytearray is fine


def status(text: str) -> bytes:
    """A short string without line ends."""
    return b"+%b\r\n" % text.encode()


def array(replies: Sequence[bytes]) -> bytes:
    """An array of replies which are encoded already."""
    return b"*%d\r\n%b" % (len(replies), b"".join(replies))


def bulks(values: Iterable[bytes]) -> bytes:
    """An array of strings."""
    # A request is an array of strings too, and hiredis writes one at C speed.
    packed: bytes = hiredis.pack_command(tuple(values))  # type: ignore[arg-type]  # the stub says 1-tuple
    return packed


class Wire:
    """RESP2, which every connection starts with."""

    version = 2
    null = b"$-1\r\n"
    null_array = b"*-1\r\n"

    def double(self, number: float) -> bytes:
        """A floating point number."""
        return bulk(format_float(number))

    def verbatim(self, text: str) -> bytes:
        """A text meant to be shown as it is."""
        return bulk(text.encode())

    def set_of(self, values: Iterable[bytes]) -> bytes:
        """Strings in no particular order."""
        return bulks(values)

    def set_array(self, replies: Sequence[bytes]) -> bytes:
        """A set of replies which are encoded already."""
        return array(replies)

    def map_of(self, flat: Iterable[bytes]) -> bytes:
        """A map of strings to strings, given as key, value, key, value, ..."""
        return bulks(flat)

    def mapping(self, pairs: Sequence[tuple[str, bytes]]) -> bytes:
        """A map of names to replies which are encoded already."""
        return array([part for name, reply in pairs for part in (bulk(name.encode()), reply)])

    def pairs(self, flat: Sequence[bytes]) -> bytes:
        """Strings that belong together two by two, given flat."""
        return bulks(flat)

    def scored(self, members: Iterable[tuple[float, bytes]]) -> bytes:
        """Members of a sorted set with their scores."""
        return bulks(part for score, member in members for part in (member, format_float(score)))

    def popped(self, score: float, member: bytes) -> bytes:
        """One member of a sorted set with its score."""
        return array([bulk(member), self.double(score)])


class Wire3(Wire):
    """RESP3, which a connection asks for with ``HELLO 3``."""

    version = 3
    null = b"_\r\n"
    null_array = b"_\r\n"

    def double(self, number: float) -> bytes:
        """A floating point number."""
        return b",%b\r\n" % format_float(number)

    def verbatim(self, text: str) -> bytes:
        """A text meant to be shown as it is."""
        encoded = text.encode()
        return b"=%d\r\ntxt:%b\r\n" % (len(encoded) + 4, encoded)

    def set_of(self, values: Iterable[bytes]) -> bytes:
        """Strings in no particular order."""
        return b"~" + bulks(values)[1:]

    def set_array(self, replies: Sequence[bytes]) -> bytes:
        """A set of replies which are encoded already."""
        return b"~" + array(replies)[1:]

    def map_of(self, flat: Iterable[bytes]) -> bytes:
        """A map of strings to strings, given as key, value, key, value, ..."""
        parts = tuple(flat)
        return b"%%%d\r\n%b" % (len(parts) // 2, _items(bulks(parts)))

    def mapping(self, pairs: Sequence[tuple[str, bytes]]) -> bytes:
        """A map of names to replies which are encoded already."""
        return b"%%%d\r\n%b" % (len(pairs), _items(super().mapping(pairs)))

    def pairs(self, flat: Sequence[bytes]) -> bytes:
        """Strings that belong together two by two, given flat."""
        return array([bulks(pair) for pair in zip(flat[::2], flat[1::2], strict=True)])

    def scored(self, members: Iterable[tuple[float, bytes]]) -> bytes:
        """Members of a sorted set with their scores."""
        return array([self.popped(score, member) for score, member in members])


def _items(encoded: bytes) -> bytes:
    """An encoded array without the line that gives its length."""
    return encoded[encoded.index(b"\n") + 1 :]


RESP2 = Wire()
RESP3 = Wire3()
