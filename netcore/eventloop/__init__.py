"""The event loop: one thread, its turn, timers and tasks."""

from netcore.eventloop.acceptor import Acceptor, Destination, Listener
from netcore.eventloop.access_log import AccessLog, access_logger
from netcore.eventloop.datagram_listener import DatagramListener
from netcore.eventloop.gate import Gate
from netcore.eventloop.guarded_log import GuardedLogger
from netcore.eventloop.guest import Guest
from netcore.eventloop.loop import Loop
from netcore.eventloop.phases import Phase
from netcore.eventloop.proxying import TakeHeader
from netcore.eventloop.shared import Shared
from netcore.eventloop.tasks import TaskQueue
from netcore.eventloop.timers import PlannedCall, TimerHeap
from netcore.eventloop.whereabouts import Whereabouts, whereabouts

__all__ = [
    "Acceptor",
    "AccessLog",
    "DatagramListener",
    "Destination",
    "Gate",
    "GuardedLogger",
    "Guest",
    "Listener",
    "Loop",
    "Phase",
    "PlannedCall",
    "Shared",
    "TakeHeader",
    "TaskQueue",
    "TimerHeap",
    "Whereabouts",
    "access_logger",
    "whereabouts",
]
