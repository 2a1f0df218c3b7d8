"""How many cores there are for us, and how threads that have rested get one each.

A scheduler likes to wake a thread on the core of the thread that woke it, as long as that core seems to have little to
do. After a rest every core does. Linux then takes some 50 ms to learn that the threads of `nn.threads` want a core
each: time for three passes of AlexNet, the first picture that somebody shows to a network at rest among them. So for
the first tenth of a second after a rest they are told: the calling thread to stay where it is while it works, the
helpers to run anywhere else. Then the scheduler is free again. On other systems nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

REST = 0.01  # seconds without work
LEARNING = 0.1  # seconds of work after which the scheduler knows

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # in a container, on Linux

_here: int | None = None  # the calling thread's core, which the helpers are kept from
_rest_began = _work_began = float("-inf")


def available() -> int:
    """How many cores this process may use: those that it may run on; fewer where a container has less time on them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, QUOTA.read_text().split())
        return max(1, min(cores, quota // period))
    return cores


def part(helpers: Sequence[int], lent: set[int]) -> None:
    """Before the helpers, whose thread numbers these are, are woken.

    Adds to `lent` the cores that `rejoin` is to give back to the calling thread; none where nothing was taken. (It is
    filled before anything is taken, so that an interrupt at any moment leaves the thread no poorer.)
    """
    global _here, _work_began
    now = time.perf_counter()
    if now - _rest_began > REST:
        _work_began = now
    learning = now - _work_began < LEARNING
    if _current_core is None or not (learning or _here is not None):
        return
    with suppress(OSError):  # somebody took cores away from this process meanwhile
        cores = os.sched_getaffinity(0)
        if len(cores) < 2:
            return
        here = _current_core() if learning else None
        if here != _here or now == _work_began:
            for helper in helpers:
                os.sched_setaffinity(helper, cores - {here})
            _here = here
        if here is not None:
            lent.update(cores)
            os.sched_setaffinity(0, {here})


def are_parted_too_long() -> bool:
    """Are the helpers kept from a core still, though the scheduler must have learned?"""
    return _here is not None and time.perf_counter() - _work_began >= LEARNING


def rejoin(lent: set[int]) -> None:
    """After the work: the calling thread may run on all of these again."""
    global _rest_began
    _rest_began = time.perf_counter()
    if lent:
        with suppress(OSError):
            os.sched_setaffinity(0, lent)


def _find_current_core() -> Callable[[], int] | None:
    """The system's function that tells which core the calling thread runs on, where there is one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.PyDLL(None), "sched_getcpu", None)


_current_core = _find_current_core()
