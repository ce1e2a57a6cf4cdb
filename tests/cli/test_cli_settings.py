"""What ``netcore run`` can be told, and by whom: flags, the environment, a file."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from netcore import Options, OptionsError
from netcore.cli.configuration import Configuration, all_settings, gather
from netcore.cli.environment import OTHERS, misspelt
from netcore.cli.kinds import Names, Steps, Switch
from netcore.cli.option_settings import WITHOUT_FLAG
from netcore.cli.parser import make_parser
from netcore.cli.setting import GROUPS, Setting
from netcore.cli.settings import CONFIG, run_settings
from netcore.cli.usage import UsageError
from netcore.kcp import KcpOptions

ROOT = Path(__file__).resolve().parents[2]
SERVED = ("app:Echo", "tcp://127.0.0.1:0")
OF_THE_TESTS = [
    f"NETCORE_{name}" for name in ("ECOSYSTEM", "NETWORK", "NEWEST", "SITE", "TESTED", "WINDOWS", "WINE")
]
SERVED_HERE = ("app:Report", "tcp://127.0.0.1:0")

Command = Callable[..., "subprocess.CompletedProcess[str]"]

REPORT = """
import netcore

class Report(netcore.EventHandler):
    def on_boot(self, engine):
        options = engine.options
        print(EXPRESSION)
        return netcore.Action.SHUTDOWN
