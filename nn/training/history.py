"""What a training run records: the history of the whole run, and the accumulators of the current epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class History:
    """What a training run recorded.

    steps: the loss of every step. epochs: a dict for each epoch with epoch, learning_rate (of its last step),
    train_loss and train_accuracy (running, while the weights changed), test_loss, test_accuracy (nan without a test
    set), seconds and images_per_second (training alone, without the test); of more than five classes test_top5, how
    often the right class is among the likeliest five; of streamed images waited, the share of the time that went by
    waiting for them. statistics: for each epoch what
    `diagnosis.measure` found at one of its last steps, None if training failed before that. unfinished: where an
    interrupted epoch stands (see `Epoch`), else None. failure: why training stopped before its end, "" if it did not.
    """

    steps: list[float] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    statistics: list[dict | None] = field(default_factory=list)
    unfinished: dict | None = None
    failure: str = ""

    @property
    def seconds(self) -> float:
        return sum(epoch["seconds"] for epoch in self.epochs)


@dataclass
class Epoch:
    """Where an epoch stands: batches done, accumulators over their images, time taken, the random generator's state
    and what `nn.training.diagnosis.measure` found in it."""

    batches: int = 0
    loss_sum: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    generator: dict | None = None
    statistics: dict | None = None

    def add(self, loss: float, right: int, count: int) -> None:
        """Count a batch of `count` images with this mean loss, `right` of them classified correctly."""
        self.batches += 1
        self.loss_sum += loss * count
        self.right += right
        self.seen += count

    def row(self, number: int, learning_rate: float) -> dict:
        """The epoch's row in the history, before the test."""
        return {
            "epoch": number,
            "learning_rate": float(learning_rate),
            "train_loss": self.loss_sum / self.seen,
            "train_accuracy": self.right / self.seen,
            "test_loss": math.nan,
            "test_accuracy": math.nan,
            "seconds": self.seconds,
            "images_per_second": self.seen / self.seconds,
        }
