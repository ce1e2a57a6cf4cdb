"""KCP without I/O: a reliable stream, or messages, over datagrams that get lost or out of order."""

from netcore.kcp.options import KcpOptions
from netcore.kcp.session import Kcp

__all__ = ["Kcp", "KcpOptions"]
