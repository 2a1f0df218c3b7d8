"""One file of CIFAR's "Python version": a pickle of a dict, read by `pickle_reader`, so that nothing in it can run.

    "data"      unsigned bytes, (N, 3072): the planes R, G and B of each image, each plane row by row
    "labels"    a list of N whole numbers
    and other things ("batch_label", "filenames"), which are passed over

Source: www.cs.toronto.edu/~kriz/cifar.html. The published files were written by Python 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.files.pickle_reader import Named, Unbuilt, as_text, is_count, read_pickle


class _Dtype(Unbuilt):
    """A NumPy dtype; bytes are the only one there is."""

    def __init__(self, arguments: tuple) -> None:
        if not arguments or as_text(arguments[0]) != "u1":
            raise ValueError("it holds an array of something else than unsigned bytes")

    def build(self, state: Any) -> None:  # the byte order, and what only structures have
        pass


class _Array(Unbuilt):
    """A NumPy array, a view of the file: (its version, shape, dtype, whether in Fortran's order, its bytes)."""

    value: np.ndarray | None = None

    def __init__(self, arguments: tuple) -> None:
        if len(arguments) != 3 or not isinstance(arguments[0], Named) or arguments[0].name != "numpy.ndarray":
            raise ValueError("its pickle makes an array in a way that NumPy does not")

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise ValueError("its pickle describes an array in a way that NumPy does not")
        _version, shape, _dtype, fortran, content = state
        if not isinstance(shape, tuple) or len(shape) != 2 or not all(is_count(length) for length in shape):
            raise ValueError("it holds an array of something else than rows")
        if not isinstance(content, bytes | memoryview) or len(content) != shape[0] * shape[1]:
            raise ValueError("the bytes of its array are not all there")
        self.value = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")


FUNCTIONS = {
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": None,
}


def read_batch(content: bytes, record: int) -> tuple[np.ndarray, np.ndarray]:
    """(Images as rows of `record` bytes, labels in 0..255); ValueError, without the file's name, for all else."""
    batch = read_pickle(content, FUNCTIONS)
    if not isinstance(batch, dict) or not isinstance(batch.get("data"), _Array):
        raise ValueError('it holds no dict with an array "data"')
    data, labels = batch["data"].value, batch.get("labels")
    if data is None or not len(data) or data.shape[1] != record:
        raise ValueError(f"its images must have {record:,} bytes each, got {'none' if data is None else data.shape}")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise ValueError(f"it must hold a list of {len(data):,} labels, one for each image")
    if not all(is_count(label) and label < 256 for label in labels):
        raise ValueError("its labels must be whole numbers from 0 on")
    return data, np.array(labels, np.uint8)
