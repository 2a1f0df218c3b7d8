"""What a training run shows while it runs: a bar in a terminal, else a line after each epoch and now and then within
it; and any diagnosis."""

from __future__ import annotations

import math
import sys

from nn.data.bars import Lines, bar
from nn.training.diagnosis import diagnose
from nn.training.history import Epoch, History


class Progress:
    """A bar if stderr is a terminal, else a line for each epoch and, where that takes long, some within it; each
    finding of the diagnosis is printed once.

    total: images of the whole run. done: those that an earlier call has seen. is_shown: False prints nothing.
    """

    def __init__(self, description: str, epochs: int, total: int, done: int, is_shown: bool) -> None:
        self.description, self.epochs, self.is_shown = description, epochs, is_shown
        self._printed: set[tuple[str, str]] = set()  # kind and layer of the findings
        self._bar = bar(is_shown=is_shown, total=total, initial=done, desc=description, unit="img")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def after_step(self, epoch: Epoch, count: int) -> None:
        """Move the bar on by `count` images."""
        figures = f"loss {epoch.loss_sum / epoch.seen:.3f}, accuracy {epoch.right / epoch.seen:.1%}"
        self._bar.set_postfix_str(figures, refresh=False)
        self._bar.update(count)

    def after_epoch(self, history: History) -> None:
        """Print the last epoch's line where there is no bar, and what keeps the network from learning."""
        if not self.is_shown:
            return
        if isinstance(self._bar, Lines):
            print(self._line(history.epochs[-1]), file=sys.stderr, flush=True)
        for finding in diagnose(history):
            if (finding.kind, finding.layer) not in self._printed:
                self._bar.write(f"{self.description}: {finding.sentence}", file=sys.stderr)
            self._printed.add((finding.kind, finding.layer))

    def _line(self, row: dict) -> str:
        tested = "" if math.isnan(row["test_accuracy"]) else f", test accuracy {row['test_accuracy']:.2%}"
        waited = f", waited {row['waited']:.1%}" if "waited" in row else ""
        speed = f"{row['images_per_second']:.0f} images/s, {row['seconds']:.1f} s{waited}"
        return (
            f"{self.description} epoch {row['epoch']}/{self.epochs}: loss {row['train_loss']:.4f}, accuracy "
            f"{row['train_accuracy']:.2%}{tested}, {speed}"
        )
