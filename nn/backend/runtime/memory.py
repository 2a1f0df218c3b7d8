"""How much memory is free, to decide what is kept in it."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

LINUX = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of a container, on Linux


def free_memory() -> int | None:
    """Bytes that a program may still take without others being swapped out; None where the system does not say."""
    found = None
    with suppress(OSError, ValueError, IndexError, AttributeError):
        if sys.platform == "win32":
            found = _on_windows()
        elif LINUX.is_file():
            lines = dict(line.split(":") for line in LINUX.read_text().splitlines())
            found = 1024 * int(lines["MemAvailable"].split()[0])
        else:  # macOS counts what is free in a way of its own; half of all is a fair guess
            found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    with suppress(OSError, ValueError):  # no container, or one without a limit
        limit, used = (int((GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        found = limit - used if found is None else min(found, limit - used)
    return found


def _on_windows() -> int:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")
        ]

    status = Status()
    status.length = ctypes.sizeof(status)
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.free)
