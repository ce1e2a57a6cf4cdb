"""What applications are written against: the handler, and what it sees of connections and loops."""

from netcore.handler.engine_view import EngineView
from netcore.handler.handler import CALLBACKS, USUAL_ENDS, EventHandler
from netcore.handler.interfaces import Callback, Conn, ContextT, EventLoop, Timer
from netcore.handler.metrics import Metrics
from netcore.handler.odd_results import OddResults
from netcore.handler.timings import Histogram, Timings
from netcore.handler.vocabulary import Action, CloseReason, Timeout

__all__ = [
    "CALLBACKS",
    "USUAL_ENDS",
    "Action",
    "Callback",
    "CloseReason",
    "Conn",
    "ContextT",
    "EngineView",
    "EventHandler",
    "EventLoop",
    "Histogram",
    "Metrics",
    "OddResults",
    "Timeout",
    "Timer",
    "Timings",
]
