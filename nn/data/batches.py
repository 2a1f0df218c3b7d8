"""One epoch of a data set, a few images at a time."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import numpy as np

from nn.data.dataset import Dataset


def batches(
    dataset: Dataset, batch_size: int, rng: int | np.random.Generator | None = None, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (images, labels) until each image has been seen exactly once.

    With `rng` (a seed or a NumPy Generator) the order is random: the batches of a sorted data set would pull
    the weights towards one class after another. The last batch holds what is left, so it may be smaller;
    leaving it out would falsify every accuracy unnoticed.

    start: leave out this many batches at the beginning, those that an interrupted epoch has seen.

    Without `rng` the batches are views of the data set's arrays: read them, do not write into them.
    """
    try:
        batch_size = operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batches: batch_size must be a whole number, got {batch_size!r}.") from None
    if batch_size < 1:
        raise ValueError(f"batches: batch_size must be at least 1, got {batch_size}.")

    # Drawn here and not at the first `next`, so that it does not matter when the loop starts.
    order = None if rng is None else np.random.default_rng(rng).permutation(len(dataset))
    return _walk(dataset, batch_size, order, start)


def _walk(
    dataset: Dataset, batch_size: int, order: np.ndarray | None, first: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(first * batch_size, len(dataset), batch_size):
        chosen = slice(start, start + batch_size)
        if order is not None:
            chosen = order[chosen]
        yield dataset.images[chosen], dataset.labels[chosen]