"""


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(["run", *arguments])


def configured(*arguments: str, environment: Mapping[str, str] | None = None) -> Configuration:
    configuration = gather(parse(*arguments), environment or {})
    configuration.check()
    return configuration


def complaint(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(UsageError) as raised:
        configured(*arguments, environment=environment).options()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def write(folder: Path, text: str) -> str:
    (folder / "app.toml").write_text(text)
    return str(folder / "app.toml")


@pytest.fixture(autouse=True)
def _nothing_is_said_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCORE_POLLER", raising=False)


# The settings as a whole.


def test_each_option_has_a_flag_or_a_reason() -> None:
    of_kcp = [f"kcp.{field.name}" for field in dataclasses.fields(KcpOptions)]
    fields = [field.name for field in dataclasses.fields(Options) if field.name != "kcp"]
    settings = [setting.field for setting in run_settings() if setting.field]
    assert sorted([*settings, *WITHOUT_FLAG]) == sorted([*fields, *of_kcp])


def test_names_are_unique_and_no_variable_means_something_else() -> None:
    names = [name for setting in (CONFIG, *all_settings()) for name in setting.names]
    assert len(names) == len(set(names))
    assert not {f"NETCORE_{name.upper()}" for name in names} & OTHERS
    assert {setting.group for setting in run_settings()} == set(GROUPS)


def test_what_netcore_reads_from_the_environment_is_known() -> None:
    read = re.compile(r'environ(?:\.get\(|\[)"(NETCORE_\w+)"')
    found = {name for path in (ROOT / "netcore").rglob("*.py") for name in read.findall(path.read_text())}
    found |= set(re.findall(r"NETCORE_\w+", (ROOT / "setup.py").read_text()))
    assert found - {"NETCORE_POLLER"} <= OTHERS  # which is a setting, too


def test_defaults_are_those_of_options() -> None:
    assert configured(*SERVED).options() == Options()


def some(setting: Setting) -> tuple[str, str, object]:
    """A value that is not the default: as text, as TOML, and as the setting has it."""
    if isinstance(setting.kind, Switch):
        value = not setting.default
        return str(value), str(value).lower(), value
    if isinstance(setting.kind, Names):
        return "10.0.0.1,::1", '["10.0.0.1", "::1"]', ("10.0.0.1", "::1")
    if isinstance(setting.kind, Steps):
        return "2", "2", 2
    if setting.default is not None and isinstance(setting.default, (int, float)):
        return "7", "7", 7
    word = setting.kind.words[-1] if setting.kind.words else "words"
    return word, f'"{word}"', 0 if word == "auto" else word


@pytest.mark.parametrize("setting", run_settings(), ids=lambda setting: setting.name)
def test_every_setting_has_a_flag_a_variable_and_a_key(setting: Setting, tmp_path: Path) -> None:
    text, toml, expected = some(setting)
    for name in setting.names:
        flag = "--" + name.replace("_", "-")
        if isinstance(setting.kind, Switch):
            arguments = [flag if expected else flag.replace("--", "--no-", 1)]
        else:
            arguments = [flag, text]
        sources = [
            parse(*SERVED, *arguments),
            parse(*SERVED),
            parse(*SERVED, "--config", write(tmp_path, f"{name} = {toml}")),
        ]
        environments = [{}, {f"NETCORE_{name.upper()}": text}, {}]
        for source, environment in zip(sources, environments, strict=True):
            assert getattr(gather(source, environment).values, setting.name) == expected


# Which source wins.


def test_a_flag_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "backlog = 1\nread_buffer_cap = 1024\nidle_timeout = 1\nmulticore = true\n")
    environment = {"NETCORE_BACKLOG": "2", "NETCORE_READ_BUFFER_CAP": "2048", "NETCORE_DEBUG": "yes"}
    arguments = (*SERVED, "--config", path, "--backlog", "3", "--no-multicore", "--no-debug")
    options = configured(*arguments, environment=environment).options()
    assert (options.backlog, options.read_buffer_cap, options.idle_timeout) == (3, 2048, 1)
    assert (options.multicore, options.debug) == (False, False)


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, 'handler = "app:Echo"\naddresses = ["tcp://:9000", "unix://a,b"]\n')
    values = configured(environment={"NETCORE_CONFIG": path}).values
    assert (values.handler, values.addresses) == ("app:Echo", ("tcp://:9000", "unix://a,b"))
    other = configured("--config", path, environment={"NETCORE_CONFIG": "absent"}).values
    assert other.handler == "app:Echo"


def test_what_is_served_may_come_from_several_sources() -> None:
    environment = {"NETCORE_HANDLER": "other:Echo", "NETCORE_ADDRESSES": "tcp://:1, tcp://:2"}
    for arguments, handler, addresses in (
        ((), "other:Echo", ("tcp://:1", "tcp://:2")),
        (("app:Echo",), "app:Echo", ("tcp://:1", "tcp://:2")),
        (("tcp://:3",), "other:Echo", ("tcp://:3",)),
        (
            ("app:Echo", "--loops", "2", "tcp://:3", "--debug", "tcp://:4"),
            "app:Echo",
            ("tcp://:3", "tcp://:4"),
        ),
        (("--loops", "2", "app:Echo", "tcp://:3"), "app:Echo", ("tcp://:3",)),
    ):
        values = configured(*arguments, environment=environment).values
        assert (values.handler, values.addresses) == (handler, addresses)


def test_lists_on_the_command_line_add_up() -> None:
    arguments = (*SERVED, "--proxy-protocol", "--proxy-from", "10.0.0.0/8,::1", "--proxy-from", "192.0.2.1")
    options = configured(*arguments, environment={"NETCORE_PROXY_FROM": "192.0.2.9"}).options()
    assert options.proxy_protocol_from == ("10.0.0.0/8", "::1", "192.0.2.1")


def test_the_level_of_a_log_file_is_that_of_the_log() -> None:
    assert configured(*SERVED, "--log-level", "DEBUG").options().log_level == logging.DEBUG


def test_settings_of_kcp_make_its_options(tmp_path: Path) -> None:
    path = write(tmp_path, "[kcp]\nmtu = 1200\nno_delay = 2\nstream = false\ninterval = 0.02\n")
    arguments = (*SERVED, "--config", path, "--kcp-mtu", "576", "--kcp-congestion-control")
    options = configured(*arguments, environment={"NETCORE_KCP_INTERVAL": "0.005"}).options()
    assert options.kcp == KcpOptions(
        mtu=576, no_delay=2, stream=False, interval=0.005, congestion_control=True
    )
    assert options.idle_timeout == 0
    assert configured(*SERVED, "--kcp-idle-timeout", "inf").options().kcp == KcpOptions(idle_timeout=math.inf)


@pytest.mark.parametrize(
    ("word", "number"), [("true", 1), (" ON", 1), ("no", 0), ("0", 0), ("1", 1), ("2", 2)]
)
def test_what_may_be_on_twice_takes_numbers_and_the_words_of_a_switch(
    word: str, number: int, tmp_path: Path
) -> None:
    said = {"true": "true", "no": "false"}.get(word, str(number))  # as TOML has it
    path = write(tmp_path, f"[kcp]\nno_delay = {said}\n")
    for configuration in (
        configured(*SERVED, "--kcp-no-delay", word),
        configured(*SERVED, environment={"NETCORE_KCP_NO_DELAY": word}),
        configured(*SERVED, "--config", path),
    ):
        options = configuration.options().kcp or KcpOptions()
        assert options.no_delay == number


@pytest.mark.parametrize("said", ["3", "-1", "1.0", '"soon"', '"1"', "[1]"])
def test_what_may_be_on_twice_is_nothing_else(said: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"[kcp]\nno_delay = {said}\n")
    assert complaint(*SERVED, "--config", path).endswith("is none of 0, 1, 2")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--kcp-mtu=20", "KcpOptions.mtu is 20: it must be a whole number from 50 to 65507"),
        ("--kcp-interval=9", "KcpOptions.interval is 9.0: it must be seconds, from 0.001 to 5"),
    ],
)
def test_a_setting_that_no_session_can_have_is_named(argument: str, words: str) -> None:
    assert complaint(*SERVED, argument) == f"argument {argument.partition('=')[0]}: {words}"


# The environment.


@pytest.mark.parametrize("text", ["1", "true", "Yes", "ON", " on "])
def test_on(text: str) -> None:
    assert configured(*SERVED, environment={"NETCORE_DEBUG": text}).values.debug is True


@pytest.mark.parametrize("text", ["0", "false", "No", "OFF", ""])
def test_off_and_empty(text: str) -> None:
    assert configured(*SERVED, environment={"NETCORE_DEBUG": text}).values.debug is False


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("NETCORE_DEBUG", "maybe", "'maybe' is neither on (1, true, yes) nor off (0, false, no)"),
        ("NETCORE_LOOPS", "two", "'two' is no whole number from 1 up"),
        ("NETCORE_LOOPS", "9" * 5000, "is no whole number"),
        ("NETCORE_NUM_EVENT_LOOPS", "0", "'0' is no whole number from 1 up"),
        ("NETCORE_IDLE_TIMEOUT", "nan", "'nan' is no number of seconds"),
        ("NETCORE_LOG_LEVEL", "loud", "'loud' is none of debug, info"),
        ("NETCORE_PROCESSES", "0", "'0' is neither a whole number from 1 up nor auto"),
        ("NETCORE_PROXY_FROM", "10.0.0.0/8,", "is no list of names such as 10.0.0.0/8"),
        # What only Options know:
        ("NETCORE_BACKLOG", "0", "option backlog is 0: it must be a whole number above zero"),
        ("NETCORE_LOW_WATER", "9999999", "at most high_water"),
        ("NETCORE_TCP_KEEP_COUNT", "3", "zero unless tcp_keep_alive is set"),
        ("NETCORE_TLS_KEY", "key.pem", "it needs --tls-certificate"),
        ("NETCORE_DRAIN_TIMEOUT", "5", "it needs --processes or --reload"),
    ],
)
def test_a_bad_variable_is_named(variable: str, text: str, words: str) -> None:
    said = complaint(*SERVED, environment={variable: text})
    assert said.startswith(f"{variable}: ")
    assert words in said


def test_two_names_of_one_setting() -> None:
    environment = {"NETCORE_LB": "round-robin", "NETCORE_LOAD_BALANCER": "least-connections"}
    assert complaint(*SERVED, environment=environment) == (
        "NETCORE_LOAD_BALANCER: that is said already by NETCORE_LB"
    )


def test_a_misspelt_variable_is_noticed_and_others_are_none_of_our_business() -> None:
    environment = {
        "NETCORE_IDLE_TIMOUT": "30",
        "NETCORE_IDLE_TIMEOUT": "30",
        "NETCORE_NUM_EVENT_LOOP": "2",
        "NETCORE_POLLER": "select",
        "NETCORE_HOT": "0",
        "NETCORE_SOCKETS": "pure",
        "NETCORE_SERVICE_HOST": "10.0.0.1",
        "NETCORE_PORT_9000_TCP": "tcp://10.0.0.1:9000",
        "NETCORE_MY_DATABASE": "x",
        **dict.fromkeys(OF_THE_TESTS, "x"),
        "IDLE_TIMEOUT": "30",
    }
    assert list(misspelt(all_settings(), environment)) == [
        "NETCORE_IDLE_TIMOUT in the environment is no setting: did you mean NETCORE_IDLE_TIMEOUT?",
        "NETCORE_NUM_EVENT_LOOP in the environment is no setting: did you mean NETCORE_NUM_EVENT_LOOPS?",
    ]


def test_an_object_of_options_says_which_one_is_wrong() -> None:
    with pytest.raises(OptionsError) as raised:
        Options(backlog=0)
    assert raised.value.option == "backlog"


# The file.


def test_a_table_is_the_first_part_of_names(tmp_path: Path) -> None:
    text = """
