"""The event loop policy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import netcore.aio


@pytest.mark.skipif(sys.version_info >= (3, 16), reason="asyncio has no policies any more")
def test_loops_are_netcores() -> None:
    policy = netcore.aio.EventLoopPolicy()
    loop = policy.new_event_loop()
    assert type(loop) is netcore.aio.EventLoop
    loop.close()


def test_it_is_imported_by_who_asks() -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('error'); import netcore.aio;"
        "assert 'netcore.aio.policy' not in sys.modules; netcore.aio.EventLoopPolicy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Loop'"):
        netcore.aio.Loop  # noqa: B018
