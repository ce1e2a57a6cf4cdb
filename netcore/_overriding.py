"""Methods that do the same as another one, and whether they still do in a class that inherits them."""

from __future__ import annotations

__all__ = ["stands_for"]


def stands_for(special: str, general: str, cls: type) -> bool:
    """Whether a class's special method may be called instead of its general one. Any thread.

    Who inherits a class, or wraps an object with ``__getattr__``, and brings a general method of its own
    wants that to be called.

    Args:
        special: Name of a method that does what the general one does, at a better price.
        general: Name of the method that everything of the kind has.
        cls: The class of the object.
    """
    for each in cls.__mro__:
        if special in vars(each):
            return True
        if general in vars(each):
            return False
    return False
