"""What is done to the peers, and the figures it gives."""

from bench.workloads.bad_line import BadLine
from bench.workloads.base import Timing, Window, Workload
from bench.workloads.http import Http
from bench.workloads.idle import MostlyIdle
from bench.workloads.load import Load
from bench.workloads.memory import IdleMemory
from bench.workloads.open_loop import Capacity, OpenLoop
from bench.workloads.program import Program
from bench.workloads.redis import RedisCommand
from bench.workloads.replacement import Replacement
from bench.workloads.rest import Rest
from bench.workloads.tls import TlsIdleMemory, TlsLoad

__all__ = [
    "BadLine",
    "Capacity",
    "Http",
    "IdleMemory",
    "Load",
    "MostlyIdle",
    "OpenLoop",
    "Program",
    "RedisCommand",
    "Replacement",
    "Rest",
    "Timing",
    "TlsIdleMemory",
    "TlsLoad",
    "Window",
    "Workload",
]
