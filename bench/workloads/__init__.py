"""What is done to the peers, and the figures it gives."""

from bench.workloads.base import Timing, Workload
from bench.workloads.http import Http
from bench.workloads.load import Load
from bench.workloads.memory import IdleMemory
from bench.workloads.program import Program
from bench.workloads.redis import RedisCommand

__all__ = ["Http", "IdleMemory", "Load", "Program", "RedisCommand", "Timing", "Workload"]
