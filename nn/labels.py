"""The labels that a loss is given: what may hold them, and the checks of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nn.checks import FLOATS


def as_labels(labels: ArrayLike, who: str, classes: int | None = None, what: str = "label") -> np.ndarray:
    """The labels as a NumPy array of whole numbers, whatever holds them: a list, a pandas Series, ... Their range is
    checked if the number of classes is given, for NumPy would take -1 for the last."""
    try:
        array = np.asarray(labels)
    except Exception as error:  # what is converted decides which
        raise TypeError(
            f"{who} cannot make an array of the {what}s, which are a {type(labels).__name__}; expected a NumPy array "
            "of whole numbers"
        ) from error
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{who} expected whole numbers as {what}s, got {array.dtype}")
    if classes is not None and array.size and not (array.min() >= 0 and array.max() < classes):
        wrong = array[(array < 0) | (array >= classes)][0]
        raise ValueError(f"{who} got the {what} {wrong}, expected 0 to {classes - 1} for {classes} classes")
    return array


def check_labels(logits: np.ndarray, labels: np.ndarray, who: str) -> np.ndarray:
    """Check that there is one label for each row of the logits and that each names a class; return them as an array.

    Where the logits lie on a GPU, NumPy's labels are brought there. Of labels that were given there the range is not
    checked, as to read them one would have to wait for the GPU: those that name no class become -1.
    """
    if not hasattr(logits, "dtype") or logits.dtype not in FLOATS:
        got = getattr(logits, "dtype", type(logits).__name__)
        raise TypeError(f"{who} expected float32 or float64 logits, got {got}")
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"{who} expected logits of shape (N, classes), got {tuple(logits.shape)}")
    labels = labels if type(labels) is type(logits) else as_labels(labels, who)
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"{who} expected whole numbers as labels, got {labels.dtype}")
    if tuple(labels.shape) != (len(logits),):
        raise ValueError(
            f"{who} expected one label for each of the {len(logits)} rows of logits, got labels of shape "
            f"{tuple(labels.shape)}"
        )
    if not isinstance(labels, np.ndarray):
        labels = labels.astype(np.int64)
        return np.where((labels < 0) | (labels >= logits.shape[1]), -1, labels)
    as_labels(labels, who, logits.shape[1])
    return np.asarray(labels, like=logits)


def places_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes come before the right one, (N,), of logits (N, classes): 0 where the answer is right, below 5
    where it is among the first five. Of equal ones the first comes first, as with `argmax`."""
    of_label = np.take_along_axis(logits, labels[:, None], axis=1)
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    return ((logits > of_label) | ((logits == of_label) & earlier)).sum(axis=1)
