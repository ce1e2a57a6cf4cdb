"""What control groups limit, of both versions, in folders that look like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netcore import _platform
from netcore._cgroups import cpu_quota


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {}, None),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "200000 100000", "a/cpu.max": "400000 100000"}, 2.0),
        ("4:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "300000", "cpu/a/cpu.cfs_period_us": "100000"}, 3.0),
        ("4:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, None),
        ("4:cpu:/hidden", {"cpu/cpu.cfs_quota_us": "20000", "cpu/cpu.cfs_period_us": "10000"}, 2.0),
        ("4:cpuset:/a\n3:memory:/a", {"cpu.max": "1 1"}, None),
        ("0::/", {"cpu.max": "what"}, None),
        ("0::/", {"cpu.max": "100 0"}, None),
    ],
)
def test_the_least_limit_counts(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups + "\n")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert cpu_quota(tmp_path) == quota


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "count"), [(None, 4), (0.1, 1), (1.0, 1), (1.5, 2), (3.0, 3), (64.0, 4), (0.0, 1)]
)
def test_a_limit_leaves_as_many_cpus_as_it_is_worth(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, count: int
) -> None:
    monkeypatch.setattr(_platform, "usable_cpus", lambda: (0, 1, 2, 3))
    monkeypatch.setattr(_platform, "cpu_quota", lambda: quota)
    assert _platform.usable_cpu_count() == count
