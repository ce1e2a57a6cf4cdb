"""The PROXY protocol without I/O: what a proxy says, ahead of a stream, of who is connected through it."""

from netcore.proxy.decoder import ProxyDecoder
from netcore.proxy.encoding import encode
from netcore.proxy.header import ProxyError, ProxyHeader

__all__ = ["ProxyDecoder", "ProxyError", "ProxyHeader", "encode"]
