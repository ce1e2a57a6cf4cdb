"""The probes of ``netcore doctor``, one file per part of the machine."""

from netcore.cli.findings import Probe
from netcore.cli.probes.abilities import probe_datagrams, probe_edge, probe_keep_alive, probe_sendfile
from netcore.cli.probes.build import probe_build
from netcore.cli.probes.echo import probe_echo, probe_kcp
from netcore.cli.probes.listeners import probe_ipv6, probe_reuse_port, probe_unix_sockets
from netcore.cli.probes.pollers import probe_pollers
from netcore.cli.probes.process import probe_cpus, probe_descriptors
from netcore.cli.probes.sockets import probe_sockets

__all__ = ["PROBES"]

PROBES: dict[str, Probe] = {
    "build": probe_build,
    "pollers": probe_pollers,
    "edge": probe_edge,
    "sockets": probe_sockets,
    "datagrams": probe_datagrams,
    "sendfile": probe_sendfile,
    "keep-alive": probe_keep_alive,
    "SO_REUSEPORT": probe_reuse_port,
    "IPv6": probe_ipv6,
    "Unix sockets": probe_unix_sockets,
    "CPUs": probe_cpus,
    "descriptors": probe_descriptors,
    "echo": probe_echo,
    "KCP": probe_kcp,
}
"""In the order of the report, each under the name it fails as."""
