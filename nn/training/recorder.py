"""What stands around the steps of one epoch: it is resumed, counted, watched for NaN and infinity, and stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from nn.data import Dataset, Draw, epoch_size
from nn.device import move
from nn.network import Network
from nn.training.data_parallel import DataParallel, Shard, ShardedPrefetch
from nn.training.diagnosis import measure, not_finite
from nn.training.history import Epoch, History
from nn.training.prefetch import Prefetch, Prepare
from nn.training.progress import Progress


class Recorder:
    """The record of one epoch, which begins anew or continues where `history.unfinished` says.

    number: the epoch's, from 1. draw: its images, see `nn.data.batches`. stop(history): asked after each step but the
    last, with history.unfinished set; where it says yes, it stays set. parallel: then the batches are in shards.
    """

    def __init__(
        self,
        network: Network,
        train_set: Dataset,
        batch_size: int,
        prepare: Prepare | None,
        draw: Draw | None,
        seed: int,
        number: int,
        history: History,
        progress: Progress,
        stop: Callable[[History], bool] | None,
        parallel: DataParallel | None = None,
    ) -> None:
        self.network, self.number = network, number
        self.history, self.progress, self.stop = history, progress, stop
        self.epoch = Epoch(**history.unfinished) if history.unfinished else Epoch()
        history.unfinished = None
        size = epoch_size(train_set, draw)
        self._steps_per_epoch = -(-size // batch_size)
        self._measured_step = max(0, size // batch_size - 1)  # the last whose batch is full
        self._start = time.perf_counter() - self.epoch.seconds
        first, state, device = self.epoch.batches, self.epoch.generator, network.device
        if parallel is not None:
            self._batches: Prefetch = ShardedPrefetch(
                parallel, train_set, batch_size, seed, number, device, prepare, first, draw
            )
            return
        # A generator for each epoch: a resumed run sees what it would have seen without a stop.
        rng = np.random.default_rng([seed, number])
        self._batches = Prefetch(train_set, batch_size, rng, device, prepare, first, state, draw)

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """The batches that are left, until a number is NaN or infinite or the caller stops the run: images and labels,
        or a list of shards and how many images they have on all ranks."""
        for batch in self._batches:
            seen = self.epoch.seen
            yield batch
            if self.history.failure:
                return
            self.progress.after_step(self.epoch, self.epoch.seen - seen)
            if self._is_stopped():
                return

    def fraction_done(self, epochs: int) -> float:
        """How much of a run of this many epochs is done, for the schedule."""
        return len(self.history.steps) / (epochs * self._steps_per_epoch)

    def after_forward(self, logits: np.ndarray, loss: Any, value: float) -> None:
        """Take the statistics in one step of an epoch, and where the loss is NaN or infinite."""
        # Only on a CPU is the loss known here: a GPU is still at work.
        is_lost = self.network.device == "cpu" and not math.isfinite(value)
        if self.epoch.batches == self._measured_step or is_lost:
            self.epoch.statistics = measure(self.network, logits, loss)

    def after_backward(self, images: np.ndarray, labels: np.ndarray, logits: np.ndarray, value: float) -> bool:
        """Count the batch. False if the loss or a gradient is NaN or infinite: then the weights must not change."""
        answers = logits.argmax(axis=1)
        self._batches.fetch()  # while a GPU works; the next lines wait for it, once a step
        return self._count(images, float(value), int((move(answers, "cpu") == labels).sum()), len(labels))

    def after_shards(self, shards: list[Shard], value: float, right: int, count: int) -> bool:
        """The same for a batch in shards; the numbers are all ranks'."""
        self._batches.fetch()
        images = next((shard[0] for shard in shards if shard is not None), None)
        return self._count(images, value, right, count)

    def _count(self, images: np.ndarray | None, value: float, right: int, count: int) -> bool:
        self.history.steps.append(value)
        self.epoch.add(value, right, count)
        self.history.failure = not_finite(self.network, images, value, len(self.history.steps))
        return not self.history.failure

    def row(self, learning_rate: float) -> dict:
        """The epoch's row in the history, now that its steps are done."""
        self.epoch.seconds = time.perf_counter() - self._start
        waited = self._batches.waited
        return self.epoch.row(self.number, learning_rate) | ({} if waited is None else {"waited": waited})

    def _is_stopped(self) -> bool:
        """Ask the caller, who may save what `history.unfinished` says."""
        if self.stop is None or self.epoch.batches == self._steps_per_epoch:
            return False
        self.epoch.seconds = time.perf_counter() - self._start
        self.epoch.generator = self._batches.generator_state
        self.history.unfinished = asdict(self.epoch)
        if self.stop(self.history):
            return True
        self.history.unfinished = None
        return False
