"""The batches of an epoch as the network reads them, each prepared while the network learns from the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from nn.data import Dataset, Draw, batches
from nn.data.whole import WholeImages
from nn.device import move

# prepare(images, rng): the network's input; rng is a generator for random changes, or None for testing.
Prepare = Callable[[np.ndarray, np.random.Generator | None], np.ndarray]


class Prefetch:
    """Iterate over (images, labels), prepared and on the device.

    A GPU queues work and Python continues, until it reads a number such as the loss. Between the two, `fetch` prepares
    the next batch, so that the GPU is not idle meanwhile. On a CPU it only changes the order.

    Images that must be decoded first are prepared by a thread of their own, one batch ahead: decoding and the loops of
    the network release Python's lock. The random numbers are the same as without it, since nobody else draws from this
    generator.

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
        draw: Draw | None = None,
    ) -> None:
        parts = batches(dataset, batch_size, rng, start, draw)  # which draws the order, before the state is put back
        if generator_state is not None:
            rng.bit_generator.state = generator_state
        self.generator_state = generator_state
        self._source = _prepared(parts, prepare, rng, device)
        self._thread = ThreadPoolExecutor(1, "batches") if isinstance(dataset.images, WholeImages) else None
        self._fetched: Future | None = None  # of (images, labels, state), or of None after the last batch

    def fetch(self) -> Future:
        """Prepare the next batch now, or have the thread do it."""
        if self._fetched is None and self._thread:  # in a copy of this context, so that `nn.plain` holds there as well
            context = copy_context()
            self._fetched = self._thread.submit(lambda: context.run(next, self._source, None))
        elif self._fetched is None:
            batch = next(self._source, None)
            self._fetched = Future()
            self._fetched.set_result(batch)
        return self._fetched

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        try:
            while True:
                batch = self.fetch().result()
                if batch is None:
                    return
                self._fetched = None
                if self._thread:
                    self.fetch()
                images, labels, self.generator_state = batch
                yield images, labels
        finally:
            if self._thread:
                self._thread.shutdown(cancel_futures=True)


def _prepared(
    parts: Iterator[tuple[np.ndarray, np.ndarray]], prepare: Prepare | None, rng: np.random.Generator, device: str
) -> Iterator[tuple[np.ndarray, np.ndarray, Mapping]]:
    """The batches as the network reads them, on its device, each with the random generator's state after it."""
    for images, labels in parts:
        images = images if prepare is None else prepare(images, rng)
        yield move(images, device), labels, rng.bit_generator.state
