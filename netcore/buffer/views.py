"""Views of memory: of what a caller passes in, and whether one of ours is still alive.

Who makes a view of what can change releases it, by ``with`` or by hand, as soon as it has served: PyPy ends
one that was merely let go of when its collector comes by, and until then what it is of cannot be resized.
"""

from __future__ import annotations

from pickle import PickleBuffer
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["VIEWS_ARE_COUNTED", "byte_view", "copy_of", "is_viewed", "writable_view"]


def byte_view(data: Buffer) -> memoryview:
    """Return a flat view of single bytes over any contiguous buffer; ``BufferError`` if it has gaps.

    It is the caller's to release.
    """
    view = memoryview(data)
    if view.format == "B" and view.ndim == 1 and view.c_contiguous:
        return view
    try:
        if not view.contiguous:
            raise BufferError(f"a contiguous buffer is needed, and this {type(data).__name__} has gaps")
        return view.cast("B")
    except TypeError:
        return _raw(data)
    finally:
        view.release()


def _raw(data: Buffer) -> memoryview:
    # memoryview.cast refuses empty shapes of several dimensions, and the order of Fortran; PEP 574's raw()
    # takes both, but in PyPy it gives the view as it is.
    whole = PickleBuffer(data)
    flat = whole.raw()
    whole.release()
    if flat.format != "B" or flat.ndim != 1:
        flat.release()
        raise BufferError(
            f"a buffer in the order of C is needed, and this {type(data).__name__} is in another"
        )
    return flat


def writable_view(target: Buffer) -> memoryview:
    """Return ``byte_view(target)``, or raise ``TypeError`` if it cannot be written to."""
    view = byte_view(target)
    if view.readonly:
        view.release()
        raise TypeError(f"a writable buffer is needed, and this {type(target).__name__} is read-only")
    return view


def copy_of(data: Buffer) -> bytes:
    """Return the bytes of any buffer, contiguous or not; ``bytes`` objects are not copied."""
    if type(data) is bytes:
        return data
    with memoryview(data) as view:
        return view.tobytes()


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
    memoryview(storage)
    let_go_of = not is_viewed(storage)
    with memoryview(storage):
        return let_go_of and is_viewed(storage)


VIEWS_ARE_COUNTED: Final = _views_are_counted()
"""Whether this interpreter knows, at once and for certain, that a view of a ``bytearray`` is alive or not.

CPython does. PyPy takes a view that was let go of for alive until it has been collected, and one that was
released for dead though something else may have been made of it.
"""
