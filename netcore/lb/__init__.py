"""Load balancers: which loop a new connection goes to."""

from netcore.lb.balancers import LeastConnections, RoundRobin, SourceAddressHash
from netcore.lb.protocol import LoadBalancer, Loop, LoopT
from netcore.lb.registry import balancer_names, make_balancer

__all__ = [
    "LeastConnections",
    "LoadBalancer",
    "Loop",
    "LoopT",
    "RoundRobin",
    "SourceAddressHash",
    "balancer_names",
    "make_balancer",
]
