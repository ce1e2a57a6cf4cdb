"""What is measured: the figures, their names, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass

Sample = Mapping[str, float]
"""One measured window of one peer: figures by name."""

CPU = "cpu_us_per_message"
RATE = "messages_per_second"
P50 = "p50_us"
P99 = "p99_us"
P999 = "p999_us"
BULK = "bulk_mb_per_second"
ASKED = "asked_per_second"
LAG = "lag_p99_us"
MEMORY = "bytes_per_connection"
MEMORY_USED = "bytes_per_used_connection"
TIMER = "cpu_us_per_timer"
GIL = "gil_us_per_message"
STEP = "cpu_us_per_step"
WAIT = "longest_wait_ms"
EXCESS = "longest_wait_excess_ms"
WAIT_BESIDE = "longest_wait_beside_ms"
WAIT_QUIET = "longest_wait_quiet_ms"
GAP = "longest_gap_ms"
GAP_BESIDE = "longest_gap_beside_ms"
FAILURES = "failed_requests"
REPLACED = "replaced"
SUPERVISOR_RSS = "supervisor_rss_mb"
SUPERVISOR_PSS = "supervisor_pss_mb"
SUPERVISOR_IDLE = "supervisor_idle_cpu_percent"
ALL_IDLE = "idle_cpu_percent"


@dataclass(frozen=True)
class Figure:
    """How a figure is shown; `better` is "lower", "higher" or "" where neither is."""

    heading: str
    style: str
    better: str = ""


FIGURES = {
    CPU: Figure("CPU us/msg", "{:.2f}", "lower"),
    RATE: Figure("msg/s", "{:,.0f}", "higher"),
    ASKED: Figure("asked msg/s", "{:,.0f}"),
    BULK: Figure("bulk MB/s", "{:,.0f}", "higher"),
    P50: Figure("p50 us", "{:,.0f}", "lower"),
    P99: Figure("p99 us", "{:,.0f}", "lower"),
    P999: Figure("p99.9 us", "{:,.0f}", "lower"),
    LAG: Figure("sent late, p99 us", "{:,.0f}"),
    "server_busy": Figure("server busy", "{:.0%}"),
    "load_busy": Figure("load busy", "{:.0%}"),
    "lost_share": Figure("lost", "{:.2%}"),
    MEMORY: Figure("B/conn", "{:,.0f}", "lower"),
    MEMORY_USED: Figure("B/conn after a message", "{:,.0f}", "lower"),
    TIMER: Figure("CPU us/timer", "{:.2f}", "lower"),
    GIL: Figure("Python us/msg", "{:.2f}", "lower"),
    STEP: Figure("CPU us/step", "{:.2f}", "lower"),
    FAILURES: Figure("failed", "{:,.0f}", "lower"),
    REPLACED: Figure("times replaced", "{:,.0f}"),
    WAIT: Figure("longest wait ms", "{:.1f}", "lower"),
    EXCESS: Figure("longer than the others by ms", "{:.1f}"),
    WAIT_BESIDE: Figure("beside others that boot", "{:.1f}"),
    WAIT_QUIET: Figure("undisturbed", "{:.1f}"),
    GAP: Figure("longest gap ms", "{:.1f}", "lower"),
    GAP_BESIDE: Figure("gap beside others that boot", "{:.1f}"),
    SUPERVISOR_RSS: Figure("supervisor's RSS MB", "{:.1f}", "lower"),
    SUPERVISOR_PSS: Figure("its Pss MB", "{:.1f}", "lower"),
    SUPERVISOR_IDLE: Figure("its CPU %", "{:.4f}", "lower"),
    ALL_IDLE: Figure("CPU % with the processes", "{:.4f}", "lower"),
}
"""In the order of a table's columns."""
