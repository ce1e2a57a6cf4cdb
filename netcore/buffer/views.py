"""Views of memory: of what a caller passes in, and whether one of ours is still alive."""

from __future__ import annotations

from pickle import PickleBuffer
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["VIEWS_ARE_COUNTED", "byte_view", "is_viewed", "writable_view"]


def byte_view(data: Buffer) -> memoryview:
    """Return a flat view of single bytes over any contiguous buffer; ``BufferError`` if it has gaps."""
    view = memoryview(data)
    if view.format == "B" and view.ndim == 1 and view.c_contiguous:
        return view
    # memoryview.cast refuses empty shapes and every format with a byte order, which is all that
    # ctypes exports; PEP 574's raw() gives the bytes of any contiguous object.
    return PickleBuffer(data).raw()


def writable_view(target: Buffer) -> memoryview:
    """Return ``byte_view(target)``, or raise ``TypeError`` if it cannot be written to."""
    view = byte_view(target)
    if view.readonly:
        raise TypeError(f"a writable buffer is needed, and this {type(target).__name__} is read-only")
    return view


def is_viewed(storage: bytearray) -> bool:
    """Whether a view of ``storage``, which is not empty, is alive, as far as ``VIEWS_ARE_COUNTED``."""
    # CPython refuses to resize a bytearray that has exports, and it is the only way to ask. Putting the
    # byte back fits the spare room that pop() leaves, so nothing is reallocated.
    try:
        last = storage.pop()
    except BufferError:
        return True
    storage.append(last)
    return False


def _views_are_counted() -> bool:
    storage = bytearray(2)
    with memoryview(storage):
        return is_viewed(storage)


VIEWS_ARE_COUNTED: Final = _views_are_counted()
"""Whether this interpreter knows that a view of a ``bytearray`` is alive. CPython does."""
