"""What somebody may have meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean"]

_ELSEWHERE = {
    "ca_certs": "tls_client_ca",
    "certfile": "tls_certificate",
    "graceful_timeout": "shutdown_timeout",
    "keyfile": "tls_key",
    "lb": "load_balancer",
    "limit_concurrency": "max_connections",
    "loops": "num_event_loops",
    "proxy_from": "proxy_protocol_from",
    "proxy_timeout": "proxy_protocol_timeout",
    "ssl": "tls",
    "ssl_ca_certs": "tls_client_ca",
    "ssl_certfile": "tls_certificate",
    "ssl_context": "tls",
    "ssl_keyfile": "tls_key",
    "threads": "num_event_loops",
    "timeout": "idle_timeout",
    "timeout_graceful_shutdown": "shutdown_timeout",
    "timeout_keep_alive": "idle_timeout",
    "worker_connections": "max_connections",
    "workers": "processes",
}
"""What asyncio, uvicorn and gunicorn call it, or `netcore run` for short, where spelling leads nowhere."""


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Returns ``: did you mean ...?`` if one of the known words is near; otherwise nothing.

    Args:
        word: The name of an option or a setting, or a flag.
        known: All that there are, spelt in the same way.
        cutoff: How much of two words has to be the same, from 0 to 1.
    """
    from difflib import get_close_matches  # for those who err only

    # The dashes of a flag would make all of them alike.
    words = {each.lstrip("-").replace("-", "_"): each for each in known}
    bare = word.lstrip("-").replace("-", "_")
    near = [each for each in words if each.startswith(bare)] if len(bare) > 2 else []
    if len(near) != 1:
        elsewhere = _ELSEWHERE.get(bare, "")
        near = [elsewhere] if elsewhere in words else get_close_matches(bare, words, 1, cutoff)
    return f": did you mean {words[near[0]]}?" if near else ""
