"""One epoch of a data set, a few images at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

import numpy as np

from nn.data.dataset import Dataset

TWICE = 2  # how often an image may be drawn in an epoch where another set has others
# draw(rng): the numbers of an epoch's images, in their order; as many each time.
Draw = Callable[[np.random.Generator], np.ndarray]


def batches(
    dataset: Dataset,
    batch_size: int,
    rng: int | np.random.Generator | None = None,
    start: int = 0,
    draw: Draw | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (images, labels) until each image has been seen exactly once; with `draw`, until each drawn one has.

    With `rng` (a seed or a NumPy Generator) the order is random: the batches of a sorted data set would pull
    the weights towards one class after another. The last batch holds what is left, so it may be smaller;
    leaving it out would falsify every accuracy unnoticed.

    start: leave out this many batches at the beginning, those that an interrupted epoch has seen.
    draw: which images are seen, and in which order, such as `evenly` gives it; it needs `rng`.

    Without `rng` the batches are views of the data set's arrays: read them, do not write into them.
    """
    try:
        batch_size = operator.index(batch_size)
    except TypeError:
        raise TypeError(f"batches: batch_size must be a whole number, got {batch_size!r}.") from None
    if batch_size < 1:
        raise ValueError(f"batches: batch_size must be at least 1, got {batch_size}.")

    # Drawn here and not at the first `next`, so that it does not matter when the loop starts.
    if draw is not None:
        order = draw(np.random.default_rng(rng))
    else:
        order = None if rng is None else np.random.default_rng(rng).permutation(len(dataset))
    return _walk(dataset, batch_size, order, start)


def epoch_size(dataset: Dataset, draw: Draw | None) -> int:
    """How many images an epoch has: all, or as many as are drawn."""
    return len(dataset) if draw is None else len(draw(np.random.default_rng(0)))


def evenly(labels: np.ndarray, per_class: int, origins: np.ndarray | None = None) -> Draw:
    """Draw `per_class` images of each class for an epoch, whether it has ten times as many or a tenth.

    origins: the number of the data set that each image comes from. Each class's images are then drawn in equal parts
    from all sets that have it, or to one: else a class that has its photographs in one set and another that has them in
    the other would be told apart by what the sets look like. But no image is drawn more often than TWICE in an epoch
    where another set can give the rest: a hundred images that are drawn a thousand times are learned by heart.

    A class of n images gives each of them per_class // n times, and the rest at random, without repetition.
    """
    if per_class < 1:
        raise ValueError(f"evenly: per_class must be at least 1, got {per_class}")
    origins = np.zeros(len(labels), np.int64) if origins is None else origins
    parts = []  # (numbers of the images, how many of them are drawn)
    for label in np.unique(labels):
        sets = [np.flatnonzero((labels == label) & (origins == origin)) for origin in np.unique(origins)]
        sets = sorted((numbers for numbers in sets if len(numbers)), key=len)
        left = per_class
        for index, numbers in enumerate(sets):
            is_last = index + 1 == len(sets)
            count = left if is_last else min(left // (len(sets) - index), TWICE * len(numbers))
            parts.append((numbers, count))
            left -= count

    def draw(rng: np.random.Generator) -> np.ndarray:
        drawn = []
        for numbers, count in parts:
            drawn += [np.tile(numbers, count // len(numbers)), rng.permutation(numbers)[: count % len(numbers)]]
        return rng.permutation(np.concatenate(drawn))

    return draw


def _walk(
    dataset: Dataset, batch_size: int, order: np.ndarray | None, first: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(first * batch_size, len(dataset) if order is None else len(order), batch_size):
        chosen = slice(start, start + batch_size)
        if order is not None:
            chosen = order[chosen]
        yield dataset.images[chosen], dataset.labels[chosen]
