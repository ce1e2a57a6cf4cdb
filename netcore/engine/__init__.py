"""The composition root: everything below put together into something that serves."""

from netcore.engine.client import Client
from netcore.engine.engine import Engine
from netcore.engine.given import GivenListener
from netcore.engine.running import run

__all__ = ["Client", "Engine", "GivenListener", "run"]
