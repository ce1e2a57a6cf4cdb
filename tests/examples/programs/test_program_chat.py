"""The chat example, with nc for its members."""

from __future__ import annotations

import socket

import pytest

pytestmark = pytest.mark.clients


def join(talk, program, name: str):
    """Lets a member in under a name."""
    member = talk(program)
    assert member.hear().startswith("* welcome, guest")
    member.say(f"/nick {name}")
    assert member.hear() == f"* you are {name}"
    return member


@pytest.mark.parametrize("loops", ["1", "2"])
def test_what_one_says_the_others_hear_whatever_their_loop(talk, start, loops: str) -> None:
    chat = start("chat", "--loops", loops)
    anna = join(talk, chat, "anna")
    ben = join(talk, chat, "ben")
    anna.hear_until("is now ben")
    carla = join(talk, chat, "carla")
    for member in (anna, ben):
        member.hear_until("is now carla")
    anna.say("hello", "", "is anybody here?")
    for member in (ben, carla):
        assert [member.hear(), member.hear()] == ["anna: hello", "anna: is anybody here?"]
    ben.say("yes, Grüße \x1b[31mfrom\x07 ben")
    for member in (anna, carla):
        assert member.hear() == "ben: yes, Grüße [31mfrom ben"
    carla.say("/who", "/quit")
    assert carla.hear() == "* here: anna, ben, carla"
    assert carla.hear_all() == ""
    for member in (anna, ben):
        assert member.hear() == "* carla has left"


def test_names_are_short_plain_and_unique(talk, start) -> None:
    chat = start("chat")
    anna = join(talk, chat, "anna")
    ben = join(talk, chat, "ben")
    ben.say("/nick anna", "/nick", "/nick " + "x" * 21, "/nick a;b", "/nick ben", "/dance")
    assert [ben.hear() for _ in range(6)] == [
        "* that name is taken",
        "* a name is 1 to 20 letters and digits",
        "* a name is 1 to 20 letters and digits",
        "* a name is 1 to 20 letters and digits",
        "* that name is taken",
        "* the commands are /nick NAME, /who and /quit",
    ]
    anna.say("/quit")
    ben.hear_until("anna has left")
    ben.say("/nick anna")
    assert ben.hear() == "* you are anna"


def test_a_line_has_a_limit(talk, start) -> None:
    chat = start("chat")
    anna = join(talk, chat, "anna")
    ben = join(talk, chat, "ben")
    anna.hear_until("is now ben")
    ben.say("x" * 512)
    assert anna.hear() == "ben: " + "x" * 512
    ben.say("y" * 513)
    assert ben.hear_all() == "* that line is too long\n"
    assert anna.hear() == "* ben has left"


def test_a_member_who_does_not_read_is_dropped_and_the_others_are_not_held_up(talk, start) -> None:
    chat = start("chat", "--loops", "2")
    anna = join(talk, chat, "anna")
    ben = join(talk, chat, "ben")
    anna.hear_until("is now ben")
    with socket.socket() as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.connect((chat.addresses[0].host, chat.addresses[0].port))
        for member in (anna, ben):
            member.hear_until("has joined")
        lines = ["x" * 500] * 20
        heard: list[str] = []
        for _ in range(200):  # far more than all buffers on the way hold
            ben.say(*lines)
            heard = anna.hear_until("x" * 500)
            for _ in lines[1:]:
                heard += anna.hear_until("x" * 500)
            if any("too slow" in line for line in heard):
                break
        assert [line for line in heard if "too slow" in line] != []
    anna.say("good night")
    assert "anna: good night" in ben.hear_until("good night")[-1]
