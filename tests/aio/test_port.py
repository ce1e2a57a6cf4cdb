"""The thread that waits at a completion port, on a port that is a queue."""

import queue
import threading

import pytest

from netcore.aio.port import Watch

END = object()


class QueuePort:
    """A ``Port`` without Windows."""

    def __init__(self):
        self.completions = queue.SimpleQueue()
        self.waits = 0

    def wait(self):
        self.waits += 1
        completion = self.completions.get()
        if completion is END:
            return False
        if isinstance(completion, OSError):
            raise completion
        self.completions.put(completion)
        return True

    def end(self):
        self.completions.put(END)

    def look(self):
        """Takes all there is, as the loop does."""
        found = []
        while not self.completions.empty():
            found.append(self.completions.get())
        return found


class Listener:
    """What is told; ``heard`` takes one word off."""

    def __init__(self, error=None):
        self.words = threading.Semaphore(0)
        self.error = error

    def __call__(self):
        self.words.release()
        if self.error is not None:
            raise self.error

    def heard(self):
        return self.words.acquire(timeout=30)

    def silent(self):
        return not self.words.acquire(blocking=False)


def ended(watch):
    watch._thread.join(30)
    return not watch._thread.is_alive()


def test_tells_once_until_it_was_looked():
    port, listener = QueuePort(), Listener()
    watch = Watch(port, listener)
    port.completions.put("a")
    assert listener.heard()
    port.completions.put("b")
    assert listener.silent()
    assert port.look() == ["a", "b"]
    watch.resume()
    port.completions.put("c")
    assert listener.heard()
    assert port.look() == ["c"]
    watch.stop()
    assert listener.silent()


def test_what_was_left_is_told_again():
    port, listener = QueuePort(), Listener()
    watch = Watch(port, listener)
    port.completions.put("a")
    assert listener.heard()
    watch.resume()
    assert listener.heard()
    watch.stop()
    assert port.look() == ["a"]


def test_stops_while_it_waits_and_before_it_has():
    for _ in range(50):
        watch = Watch(QueuePort(), Listener())
        watch.stop()
        assert ended(watch)


@pytest.mark.parametrize("before", [True, False])
def test_what_has_come_by_the_end_stays(before):
    port, listener = QueuePort(), Listener()
    watch = Watch(port, listener)
    port.completions.put("a")
    if before:
        assert listener.heard()
    watch.stop()
    assert ended(watch)
    assert port.look() == ["a"]


def test_nobody_listens_any_more():
    port, listener = QueuePort(), Listener(RuntimeError("Event loop is closed"))
    watch = Watch(port, listener)
    port.completions.put("a")
    assert listener.heard()
    assert listener.silent()  # it does not ask again and again
    watch.stop()
    assert port.waits <= 3


def test_stopped_on_its_own_thread():
    port = QueuePort()
    watch = Watch(port, lambda: watch.stop())
    port.completions.put("a")
    assert ended(watch)
    assert port.look() == ["a"]
    assert port.waits == 1  # the handle may be another's by then


def test_the_port_is_closed():
    port = QueuePort()
    watch = Watch(port, Listener())
    port.completions.put(OSError(6, "Invalid handle"))
    assert ended(watch)


def test_keeps_no_process_from_ending():
    watch = Watch(QueuePort(), Listener())
    assert watch._thread.daemon
    watch.stop()
