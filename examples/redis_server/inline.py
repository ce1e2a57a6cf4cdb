"""Inline requests: a line of words, as typed into telnet."""

from __future__ import annotations

import re

# A quote ends only before a space or at the end of the line: "a"b is an error, as it is in Redis.
_END = rb"(?=\s|\Z)"
_DOUBLE = rb'"((?:[^"\\]|\\.)*)"' + _END
_SINGLE = rb"'((?:[^'\\]|\\'|\\(?!'))*)'" + _END
_PIECE = re.compile(_DOUBLE + rb"|" + _SINGLE + rb"|([^\s\"']+)", re.DOTALL)
_SPACE = re.compile(rb"\s*")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_words(line: bytes) -> list[bytes] | None:
    r"""Split a line into words; None if its quotes do not match.

    Inside double quotes the escapes of C work, inside single quotes only ``\'``. A quoted piece and a
    plain one next to each other are one word.
    """
    if b'"' not in line and b"'" not in line:
        return line.split()
    words: list[bytes] = []
    position = _SPACE.match(line).end()  # type: ignore[union-attr]  # it matches the empty string
    while position < len(line):
        word = b""
        while piece := _PIECE.match(line, position):
            word += _value(piece)
            position = piece.end()
        end = _SPACE.match(line, position).end()  # type: ignore[union-attr]
        if end == position < len(line):
            return None
        words.append(word)
        position = end
    return words


def _value(piece: re.Match[bytes]) -> bytes:
    double, single, plain = piece.groups()
    if double is not None:
        return _ESCAPE.sub(_unescape, double)
    if single is not None:
        return single.replace(b"\\'", b"'")
    return plain


def _unescape(match: re.Match[bytes]) -> bytes:
    code, letter = match.groups()
    return bytes([int(code, 16)]) if code else _CONTROL.get(letter, letter)
