"""The batches of an epoch as the network reads them, each prepared while a GPU still works on the previous one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from nn.data import Dataset, batches
from nn.device import move

# prepare(images, rng): the network's input; rng is a generator for random changes, or None for testing.
Prepare = Callable[[np.ndarray, np.random.Generator | None], np.ndarray]


class Prefetch:
    """Iterate over (images, labels), prepared and on the device.

    A GPU queues work and Python continues, until it reads a number such as the loss. Between the two, `fetch` prepares
    the next batch, so that the GPU is not idle meanwhile. On a CPU it only changes the order.

    generator_state: that of the random generator after the current batch, so that a run can continue from there.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        rng: np.random.Generator,
        device: str,
        prepare: Prepare | None = None,
        start: int = 0,
        generator_state: dict | None = None,
    ) -> None:
        parts = batches(dataset, batch_size, rng, start)  # which draws the order, before the state is put back
        if generator_state is not None:
            rng.bit_generator.state = generator_state
        self.generator_state = generator_state
        self._source = _prepared(parts, prepare, rng, device)
        self._fetched: list = []  # at most one: (images, labels, state), or None after the last batch

    def fetch(self) -> None:
        """Prepare the next batch now."""
        if not self._fetched:
            self._fetched.append(next(self._source, None))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            self.fetch()
            batch = self._fetched.pop()
            if batch is None:
                return
            images, labels, self.generator_state = batch
            yield images, labels


def _prepared(
    parts: Iterator[tuple[np.ndarray, np.ndarray]], prepare: Prepare | None, rng: np.random.Generator, device: str
) -> Iterator[tuple[np.ndarray, np.ndarray, Mapping]]:
    """The batches as the network reads them, on its device, each with the random generator's state after it."""
    for images, labels in parts:
        images = images if prepare is None else prepare(images, rng)
        yield move(images, device), labels, rng.bit_generator.state
