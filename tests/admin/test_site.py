"""What an admin server says, by path, from what its source says."""

from __future__ import annotations

import json
import re

import pytest

from netcore import Address
from netcore.admin.answers import Request
from netcore.admin.site import Site
from netcore.testing import ManualClock

PATHS = ("/", "/metrics", "/health", "/ready", "/connections.json", "/stats.json")


@pytest.fixture
def ask(source):
    site = Site(source, Address.parse("tcp://127.0.0.1:9100"), 100, ManualClock(7.0))

    def ask(target, method="GET", host="localhost", **others):
        return site.respond(Request(method, target, host, **others))

    return ask


@pytest.mark.parametrize(
    ("state", "health", "ready"),
    [("booting", 200, 503), ("ready", 200, 200), ("draining", 200, 503), ("stopping", 503, 503)],
)
def test_health_and_readiness(ask, source, state, health, ready):
    source.now = state
    assert ask("/health").status == health
    assert ask("/ready").status == ready
    assert ask("/ready").body == f"{state}\n".encode()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get"])
def test_nothing_but_looking_is_allowed(ask, source, method):
    answer = ask("/", method=method)
    assert answer.status == 405
    assert ("Allow", "GET, HEAD") in answer.more
    assert source.asked == 0


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_is_not_ours_sees_nothing(ask, source, path):
    assert ask(path, host="evil.example").status == 421
    assert ask(f"http://evil.example{path}").status == 421
    assert ask(f"http://localhost{path}", host="evil.example").status == 421
    assert source.asked == 0


@pytest.mark.parametrize("path", PATHS)
def test_a_name_of_ours_sees_it(ask, path):
    assert ask(path).status == ask(path, host=None).status == ask(f"http://127.0.0.1:1{path}").status == 200
    assert ask(f"{path}?x=1").status == 200


@pytest.mark.parametrize("target", ["/nothing", "//", "/../etc/passwd", "/metrics/", "/%2e", "/METRICS"])
def test_there_is_nothing_else(ask, target):
    assert ask(target).status == 404


@pytest.mark.parametrize(
    "target", ["*", "localhost:80", "https://localhost/", "ftp://localhost/", "http:///", "http://[/"]
)
def test_a_target_that_is_none(ask, target):
    assert ask(target).status == 400


def test_a_body_is_refused(ask):
    assert ask("/", has_body=True).status == 413


def test_connections_are_those_of_the_source(ask, source):
    source.shown = {"connections": [{"id": 1, "remote": "tcp://192.0.2.1:5"}], "total": 1}
    assert json.loads(ask("/connections.json").body) == source.shown


def test_stats_say_everything_and_when(ask, source):
    source.told = [{"name": "netcore_process_up", "kind": "gauge", "help": "Up.", "samples": []}]
    told = json.loads(ask("/stats.json").body)
    assert told["time"] == 7.0
    assert told["state"] == "ready"
    assert told["facts"] == source.told
    (process,) = told["processes"]
    assert (process["process"], process["loops"][0]["turn"]["counts"]) == ("0", [3, 4, 1])


def test_the_page_is_one_file_that_its_policy_lets_run(ask):
    answer = ask("/")
    text = answer.body.decode()
    assert answer.kind == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.policy
    assert "unsafe" not in answer.policy
    assert re.search(r"script-src 'sha256-[\w+/]+='", answer.policy)
    assert re.search(r"style-src 'sha256-[\w+/]+='", answer.policy)
    assert len(re.findall("<script", text)) == len(re.findall("<style", text)) == 1
    # Nothing from elsewhere, and nothing that the policy would keep from working.
    outside = set(re.findall(r"https?://[^\"'\s]+", text))
    assert outside == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
