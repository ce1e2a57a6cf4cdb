"""The log of a process of netcore's on standard error: one format for all of them, as text or as JSON."""

from netcore.logs.configure import FORMATS, configure
from netcore.logs.formats import JsonFormatter, TextFormatter

__all__ = ["FORMATS", "JsonFormatter", "TextFormatter", "configure"]
