"""What a service manager and a service say to each other: sd_notify(3), and the sockets it passes."""

from netcore.service.environment import VARIABLES, scrub
from netcore.service.matching import match
from netcore.service.notifier import Notifier
from netcore.service.passed import PassedSocket, claim, passed_sockets

__all__ = ["VARIABLES", "Notifier", "PassedSocket", "claim", "match", "passed_sockets", "scrub"]
