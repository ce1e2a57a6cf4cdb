"""Which names a request may call the server by.

A page of somebody else's may have its own name resolve to 127.0.0.1 after it was loaded, and then read what a
server there says (DNS rebinding). Its requests carry that name: so a name that is not known to be ours is
refused. A numeric address cannot be rebound.
"""

from __future__ import annotations

import ipaddress
import re

from netcore.address import Address

__all__ = ["is_ours"]

_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%25[\w.:-]+)?)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{0,5}))?"
)
"""RFC 3986, section 3.2.2, but for what no host of ours has. The port may be another one's, who forwards."""


def is_ours(host: str, address: Address) -> bool:
    """Whether a Host header, or the authority of a target, names a server that listens at an address."""
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > 65535:
        return False
    if found["v6"] is not None:
        return _is_ip(found["v6"].partition("%")[0], 6)
    name = found["name"].lower().removesuffix(".")
    return (
        name == "localhost"
        or name.endswith(".localhost")
        or _is_ip(name, 4)
        or (address.host != "" and name == address.host.lower().removesuffix("."))
    )


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False
