"""KCP without I/O: a reliable stream, or messages, over datagrams that get lost or out of order."""

from netcore.kcp.halves import Kcp
from netcore.kcp.options import KcpOptions

__all__ = ["Kcp", "KcpOptions"]
