"""How many threads are used: NUM_THREADS in the environment, `set_num_threads`, else one for each core.

`pool` shares work out among so many; `blas` keeps BLAS from starting its own meanwhile.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # in a container, on Linux

_number: int | None = None


def num_threads() -> int:
    """The number of threads in use: the environment's NUM_THREADS, else one for each available core."""
    global _number
    if _number is None:
        wish = os.environ.get("NUM_THREADS", "")
        if wish and not (wish.isdigit() and int(wish) > 0):
            raise ValueError(f"NUM_THREADS is {wish!r}, expected a whole number of at least 1")
        _number = int(wish) if wish else available_cores()
    return _number


def available_cores() -> int:
    """How many cores this process may use: those that it may run on; fewer where a container has less time on them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, QUOTA.read_text().split())
        return max(1, min(cores, quota // period))
    return cores


def set_num_threads(number: int) -> None:
    """Use this many threads from now on."""
    global _number
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"the number of threads is {number!r}, expected a whole number of at least 1")
    _number = number
