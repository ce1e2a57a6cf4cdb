"""What every connection has, whatever it carries: identity, life, deadlines, and the loop as it sees it."""

from netcore.connection.core.callbacks import Served, failed, notify, react, run
from netcore.connection.core.counters import COUNTS, BaseCounters, Counters
from netcore.connection.core.deadlines import STALL, BaseDeadlines, Deadlines
from netcore.connection.core.debug import checking, glance
from netcore.connection.core.ending import OVER_BY_EOF, Ending
from netcore.connection.core.fields import NO_FIELDS
from netcore.connection.core.host import UNWATCHED, Host, Limits, Payer, Retired, Settling
from netcore.connection.core.identity import IDS, next_id
from netcore.connection.core.inbox import BaseInbox, Inbox
from netcore.connection.core.life import (
    CONGESTED,
    DIALLED,
    ENROLLED,
    OWES_END,
    OWES_TRAFFIC,
    PAUSED,
    UPGRADING,
    Connection,
)
from netcore.connection.core.meter import BOUNDS, BaseMeter, Meter
from netcore.connection.core.pausing import PausableConnection
from netcore.connection.core.pledges import OVERHEAD, PLEDGING, Pledges
from netcore.connection.core.settings import SocketSettings
from netcore.connection.core.state import TRANSITIONS, Event, State

__all__ = [
    "BOUNDS",
    "CONGESTED",
    "COUNTS",
    "DIALLED",
    "ENROLLED",
    "IDS",
    "NO_FIELDS",
    "OVERHEAD",
    "OVER_BY_EOF",
    "OWES_END",
    "OWES_TRAFFIC",
    "PAUSED",
    "PLEDGING",
    "STALL",
    "TRANSITIONS",
    "UNWATCHED",
    "UPGRADING",
    "BaseCounters",
    "BaseDeadlines",
    "BaseInbox",
    "BaseMeter",
    "Connection",
    "Counters",
    "Deadlines",
    "Ending",
    "Event",
    "Host",
    "Inbox",
    "Limits",
    "Meter",
    "PausableConnection",
    "Payer",
    "Pledges",
    "Retired",
    "Served",
    "Settling",
    "SocketSettings",
    "State",
    "checking",
    "failed",
    "glance",
    "next_id",
    "notify",
    "react",
    "run",
]