idle_timeout = inf
loops = 2
[tls]
certificate = "cert.pem"
alpn = ["h2", "http/1.1"]
[tcp]
no_delay = false
keep.alive = 60
"""
    configuration = configured(*SERVED, "--config", write(tmp_path, text))
    options = configuration.options()
    assert (options.idle_timeout, options.num_event_loops) == (math.inf, 2)
    assert (options.tcp_no_delay, options.tcp_keep_alive) == (False, 60)
    assert configuration.values.tls_certificate == "cert.pem"
    assert configuration.values.tls_alpn == ("h2", "http/1.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("idle_timout = 3", "there is no setting 'idle_timout': did you mean idle_timeout?"),
        ("workers = 3", "there is no setting 'workers': did you mean processes?"),
        ("[tls]\ncertifcate = 'x'", "there is no setting 'tls.certifcate': did you mean tls_certificate?"),
        ("zzz = 3", "there is no setting 'zzz'"),
        ("config = 'other.toml'", "there is no setting 'config'"),
        (
            "[supervisor]\nprocesses = 3",
            "there is no setting 'supervisor.processes': did you mean processes?",
        ),
        ("idle_timeout = 'soon'", "idle_timeout: 'soon' is no number of seconds"),
        ("idle_timeout = true", "idle_timeout: True is no number of seconds"),
        ("idle_timeout = -1", "idle_timeout: -1 is no number of seconds"),
        ("loops = 1.5", "loops: 1.5 is no whole number from 1 up"),
        ("loops = true", "loops: True is no whole number from 1 up"),
        ("debug = 1", "debug: 1 is neither true nor false"),
        ("handler = 3", "handler: 3 is no text"),
        ("addresses = 'tcp://:9000'", "addresses: 'tcp://:9000' is no list of texts"),
        ("addresses = ['tcp://:9000', 1]", "addresses: ['tcp://:9000', 1] is no list of texts"),
        ("processes = 'all'", "processes: 'all' is neither a whole number from 1 up nor auto"),
        ("log.level = 'loud'", "log.level: 'loud' is none of debug"),
        ("loops = 2\nnum_event_loops = 2", "num_event_loops: that is said already by"),
        ("[tls]\nkey = 'x'", "tls.key: it needs --tls-certificate"),
        ("backlog = 0", "backlog: option backlog is 0"),
        ("loops = 2\nloops = 3", "(at "),
        ("loops =", "(at "),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    said = complaint(*SERVED, "--config", path)
    assert said.startswith(f"{path}: ")
    assert words in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.toml")
    assert complaint(*SERVED, "--config", path) == f"{path}: No such file or directory"
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    path = str(tmp_path / "odd.toml")
    assert complaint(*SERVED, "--config", path) == f"{path}: that is no text in UTF-8"


def test_python_without_a_reader_of_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "netcore-io[config]" in complaint(*SERVED, "--config", write(tmp_path, ""))


# The command as a whole.


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {}, "MODULE:HANDLER is missing"),
        (("app:Report",), {}, "ADDRESS is missing: give one, or NETCORE_ADDRESSES"),
        (("tcp://:0",), {}, "MODULE:HANDLER is missing"),
        (SERVED, {"NETCORE_LOOPS": "x"}, "NETCORE_LOOPS: 'x' is no whole number"),
        (("app:Report",), {"NETCORE_ADDRESSES": "here"}, "NETCORE_ADDRESSES: 'here' is not an address"),
        ((*SERVED, "--config", "absent.toml"), {}, "absent.toml: No such file"),
        (SERVED_HERE, {"NETCORE_POLLER": "nosuch"}, "NETCORE_POLLER: there is no poller 'nosuch'"),
        ((*SERVED_HERE, "--admin", "here"), {}, "argument --admin: option admin: 'here' is not an address"),
        (
            (*SERVED_HERE, "--poller", "select"),
            {"NETCORE_EDGE_TRIGGERED": "1"},
            "NETCORE_EDGE_TRIGGERED: option edge_triggered is True: the poller 'select' is level-triggered",
        ),
        pytest.param(
            (*SERVED_HERE, "--processes", "2"),
            {"NETCORE_LOG_PATH": "log"},
            "NETCORE_LOG_PATH: option log_path is 'log': several processes cannot write to a file",
            marks=pytest.mark.posix,
        ),
        ((*SERVED, "--log-format", "xml"), {}, "--log-format: 'xml' is none of text, json"),
    ],
)
def test_mistakes_are_one_line(
    netcore_main: Command, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", "1"))
    done = netcore_main("run", *arguments, **environment)
    assert done.returncode == 2
    # Without the native part a warning of it may come first.
    (line,) = (line for line in done.stderr.splitlines() if " WARNING netcore: " not in line)
    assert line.startswith("netcore: ") and words in line


def test_a_file_alone_is_enough(netcore_main: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", "options.backlog, options.num_event_loops"))
    write(tmp_path, 'handler = "app:Report"\naddresses = ["tcp://127.0.0.1:0"]\nbacklog = 7\nloops = 3\n')
    done = netcore_main("run", "--config", "app.toml", NETCORE_BACKLOG="9", NETCORE_BAKCLOG="8")
    assert (done.returncode, done.stdout) == (0, "9 3\n"), done.stderr
    assert "WARNING netcore: NETCORE_BAKCLOG in the environment is no setting" in done.stderr


def test_the_log_as_json(netcore_main: Command, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(REPORT.replace("EXPRESSION", "1"))
    done = netcore_main("run", "app:Report", "tcp://127.0.0.1:0", "--log-format", "json")
    assert all(line.startswith("{") for line in done.stderr.splitlines())
    assert "listening on tcp://" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["run", *SERVED, "--idle-timout", "3"],
            "--idle-timout: did you mean --idle-timeout?",
        ),
        (
            ["run", *SERVED, "--idle-tim=3"],
            "did you mean --idle-timeout? (see netcore run --help)",
        ),
        (["run", *SERVED, "--load-balancers", "x"], "did you mean --load-balancer?"),
        (["run", *SERVED, "--workers", "4"], "--workers: did you mean --processes?"),
        (["run", *SERVED, "--ssl-certfile=x"], "--ssl-certfile: did you mean --tls-certificate?"),
        (["run", *SERVED, "--port", "80"], "no flag --port: where to listen is an argument, such as tcp://"),
        (["run", *SERVED, "--zzz"], "there is no flag --zzz (see netcore run --help)"),
        (["run", *SERVED, "-z"], "there is no flag -z (see netcore run --help)"),
        (["doctor", "--plattforms"], "did you mean --platforms? (see netcore doctor --help)"),
        (["doctor", "more"], "unexpected argument 'more' (see netcore doctor --help)"),
        (["--versoin", "doctor"], "there is no flag --versoin: did you mean --version? (see netcore --help)"),
    ],
)
def test_what_is_not_known_gets_a_hint(netcore_main: Command, arguments: list[str], words: str) -> None:
    done = netcore_main(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("netcore: ") and words in line


def test_help_is_in_groups_and_fits(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        make_parser().parse_args(["run", "--help"])
    shown = capsys.readouterr().out
    assert [line[:-1] for line in shown.splitlines() if line[:-1] in GROUPS] == list(GROUPS)
    assert max(map(len, shown.splitlines())) <= 80
    for setting in (CONFIG, *all_settings()):
        assert f"[{setting.variable}]" in shown
        assert setting.help
    assert "--[no-]multicore" in shown and "--num-event-loops" not in shown


def test_the_example_of_a_file_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "docs" / "how-to")
    configuration = configured("--config", "echo.toml")
    options = configuration.options()
    assert (options.num_event_loops, options.tcp_keep_alive, options.max_outbound) == (2, 60, 1 << 20)
    assert configuration.values.log_format == "json"
