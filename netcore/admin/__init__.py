"""Eyes on a running engine, or on a supervisor's processes: metrics, health and a live page, by HTTP."""

from netcore.admin.engine_source import engine_source
from netcore.admin.limits import AdminLimits
from netcore.admin.server import AdminServer
from netcore.admin.source import (
    ConnectionReport,
    ConnectionsReport,
    Fact,
    HistogramReport,
    LoopReport,
    ProcessReport,
    Sample,
    Source,
    State,
)

__all__ = [
    "AdminLimits",
    "AdminServer",
    "ConnectionReport",
    "ConnectionsReport",
    "Fact",
    "HistogramReport",
    "LoopReport",
    "ProcessReport",
    "Sample",
    "Source",
    "State",
    "engine_source",
]
