"""What a handler computes. Usage: compute.py MICROSECONDS, which prints how many steps take so long.

Of a handler's process BENCH_STEPS tells how many.
"""

import os
import sys
import time

_TRIAL, _TRIALS = 1000, 500


def compute(steps: int = int(os.environ.get("BENCH_STEPS", "0"))) -> int:
    value = 1
    for _ in range(steps):
        value = (value * 31 + 7) % 65521
    return value


def calibrate(microseconds: float) -> int:
    fastest = sys.maxsize
    for _ in range(_TRIALS):  # of which others may interrupt some
        begin = time.thread_time_ns()
        compute(_TRIAL)
        fastest = min(fastest, time.thread_time_ns() - begin)
    return round(microseconds * 1000 / fastest * _TRIAL)


if __name__ == "__main__":
    print(calibrate(float(sys.argv[1])))
