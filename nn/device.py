"""Where numbers lie: in the computer's memory, as NumPy arrays, or on a GPU, as CuPy arrays.

Layers, losses and SGD do not ask. They call NumPy's functions, and NumPy hands a call with a CuPy array to CuPy: the
arrays decide where the work is done, and the result lies there too. Only the way in and out is made here.

Work for a GPU is queued, and the program goes on; it waits where a number is read, as `float` does.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cuda import load_cupy

DEVICES = ("cpu", "cuda")


def move(array: np.ndarray, device: str) -> np.ndarray:
    """The array on this device, "cpu" or "cuda": itself if it lies there, else a copy.

    Raises ValueError for another device, ImportError without CuPy and RuntimeError without a GPU.
    """
    check_device(device)
    if device == "cpu":
        return array.get() if hasattr(array, "get") else array
    return load_cupy().asarray(array) if isinstance(array, np.ndarray) else array


def check_device(device: str) -> None:
    """Find out whether there is such a device; raises as `move` does."""
    if device not in DEVICES:
        raise ValueError(f"the device is {device!r}, expected one of {', '.join(DEVICES)}")
    if device == "cuda":
        load_cupy()
