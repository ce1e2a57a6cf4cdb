"""Handlers of the stream echo that say when they serve, for several_netcore.py."""

from compute import compute
from stream_netcore import Echo

import netcore


class SayingEcho(Echo):
    def on_boot(self, engine: netcore.EngineView) -> None:
        print("ready to serve", flush=True)


class ComputingEcho(SayingEcho):
    def on_traffic(self, conn: netcore.Conn) -> None:
        compute()
        super().on_traffic(conn)
