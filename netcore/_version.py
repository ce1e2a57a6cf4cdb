"""netcore's version, in one place: the build reads it here, and so does what tells it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
