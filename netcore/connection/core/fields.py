"""Classes without fields of their own, for those that have them in Python or in C to be made of."""

from __future__ import annotations

from typing import Final

__all__ = ["NO_FIELDS"]

NO_FIELDS: Final[tuple[str, ...]] = ()
"""The ``__slots__`` of such a class: it speaks of fields that only those that inherit from it have."""
