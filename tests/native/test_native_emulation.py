"""The emulation of kqueue keeps what the manual pages promise; a real kqueue is held to the same."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

EV_RECEIPT, EV_DISPATCH = 0x40, 0x80

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def queue(system: Any) -> Iterator[Any]:
    opened = system.kqueue()
    yield opened
    opened.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture
def tcp() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture
def add(system: Any, queue: Any) -> Callable[..., None]:
    """Adds a filter: ``add(ident, flags=0, **fields)``."""

    def apply(ident: Any, flags: int = 0, **fields: int) -> None:
        ident = ident if isinstance(ident, int) else ident.fileno()
        queue.control([system.kevent(ident, flags=system.KQ_EV_ADD | flags, **fields)], 0)

    return apply


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def fill(sock: socket.socket) -> None:
    try:
        while True:
            sock.send(b"x" * 65536)
    except BlockingIOError:
        pass


def drain(sock: socket.socket) -> None:
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        pass


def fails_with(number: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno == number


def test_readable_is_told_with_the_number_of_bytes_until_they_are_read(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near)
    assert queue.control([], 8, 0) == []
    far.send(b"12345")
    for _ in range(2):
        (event,) = queue.control([], 8, 5)
        assert (event.ident, event.filter, event.data) == (near.fileno(), system.KQ_FILTER_READ, 5)
        assert not event.flags & system.KQ_EV_EOF
    drain(near)
    assert queue.control([], 8, 0) == []


def test_each_filter_of_a_descriptor_has_its_own_event(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    far.send(b"!")
    add(near)
    add(near, filter=system.KQ_FILTER_WRITE)
    found = {event.filter: event.data for event in queue.control([], 8, 5)}
    assert set(found) == {system.KQ_FILTER_READ, system.KQ_FILTER_WRITE}
    assert found[system.KQ_FILTER_WRITE] > 0
    fill(near)
    assert [event.filter for event in queue.control([], 8, 0)] == [system.KQ_FILTER_READ]


def test_no_more_events_than_there_is_room_for_and_the_rest_later(
    queue: Any, add: Callable[..., None]
) -> None:
    pairs = [socket.socketpair() for _ in range(6)]
    for near, far in pairs:
        add(near, 0x20)  # EV_CLEAR: each is told once
        far.send(b"!")
    seen: list[int] = []
    while len(seen) < 6:
        events = queue.control([], 2, 5)
        assert 0 < len(events) <= 2
        seen += [event.ident for event in events]
    assert sorted(seen) == sorted(near.fileno() for near, _ in pairs)
    for near, far in pairs:
        near.close()
        far.close()


def test_clear_tells_news_once(system: Any, queue: Any, add: Callable[..., None], pair: Pair) -> None:
    near, far = pair
    add(near, system.KQ_EV_CLEAR)
    for _ in range(3):
        far.send(b"!")
        assert len(queue.control([], 8, 5)) == 1
        assert queue.control([], 8, 0) == []


def test_the_end_is_told_with_bytes_still_there_and_after(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near)
    far.send(b"last")
    far.close()
    (event,) = queue.control([], 8, 5)
    assert event.flags & system.KQ_EV_EOF
    assert event.data == 4
    drain(near)
    for _ in range(2):
        (event,) = queue.control([], 8, 5)
        assert event.flags & system.KQ_EV_EOF
        assert (event.data, event.fflags) == (0, 0)


def test_the_end_of_one_half_is_no_end_of_the_other(
    system: Any, queue: Any, add: Callable[..., None], tcp: Pair
) -> None:
    near, far = tcp
    add(near)
    far.shutdown(socket.SHUT_WR)
    (event,) = queue.control([], 8, 5)
    assert event.flags & system.KQ_EV_EOF
    assert event.fflags == 0
    add(near, filter=system.KQ_FILTER_WRITE)
    events = {event.filter: event for event in queue.control([], 8, 5)}
    assert not events[system.KQ_FILTER_WRITE].flags & system.KQ_EV_EOF


def test_a_reset_is_told_with_the_error_on_both_filters(
    system: Any, queue: Any, add: Callable[..., None], tcp: Pair
) -> None:
    near, far = tcp
    add(near, system.KQ_EV_CLEAR)
    add(near, system.KQ_EV_CLEAR, filter=system.KQ_FILTER_WRITE)
    queue.control([], 8, 0)
    reset(far)
    ended = set()
    while len(ended) < 2:
        for event in queue.control([], 8, 5):
            if event.flags & system.KQ_EV_EOF:
                assert event.fflags == errno.ECONNRESET
                ended.add(event.filter)
    with pytest.raises(ConnectionResetError):  # the error has not been taken from the socket
        near.recv(1)


@pytest.fixture
def failed() -> Iterator[socket.socket]:
    """A datagram socket whose last datagram has found nobody."""
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        far.bind(("127.0.0.1", 0))
        near.connect(far.getsockname())
        far.close()
        near.send(b"!")
        select.select([near], [], [], 5)
        yield near


def test_an_error_of_a_datagram_socket_is_no_end(
    system: Any, queue: Any, add: Callable[..., None], failed: socket.socket
) -> None:
    add(failed)
    add(failed, system.KQ_EV_CLEAR, filter=system.KQ_FILTER_WRITE, fflags=system.KQ_NOTE_LOWAT, data=1 << 30)
    events = {event.filter: event for event in queue.control([], 8, 5)}
    assert set(events) == {system.KQ_FILTER_READ, system.KQ_FILTER_WRITE}
    for event in events.values():
        assert not event.flags & system.KQ_EV_EOF
        assert event.fflags == 0
    assert events[system.KQ_FILTER_READ].data == 0
    with pytest.raises(ConnectionRefusedError):
        failed.recv(1)


def test_a_low_water_mark_beyond_the_buffer_is_its_size(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, _ = pair
    add(near, system.KQ_EV_CLEAR, filter=system.KQ_FILTER_WRITE, fflags=system.KQ_NOTE_LOWAT, data=1 << 30)
    assert [event.ident for event in queue.control([], 8, 5)] == [near.fileno()]
    assert queue.control([], 8, 0) == []


def test_a_pipe_without_a_reader_has_ended(system: Any, queue: Any, add: Callable[..., None]) -> None:
    reading, writing = os.pipe()
    add(writing, filter=system.KQ_FILTER_WRITE)
    (event,) = queue.control([], 8, 5)
    assert not event.flags & system.KQ_EV_EOF
    os.close(reading)
    (event,) = queue.control([], 8, 5)
    assert event.flags & system.KQ_EV_EOF
    os.close(writing)


def test_a_listener_is_readable_by_its_queue_of_connections(queue: Any, add: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        add(listener)
        with socket.create_connection(listener.getsockname()):
            (event,) = queue.control([], 8, 5)
            assert event.data == 1


def test_low_water_keeps_silent_about_fewer_bytes_but_not_about_the_end(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, fflags=system.KQ_NOTE_LOWAT, data=4)
    far.send(b"123")
    assert queue.control([], 8, 0.01) == []
    far.send(b"4")
    for _ in range(2):
        (event,) = queue.control([], 8, 5)
        assert event.data == 4
    near.recv(2)
    assert queue.control([], 8, 0.01) == []
    far.close()
    (event,) = queue.control([], 8, 5)
    assert event.flags & system.KQ_EV_EOF


def test_to_add_again_changes_the_parameters_and_makes_no_second(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, udata=1)
    add(near, udata=2)
    far.send(b"!")
    (event,) = queue.control([], 8, 5)
    assert event.udata == 2


def test_to_add_again_looks_anew_but_leaves_clear_as_it_was(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, system.KQ_EV_CLEAR)
    far.send(b"!")
    assert len(queue.control([], 8, 5)) == 1
    add(near)
    assert len(queue.control([], 8, 5)) == 1
    assert queue.control([], 8, 0) == []


def test_what_is_not_there_cannot_be_changed(system: Any, queue: Any, pair: Pair) -> None:
    fd = pair[0].fileno()
    for flags in (system.KQ_EV_DELETE, system.KQ_EV_ENABLE, system.KQ_EV_DISABLE):
        fails_with(errno.ENOENT, lambda flags=flags: queue.control([system.kevent(fd, flags=flags)], 0))
    queue.control([system.kevent(fd)], 0)
    queue.control([system.kevent(fd, flags=system.KQ_EV_DELETE)], 0)
    fails_with(errno.ENOENT, lambda: queue.control([system.kevent(fd, flags=system.KQ_EV_DELETE)], 0))


def test_closed_descriptors_and_strange_filters_are_refused(system: Any, queue: Any, pair: Pair) -> None:
    fd = pair[0].fileno()
    pair[0].close()
    fails_with(errno.EBADF, lambda: queue.control([system.kevent(fd)], 0))
    fails_with(errno.EINVAL, lambda: queue.control([system.kevent(pair[1].fileno(), filter=-99)], 0))


def test_a_change_that_fails_becomes_an_event_and_the_others_go_on(
    system: Any, queue: Any, pair: Pair
) -> None:
    near, far = pair
    far.send(b"!")
    changes = [
        system.kevent(near.fileno(), filter=system.KQ_FILTER_WRITE, flags=system.KQ_EV_DELETE),
        system.kevent(near.fileno()),
    ]
    (event,) = queue.control(changes, 8, 5)
    assert event.flags & system.KQ_EV_ERROR
    assert (event.filter, event.data) == (system.KQ_FILTER_WRITE, errno.ENOENT)
    (event,) = queue.control([], 8, 5)
    assert event.filter == system.KQ_FILTER_READ


def test_without_room_for_the_error_the_call_fails_and_the_rest_is_left(
    system: Any, queue: Any, pair: Pair
) -> None:
    fd = pair[0].fileno()
    pair[1].send(b"!")
    changes = [system.kevent(fd, flags=system.KQ_EV_DELETE), system.kevent(fd)]
    fails_with(errno.ENOENT, lambda: queue.control(changes, 0))
    assert queue.control([], 8, 0) == []


def test_receipts_are_given_instead_of_events(system: Any, queue: Any, pair: Pair) -> None:
    near, far = pair
    far.send(b"!")
    change = system.kevent(near.fileno(), flags=system.KQ_EV_ADD | EV_RECEIPT)
    (event,) = queue.control([change], 8, 5)
    assert event.flags & system.KQ_EV_ERROR
    assert event.data == 0
    (event,) = queue.control([], 8, 5)
    assert not event.flags & system.KQ_EV_ERROR


def test_oneshot_is_gone_after_its_event(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, system.KQ_EV_ONESHOT)
    far.send(b"!")
    assert len(queue.control([], 8, 5)) == 1
    assert queue.control([], 8, 0) == []
    delete = system.kevent(near.fileno(), flags=system.KQ_EV_DELETE)
    fails_with(errno.ENOENT, lambda: queue.control([delete], 0))


def test_dispatch_rests_until_it_is_enabled(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, EV_DISPATCH)
    far.send(b"!")
    assert len(queue.control([], 8, 5)) == 1
    assert queue.control([], 8, 0) == []
    assert len(queue.control([system.kevent(near.fileno(), flags=system.KQ_EV_ENABLE)], 8, 5)) == 1


def test_disabled_is_silent_and_kept(system: Any, queue: Any, add: Callable[..., None], pair: Pair) -> None:
    near, far = pair
    add(near, system.KQ_EV_DISABLE)
    far.send(b"!")
    assert queue.control([], 8, 0) == []
    assert len(queue.control([system.kevent(near.fileno(), flags=system.KQ_EV_ENABLE)], 8, 5)) == 1


@pytest.mark.parametrize("clear", [True, False])
def test_a_user_event_wakes_from_another_thread(
    system: Any, queue: Any, add: Callable[..., None], clear: bool
) -> None:
    if not hasattr(system, "NOTE_TRIGGER"):
        pytest.skip("the standard library does not have EVFILT_USER")
    add(7, system.KQ_EV_CLEAR if clear else 0, filter=system.KQ_FILTER_USER)
    assert queue.control([], 8, 0) == []
    trigger = system.kevent(7, filter=system.KQ_FILTER_USER, flags=0, fflags=system.NOTE_TRIGGER)
    thread = threading.Thread(target=queue.control, args=([trigger], 0))
    thread.start()
    (event,) = queue.control([], 8, None)
    thread.join()
    assert (event.ident, event.filter) == (7, system.KQ_FILTER_USER)
    assert len(queue.control([], 8, 0)) == (0 if clear else 1)


@pytest.mark.parametrize("flags", ["KQ_EV_ADD", "KQ_EV_CLEAR"])
def test_a_queue_is_readable_while_it_has_events(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair, flags: str
) -> None:
    def is_readable() -> bool:
        return bool(select.select([queue.fileno()], [], [], 0)[0])

    add(pair[0], getattr(system, flags))
    add(0, system.KQ_EV_CLEAR, filter=system.KQ_FILTER_USER)
    assert not is_readable()
    pair[1].send(b"!")
    assert is_readable()
    assert len(queue.control([], 8, 0)) == 1
    assert is_readable() is (flags == "KQ_EV_ADD")
    pair[0].recv(1)
    queue.control([], 8, 0)  # by which a queue learns of what is over, as it may
    assert not is_readable()
    trigger = system.kevent(0, filter=system.KQ_FILTER_USER, flags=0, fflags=system.NOTE_TRIGGER)
    queue.control([trigger], 0)
    assert is_readable()
    assert len(queue.control([], 8, 0)) == 1
    assert not is_readable()


def test_a_user_event_that_is_not_there_cannot_be_triggered(system: Any, queue: Any) -> None:
    if not hasattr(system, "NOTE_TRIGGER"):
        pytest.skip("the standard library does not have EVFILT_USER")
    trigger = system.kevent(7, filter=system.KQ_FILTER_USER, flags=0, fflags=system.NOTE_TRIGGER)
    fails_with(errno.ENOENT, lambda: queue.control([trigger], 0))


def test_a_timer_repeats_unless_it_is_oneshot(system: Any, queue: Any, add: Callable[..., None]) -> None:
    add(1, system.KQ_EV_ONESHOT, filter=system.KQ_FILTER_TIMER, data=1)
    (event,) = queue.control([], 8, 5)
    assert (event.ident, event.filter, event.data >= 1) == (1, system.KQ_FILTER_TIMER, True)
    assert queue.control([], 8, 0.01) == []
    add(1, filter=system.KQ_FILTER_TIMER, data=1)
    for _ in range(3):
        (event,) = queue.control([], 8, 5)
        assert event.data >= 1


@pytest.mark.parametrize("duplicated", [False, True])
def test_close_removes_the_filters(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair, duplicated: bool
) -> None:
    near, far = pair
    add(near)
    fd = near.detach()
    twin = os.dup(fd) if duplicated else -1
    far.send(b"!")
    system.close(fd)
    assert queue.control([], 8, 0) == []
    again = os.open(os.devnull, os.O_RDONLY)
    delete = system.kevent(fd, flags=system.KQ_EV_DELETE)
    fails_with(errno.ENOENT if again == fd else errno.EBADF, lambda: queue.control([delete], 0))
    os.close(again)
    if duplicated:
        os.close(twin)


def test_a_new_file_under_an_old_number_is_a_new_filter(
    system: Any, queue: Any, add: Callable[..., None], pair: Pair
) -> None:
    near, far = pair
    add(near, system.KQ_EV_CLEAR)
    os.dup2(far.fileno(), near.fileno())  # closes it without the emulation being told
    delete = system.kevent(near.fileno(), flags=system.KQ_EV_DELETE)
    fails_with(errno.ENOENT, lambda: queue.control([delete], 0))


def test_a_closed_queue_is_refused_and_nothing_stays_open(system: Any) -> None:
    with open(os.devnull) as file:
        lowest = file.fileno()
    queue = system.kqueue()
    number = queue.fileno()
    queue.control([system.kevent(1, filter=system.KQ_FILTER_TIMER, data=1000)], 0)
    queue.close()
    with open(os.devnull) as file:
        assert file.fileno() == lowest == number
        with pytest.raises((OSError, ValueError)):
            queue.control([], 1, 0)
