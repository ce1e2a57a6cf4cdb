"""A real loop through thousands of random histories of faults: what holds in all of them."""

from __future__ import annotations

from hypothesis import strategies as st

LISTENER = 50
INDEX = st.integers(0, 7)
CALLS = (
    *("write", "write", "write", "writev", "async_write", "async_write", "big", "flush"),
    *("close", "action_close", "abort", "shutdown_write", "pause", "resume", "wake", "raise", "deadline"),
)
