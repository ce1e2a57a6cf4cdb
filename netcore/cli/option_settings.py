"""The settings that are fields of ``Options``, made of these, and those of ``KcpOptions``.

A field's kind follows from its type and its help from the docstring, unless this file says it better.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping

from netcore.cli.kinds import Choice, Kind, Names, Seconds, Steps, Switch, Text, Whole
from netcore.cli.setting import Setting
from netcore.kcp import KcpOptions
from netcore.lb import balancer_names
from netcore.options import MAX_CONNECTIONS_POLICIES, Options
from netcore.poll import poller_names

__all__ = ["WITHOUT_FLAG", "meaning_of_options", "option_settings"]

_Said = Mapping[str, Mapping[str, object]]

WITHOUT_FLAG = {
    "log_level": "--log-level sets it, by its name and for the whole process",
    "logger": "an object of the program's",
    "tls": "a context; --tls-certificate and its like have one made of files",
}
"""The fields of ``Options`` that no flag is made of, and why."""

_FIELDS: _Said = {
    "num_event_loops": {
        "name": "loops",
        "kind": Whole(1),
        "help": "event loops, each a thread (default: 1)",
    },
    "load_balancer": {
        "name": "lb",
        "kind": Text("NAME|MODULE:CLASS", balancer_names()),
        "help": f"spreads connections over the loops: {', '.join(balancer_names())}, or your own",
    },
    "poller": {
        "kind": Text("NAME", poller_names()),
        "help": f"one of {', '.join(poller_names())} (default: the best here)",
    },
    "multicore": {"help": "one event loop per usable CPU"},
    "reuse_port": {"help": "one listener per loop, balanced by the kernel"},
    "bind_to_device": {"kind": Text("NAME")},
    "multicast_interface": {"help": "the number of the interface on which multicast groups are joined"},
    "ticker": {"help": "call the handler's on_tick"},
    "max_connections": {"help": "further ones wait, or as --max-connections-policy says (default: no limit)"},
    "max_connections_policy": {
        "kind": Choice("POLICY", MAX_CONNECTIONS_POLICIES),
        "help": "pause leaves further ones in the backlog, refuse resets them",
    },
    "idle_timeout": {"help": "close connections that are silent for so many seconds (default: never)"},
    "close_timeout": {"help": "how long a closing connection may take to send what is buffered"},
    "shutdown_delay": {"help": "how long the server goes on, but is not ready, before it stops"},
    "shutdown_timeout": {"help": "how long connections may take to end when the server stops"},
    "max_outbound": {"help": "a connection with more bytes of unsent output than that is closed"},
    "max_inbound": {"help": "a connection with more bytes that the handler has not read is closed"},
    "tcp_keep_alive": {"help": "idle time before the first keep-alive probe (default: none is sent)"},
    "tcp_keep_interval": {"help": "time between probes (default: a fifth of --tcp-keep-alive)"},
    "tcp_keep_count": {"help": "unanswered probes before the connection is dropped (default: 5)"},
    "socket_recv_buffer": {"help": "SO_RCVBUF, in bytes (default: the system's)"},
    "socket_send_buffer": {"help": "SO_SNDBUF, in bytes (default: the system's)"},
    "log_path": {"kind": Text("FILE")},
    "asyncio": {"help": "each loop runs an asyncio loop of its own, for tasks of the handler's"},
    "proxy_protocol": {
        "help": "every connection begins with a header of the PROXY protocol, which tells who the client is"
    },
    "proxy_protocol_from": {
        "name": "proxy_from",
        "kind": Names("NETWORK", "10.0.0.0/8,2001:db8::7"),
        "help": "only those from there send one, such as 10.0.0.0/8, and others are served without; may be "
        "given several times (default: everybody sends one)",
    },
    "proxy_protocol_timeout": {
        "name": "proxy_timeout",
        "help": "how long such a header may take",
    },
    "tls_handshake_timeout": {"help": "how long a handshake may take"},
}
"""What differs from what is made of a field."""

_KCP_FIELDS: _Said = {
    "no_delay": {
        "kind": Steps(2),
        "default": 1,
        "help": "how soon a session sends again what is not acknowledged: 0 as late as TCP does, 1 soon, "
        "2 soon each time",
    },
    "interval": {"help": "time between two looks at what a session has to send"},
    "fast_resend": {"help": "send again once so many later segments are acknowledged; 0 waits for the time"},
    "congestion_control": {"help": "a loss makes a session slow down, as TCP does"},
    "send_window": {"help": "segments of a session under way at most"},
    "receive_window": {"help": "segments of a session kept for the handler at most"},
    "mtu": {"help": "bytes of a datagram at most, without the headers of IP and UDP"},
    "stream": {"help": "join and split what a session sends as it fits into datagrams"},
    "dead_link": {"help": "a segment that has been sent so often in vain ends the session"},
    "idle_timeout": {
        "help": "end a session whose peer is silent for so long; 0 for never, and --idle-timeout comes first"
    },
}
"""The same of those of ``KcpOptions``."""


def option_settings() -> list[Setting]:
    """Makes a setting of each field that is a plain value, in their order, and then of those of KCP."""
    return [*_settings_of(Options, _FIELDS, ""), *_settings_of(KcpOptions, _KCP_FIELDS, "kcp.")]


def _settings_of(options: type[Options | KcpOptions], fields: _Said, within: str) -> Iterator[Setting]:
    """Makes the settings of one class.

    Args:
        options: The class.
        fields: What differs from what is made of a field.
        within: The field of ``Options`` that holds an object of this class, and a dot; empty for ``Options``.
    """
    meanings = meaning_of_options(options)
    for field in dataclasses.fields(options):
        said = fields.get(field.name, {})
        about = said.get("help", _clause(meanings.get(field.name, "")))
        kind = said.get("kind", _kind(str(field.type), str(about)))
        where = within + field.name
        if kind is not None and where not in WITHOUT_FLAG:
            made = {"name": where.replace(".", "_"), "default": field.default, "field": where, **said}
            yield Setting(**{**made, "kind": kind, "help": about})  # type: ignore[arg-type]


def _kind(annotation: str, about: str) -> Kind | None:
    """Returns the kind of a field's type; None if that is no plain value."""
    if annotation == "bool":
        return Switch()
    if annotation == "int":
        return Whole(0, "BYTES" if "bytes" in about.lower() else "N")
    if annotation == "float":
        return Seconds()
    if annotation.startswith("str"):
        return Text("ADDRESS" if "Address" in annotation else "TEXT")
    return Names("NAMES", "one,another") if annotation == "tuple[str, ...]" else None


def meaning_of_options(options: type[Options | KcpOptions] = Options) -> dict[str, str]:
    """Returns what the docstring of the class says of each; nothing where Python has dropped it (-OO)."""
    section = inspect.cleandoc(options.__doc__ or "").partition("Attributes:\n")[2]
    return dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE))


def _clause(meaning: str) -> str:
    """Makes help of what a docstring says: its first sentence, without markup."""
    sentence = " ".join(meaning.replace("``", "").split()).partition(". ")[0].rstrip(".")
    first = sentence.partition(" ")[0]
    return sentence if first[1:] != first[1:].lower() else sentence[:1].lower() + sentence[1:]
