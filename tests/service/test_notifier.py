"""What a service says, and that saying it never holds it up; see sd_notify(3)."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

import pytest

from netcore.service import Notifier

pytestmark = pytest.mark.unix_sockets


@pytest.fixture
def notifier(manager):
    with Notifier(manager.address) as notifier:
        yield notifier


def test_each_message(manager, notifier):
    notifier.ready()
    notifier.ready("serving")
    notifier.stopping()
    notifier.main_pid(7)
    notifier.status("42 clients")
    notifier.status("")
    notifier.extend_timeout(1.5)
    notifier.watchdog()
    assert [manager.hear() for _ in range(8)] == [
        {"READY": "1"},
        {"READY": "1", "STATUS": "serving"},
        {"STOPPING": "1"},
        {"MAINPID": "7"},
        {"STATUS": "42 clients"},
        {"STATUS": ""},
        {"EXTEND_TIMEOUT_USEC": "1500000"},
        {"WATCHDOG": "1"},
    ]


def test_a_reload_says_when(manager, notifier):
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading("again")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    message = manager.hear()
    assert before <= int(message.pop("MONOTONIC_USEC")) <= after
    assert message == {"RELOADING": "1", "STATUS": "again"}


@pytest.mark.parametrize(
    "text",
    ["a\nREADY=1", "a\r\nb", "a\0b", "\n", "a\x1b[31mb", "\ud800", "é" * 5000, " lines \n\n of \n it "],
)
def test_a_status_forges_no_line(manager, notifier, text):
    notifier.stopping(text)
    message = manager.hear()
    assert set(message) <= {"STOPPING", "STATUS"}
    assert message.get("STATUS", "x").isprintable()
    assert len(message.get("STATUS", "").encode()) <= 2048


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
def test_an_abstract_name(manager_at):
    manager = manager_at(f"@netcore-{os.getpid()}")
    with Notifier.from_environment({"NOTIFY_SOCKET": manager.address}) as notifier:
        notifier.ready()
        assert manager.hear() == {"READY": "1"}


@pytest.mark.parametrize(
    "address",
    ["", "@", "/", "vsock:2:1234", "vsock-stream:2:1234", "run/relative", "/no/such/place", "/" * 500],
)
def test_nobody_to_tell_is_no_trouble(address):
    with Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"}) as notifier:
        assert notifier.active == (address[:1] == "/" and len(address) > 1)
        assert notifier.watchdog_interval == (0.001 if notifier.active else None)
        notifier.ready("anybody?")
        notifier.watchdog()
        assert notifier.flush()
    with Notifier.from_environment({}) as notifier:
        assert not notifier.active


def test_a_manager_that_is_gone_is_no_trouble(manager, notifier):
    notifier.ready()
    manager.close()
    notifier.stopping()
    os.unlink(manager.address)
    notifier.stopping()
    assert notifier.flush()


def hear_all(manager, notifier):
    """Hears what was sent, and what has waited for that."""
    heard = manager.heard()
    while not notifier.flush():
        heard += manager.heard()
    return heard + manager.heard()


def fill(notifier):
    """Says something until there is no room for it; returns how many times."""
    for said in range(1, 100_000):
        notifier.status(f"{said}")
        if not notifier.flush():
            return said
    raise AssertionError("there is always room")


def test_a_full_socket_holds_up_nobody_and_loses_no_news(manager, notifier):
    """The kernel takes so many datagrams for a socket and no more (net.unix.max_dgram_qlen)."""
    said = fill(notifier)
    notifier.watchdog()  # would be old by the time there is room
    notifier.ready()
    expected = [{"STATUS": f"{i}"} for i in range(1, said + 1)]
    assert hear_all(manager, notifier) == [*expected, {"READY": "1"}]
    notifier.watchdog()
    assert manager.hear() == {"WATCHDOG": "1"}


def test_what_waits_is_bounded_and_the_last_is_kept(manager, notifier):
    fill(notifier)
    for i in range(1000):
        notifier.status(f"late {i}")
    heard = hear_all(manager, notifier)
    assert heard[-1] == {"STATUS": "late 999"}
    assert sum(message["STATUS"].startswith("late") for message in heard) == 16


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({}, None),
        *(
            ({"WATCHDOG_USEC": text}, None)
            for text in ("", "0", "-1", "1.5", "soon", "٣", "9" * 30, str(2**64 - 1))
        ),
    ],
)
def test_the_watchdog_is_this_processs_or_not(environ, interval):
    with Notifier.from_environment({"NOTIFY_SOCKET": "/run/nobody", **environ}) as notifier:
        assert notifier.watchdog_interval == interval


def test_it_works_without_a_descriptor_left(manager, notifier):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        notifier.watchdog()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert manager.hear() == {"WATCHDOG": "1"}


def test_many_threads_say_each_thing_once(manager, notifier):
    def say(number):
        for i in range(50):
            notifier.status(f"{number} {i}")
            while not notifier.flush():
                pass

    threads = [threading.Thread(target=say, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    heard = sorted(manager.hear()["STATUS"] for _ in range(200))
    for thread in threads:
        thread.join()
    assert heard == sorted(f"{number} {i}" for number in range(4) for i in range(50))
    assert hear_all(manager, notifier) == []


def test_it_is_not_inherited_and_closes_once(manager, notifier):
    assert not notifier._socket.get_inheritable()
    notifier.close()
    notifier.close()
    notifier.ready()
    notifier.watchdog()
    assert not notifier.active
    assert manager.heard() == []


def test_a_peer_of_another_kind_is_nobody(tmp_path_factory):
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind(f"{folder}/s")
        stream.listen()
        with Notifier(f"{folder}/s") as notifier:
            notifier.ready()
            assert notifier.flush()
