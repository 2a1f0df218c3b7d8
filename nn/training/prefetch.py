"""The batches of an epoch as the network reads them, each prepared while the network learns from the one before."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

import numpy as np

from nn.data import Dataset, Draw, batches
from nn.data.dataset import UNDECODED
from nn.data.stream import StreamedImages
from nn.device import move

AHEAD = 3  # batches of streamed images: what a disk holds back for a moment, the network need not wait for
# prepare(images, rng): the network's input; rng is a generator for random changes, or None for testing.
Prepare = Callable[[np.ndarray, np.random.Generator | None], np.ndarray]


class Prefetch:
    """Iterate over (images, labels), prepared and on the device.

    A GPU queues work and Python continues, until it reads a number such as the loss. Between the two, `fetch` prepares
    the next batch, so that the GPU is not idle meanwhile. On a CPU it only changes the order.

    Images that must be decoded first are prepared by a thread of their own, one batch ahead, or AHEAD where they come
    from a disk: decoding and the loops of the network release Python's lock. The random numbers are the same as without
    it, since nobody else draws from this generator.

    generator_state: that of the random generator after the current batch, so that a run can continue from there.
    waited: of streamed images, the share of the time that the network has waited for them; else None.
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
        self._start(dataset, _prepared(parts, prepare, rng, device))

    def _start(self, dataset: Dataset, prepared: Iterator[tuple]) -> None:
        """Nothing is prepared yet; `prepared` gives (images, labels, state), or what else has three parts."""
        self._source = prepared
        self._thread = ThreadPoolExecutor(1, "batches") if isinstance(dataset.images, UNDECODED) else None
        self._is_streamed = isinstance(dataset.images, StreamedImages)
        self._fetched: deque[Future] = deque()  # of these, or of None after the last batch
        self._begun, self._seconds = time.perf_counter(), 0.0

    @property
    def waited(self) -> float | None:
        return self._seconds / max(1e-9, time.perf_counter() - self._begun) if self._is_streamed else None

    def fetch(self) -> Future:
        """Prepare the next batch now, or have the thread do it."""
        if self._thread:
            while len(self._fetched) < (AHEAD if self._is_streamed else 1):
                context = copy_context()  # so that `nn.plain` holds there as well
                self._fetched.append(self._thread.submit(context.run, self._next))
        elif not self._fetched:
            batch = self._next()
            self._fetched.append(Future())
            self._fetched[0].set_result(batch)
        return self._fetched[0]

    def _next(self) -> tuple | None:
        return next(self._source, None)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        try:
            while True:
                asked = time.perf_counter()
                batch = self.fetch().result()
                self._seconds += time.perf_counter() - asked
                if batch is None:
                    return
                self._fetched.popleft()
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
