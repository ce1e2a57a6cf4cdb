"""Handlers of HTTP/1.1 that say when they serve, for several_netcore.py."""

from compute import compute
from http_exchange import Site
from http_netcore import Http

import netcore


class SayingHttp(Http):
    def on_boot(self, engine: netcore.EngineView) -> None:
        print("ready to serve", flush=True)


class ComputingHttp(SayingHttp):
    def __init__(self) -> None:
        self._site = ComputingSite("netcore")


class ComputingSite(Site):
    def response(self, path: bytes) -> bytes:
        compute()
        return super().response(path)
