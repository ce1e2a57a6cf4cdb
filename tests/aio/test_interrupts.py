"""A signal while the loop waits, on every system."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from netcore.aio import EventLoop, run


def send(number):
    """Sends this process a signal, as a console or a terminal does: to no thread of Python's."""
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


@pytest.fixture(params=[0, 0.001, 0.05])
def waiting(request):
    """Has a signal sent while the loop waits, or shortly before it does, which is to say the same.

    ``waiting(number)``.
    """
    threads = []

    def hit(number):
        time.sleep(request.param)
        send(number)

    def arm(number):
        threads.append(threading.Thread(target=hit, args=(number,)))
        threads[-1].start()

    yield arm
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_interrupts_what_waits(waiting):
    ends = []

    async def main():
        try:
            waiting(signal.SIGINT)
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run(main())
    assert ends == ["cleaned up"]


def test_interrupts_run_forever(waiting):
    loop = EventLoop()
    loop.call_soon(waiting, signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0))  # it can go on
    finally:
        loop.close()


@pytest.mark.skipif(not hasattr(signal, "SIGBREAK"), reason="of Windows only")
def test_a_break_reaches_its_handler(waiting):
    async def main():
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        handler = signal.signal(
            signal.SIGBREAK, lambda number, frame: loop.call_soon_threadsafe(came.set_result, number)
        )
        try:
            waiting(signal.SIGBREAK)
            return await came
        finally:
            signal.signal(signal.SIGBREAK, handler)

    assert run(main()) == signal.SIGBREAK


@pytest.mark.posix
def test_a_handler_of_the_loop(waiting):
    async def main():
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, came.set_result, "came")
        try:
            waiting(signal.SIGUSR1)
            return await came
        finally:
            assert loop.remove_signal_handler(signal.SIGUSR1)

    assert run(main()) == "came"
