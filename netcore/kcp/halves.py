"""Which half a session is: the one in C, or that in Python. The one place that chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore._native import COLD
from netcore.kcp.options import KcpOptions

if TYPE_CHECKING or COLD:
    from netcore.kcp.session import Kcp
else:
    from netcore._native import _hot  # exists where the extension does

    _hot.usual_kcp_options(KcpOptions())
    Kcp = _hot.Kcp

__all__ = ["Kcp"]
