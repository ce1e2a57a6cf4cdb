"""Which names a request may call the server by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcore import Address
from netcore.admin.hosts import is_ours

HERE = Address.parse("tcp://127.0.0.1:9100")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:9100", "127.0.0.1:1", "127.0.0.1:", "10.1.2.3:80", "0.0.0.0"),
        *("[::1]", "[::1]:9100", "[fe80::1%25eth0]:9100", "[::ffff:127.0.0.1]"),
        *("localhost", "localhost:9100", "LOCALHOST", "localhost.", "app.localhost:65535"),
    ],
)
def test_numbers_and_localhost_are(host):
    assert is_ours(host, HERE)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:9100", "localhost.evil.example", "notlocalhost"),
        *("127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:123456", "127.0.0.1:80:80", "user@127.0.0.1"),
        *("[::1", "::1", "[::1]x", "[evil.example]", "[127.0.0.1]", "0x7f000001", "2130706433", "127.1"),
        *(
            "127.0.0.1/",
            " 127.0.0.1",
            "127.0.0.1 ",
            "localhost\n",
            "localhost,evil.example",
            "\u017focalhost",
        ),
    ],
)
def test_others_are_not(host):
    assert not is_ours(host, HERE)


def test_the_name_that_it_listens_by_is_one():
    address = Address.parse("tcp://admin.example:9100")
    assert is_ours("admin.example:9100", address)
    assert is_ours("Admin.Example.", address)
    assert not is_ours("other.example", address)
    assert not is_ours("", Address.parse("tcp://:9100"))
    assert is_ours("localhost", Address.parse("unix:///run/admin"))
    assert not is_ours("evil.example", Address.parse("unix:///run/admin"))


@given(st.text())
def test_no_text_is_too_odd(host):
    assert is_ours(host, HERE) in (True, False)
