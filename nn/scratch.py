"""Memory for intermediate results, used again and again.

A fresh large array costs more than its arithmetic: the system hands it out in pages of 4 KB, each cleared when it is
first touched. So what a function needs only while it runs lies in memory that its thread keeps.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np

_memory = threading.local()


def scratch(name: str, shape: Sequence[int], like: np.ndarray) -> np.ndarray:
    """An array of this shape, of the kind, dtype and device of `like`, with anything in it.

    It is the thread's own, and good until the thread asks for the same name again: no result that outlives a layer's
    forward or backward may lie in it. The memory only grows; it is given back when the thread ends.
    """
    size, key = math.prod(shape), (name, type(like), like.dtype, str(getattr(like, "device", "")))
    kept = _memory.__dict__
    if key not in kept or kept[key].size < size:
        kept.pop(key, None)  # let go of the smaller one first
        kept[key] = np.empty_like(like, shape=(size,))
    return kept[key][:size].reshape(shape)
