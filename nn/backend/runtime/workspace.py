"""Memory for intermediate results, used again and again.

A fresh large array costs more than its arithmetic: the system hands it out in pages of 4 KB, each cleared when it is
first touched. So what a function needs only while it runs lies in memory that its thread keeps.

    with Scratch() as scratch:
        patches = scratch("patches", (rows, columns), like=x)
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np

LINE = 64  # bytes, of the processor's cache

_thread = threading.local()


class Scratch:
    """The thread's memory, lent until the end of the `with`.

    Meanwhile the thread does not have it. Whoever else runs in the thread before that end, which only a signal handler
    or an object's finaliser can do between two steps of a function, gets other memory. An interrupt at the worst moment
    costs the thread its memory, never anybody's results.

    Without `with`, it is memory of its own.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple, np.ndarray] = {}

    def __enter__(self) -> Scratch:
        self._kept = _thread.__dict__.pop("kept", None) or {}
        return self

    def __exit__(self, *error) -> None:
        _thread.kept = self._kept

    def __call__(self, name: str, shape: Sequence[int], like: np.ndarray) -> np.ndarray:
        """An array of this shape, of the kind, dtype and device of `like`, with anything in it.

        It is good until the end of the `with`, or until the same name is asked for again. The memory only grows; it is
        given back when the thread ends.
        """
        size, key = math.prod(shape), (name, type(like), like.dtype, str(getattr(like, "device", "")))
        kept = self._kept
        if key not in kept or kept[key].size < size:
            kept.pop(key, None)  # let go of the smaller one first
            kept[key] = aligned((size,), like)
        return kept[key][:size].reshape(shape)


def aligned(shape: Sequence[int], like: np.ndarray) -> np.ndarray:
    """An array of this shape, of like's kind, dtype and device, with anything in it, whose first number begins a line
    of the cache: to read a vector that lies across two lines takes twice as long. (NumPy's arrays begin at any
    sixteenth byte.)"""
    if not isinstance(like, np.ndarray):
        return np.empty_like(like, shape=shape)
    size = math.prod(shape) * like.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.ctypes.data % LINE
    return memory[first : first + size].view(like.dtype).reshape(shape)
