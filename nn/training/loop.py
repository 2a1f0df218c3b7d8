"""The training loop: batches forward, loss, backward, step; and after each epoch, a look at the test set."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
from tqdm import tqdm

from nn.data import Dataset, batches
from nn.device import move
from nn.loss import SoftmaxCrossEntropy, as_labels
from nn.network import Network
from nn.sgd import SGD
from nn.training.diagnosis import diagnose, measure, not_finite
from nn.training.schedules import Plateau


@dataclass
class History:
    """What a training run recorded.

    steps: the loss of every step. epochs: a dict for each epoch with epoch, learning_rate (of its last step),
    train_loss and train_accuracy (running, while the weights changed), test_loss, test_accuracy (nan without a test
    set), seconds and images_per_second (training alone, without the test). statistics: for each epoch what
    `diagnosis.measure` found at one of its last steps. unfinished: where an interrupted epoch stands (see `Epoch`),
    else None. failure: why training stopped before its end, "" if it did not.
    """

    steps: list[float] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    statistics: list[dict] = field(default_factory=list)
    unfinished: dict | None = None
    failure: str = ""

    @property
    def seconds(self) -> float:
        return sum(epoch["seconds"] for epoch in self.epochs)


@dataclass
class Epoch:
    """Where an epoch stands: batches done, sums over their pictures, time taken, the random generator's state, and
    what `nn.training.diagnosis.measure` found in it."""

    batches: int = 0
    loss_sum: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    generator: dict | None = None
    statistics: dict | None = None


Prepare = Callable[[np.ndarray, np.random.Generator | None], np.ndarray]


def train(
    network: Network,
    train_set: Dataset,
    test_set: Dataset | None = None,
    *,
    epochs: int,
    optimizer: SGD,
    batch_size: int = 64,
    schedule: Callable[[float], float] | Plateau | None = None,
    loss=None,
    prepare: Prepare | None = None,
    seed: int = 0,
    progress: bool = True,
    description: str = "",
    history: History | None = None,
    after_step: Callable[[History], bool] | None = None,
    after_epoch: Callable[[History], bool | None] | None = None,
) -> History:
    """Train the network for so many passes over the training set, and say how it went.

    schedule: the learning rate as a function of the fraction of the run that is done, 0 to 1, or a `Plateau`; without
    one the optimizer's stays as it is. loss: an object with forward(logits, labels) and backward(); softmax and
    cross-entropy if none is given. prepare(images, rng): makes the network's input of a batch of pictures; rng is a
    generator for random changes, or None for testing. seed: the order of the pictures and the random changes.
    progress: show a bar if stderr is a terminal, else print a line after each epoch; and say so, once, if something
    keeps the network from learning (see `diagnosis`). history: that of an earlier call, to go on where it ended,
    after an epoch or within one. after_step(history): called after each step; true stops the run, and
    history.unfinished says where. after_epoch(history): called after each epoch, and stops the run likewise.

    Where the loss or a gradient is no longer a number, training stops before the weights are changed by it, and
    history.failure names the layer and the step.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"train got epochs={epochs} and batch_size={batch_size}, expected at least 1 of each")
    if len(train_set) == 0:
        raise ValueError("train got no images, expected at least one")
    if isinstance(optimizer, SGD):  # one of your own needs lr and step alone
        optimizer.check_network(network, "train")
    loss = SoftmaxCrossEntropy() if loss is None else loss
    history = History() if history is None else history
    steps_per_epoch = -(-len(train_set) // batch_size)
    watched = max(0, len(train_set) // batch_size - 1)  # the last step of an epoch whose batch is full
    description = description or network.name
    said = set()
    with tqdm(
        total=epochs * len(train_set),
        initial=len(history.epochs) * len(train_set) + (history.unfinished or {"seen": 0})["seen"],
        desc=description,
        unit="img",
        disable=not (progress and sys.stderr.isatty()),
        dynamic_ncols=True,
    ) as bar:
        for epoch in range(len(history.epochs) + 1, epochs + 1):
            # A generator for each epoch: a run that goes on after some epochs sees what it would have seen at once.
            rng = np.random.default_rng([seed, epoch])
            at = Epoch(**history.unfinished) if history.unfinished else Epoch()
            parts = batches(train_set, batch_size, rng, at.batches)
            if history.unfinished:
                rng.bit_generator.state = at.generator
            history.unfinished = None
            start = time.perf_counter() - at.seconds
            prepared = _prepared(parts, prepare, rng, network.device)
            batch = next(prepared, None)
            while batch is not None:
                images, labels, generator = batch
                if callable(schedule):
                    optimizer.lr = schedule(len(history.steps) / (epochs * steps_per_epoch))
                logits = network.forward(images, training=True)
                batch_loss = loss.forward(logits, labels)
                # Whether the loss is lost is known here on the processor alone: a graphics card is still at work.
                if at.batches == watched or (network.device == "cpu" and not math.isfinite(batch_loss)):
                    at.statistics = measure(network, logits, loss)
                network.backward(loss.backward(), input_gradient=False)
                answers = logits.argmax(axis=1)
                batch = next(prepared, None)  # while a graphics card works; the next lines wait for it, once a step
                batch_loss = float(batch_loss)
                history.steps.append(batch_loss)
                at.batches += 1
                at.loss_sum += batch_loss * len(labels)
                at.right += int((move(answers, "cpu") == labels).sum())
                at.seen += len(labels)
                history.failure = not_finite(network, images, batch_loss, len(history.steps))
                if history.failure:
                    break
                optimizer.step()
                bar.set_postfix_str(
                    f"loss {at.loss_sum / at.seen:.3f}, accuracy {at.right / at.seen:.1%}", refresh=False
                )
                bar.update(len(labels))
                if after_step is not None and at.batches < steps_per_epoch:
                    at.seconds, at.generator = time.perf_counter() - start, generator
                    history.unfinished = asdict(at)
                    if after_step(history):
                        return history
                    history.unfinished = None
            row = _row(epoch, optimizer, at, time.perf_counter() - start)
            if test_set is not None and not history.failure:
                row["test_loss"], row["test_accuracy"], _ = evaluate(
                    network, test_set.images, test_set.labels, loss=loss, prepare=prepare
                )
            history.epochs.append(row)
            history.statistics.append(at.statistics)
            if isinstance(schedule, Plateau) and not history.failure:
                error = row["train_loss"] if test_set is None else 1 - row["test_accuracy"]
                optimizer.lr = schedule.after_epoch(error)
            if progress and bar.disable:
                print(_line(description, epochs, row), file=sys.stderr, flush=True)
            if progress:
                for finding in diagnose(history):
                    if (finding.kind, finding.layer) not in said:
                        bar.write(f"{description}: {finding.sentence}", file=sys.stderr)
                    said.add((finding.kind, finding.layer))
            if history.failure:
                return history
            if after_epoch is not None and after_epoch(history):
                return history
    return history


def _prepared(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], prepare: Prepare | None, rng: np.random.Generator, device: str
) -> Iterator[tuple[np.ndarray, np.ndarray, dict]]:
    """The batches as the network reads them, on its device, each with the random generator's state after it."""
    for images, labels in parts:
        images = images if prepare is None else prepare(images, rng)
        yield move(images, device), labels, rng.bit_generator.state


def _row(epoch: int, optimizer: SGD, at: Epoch, seconds: float) -> dict:
    """The record of an epoch, not tested yet."""
    return {
        "epoch": epoch,
        "learning_rate": float(optimizer.lr),
        "train_loss": at.loss_sum / at.seen,
        "train_accuracy": at.right / at.seen,
        "test_loss": math.nan,
        "test_accuracy": math.nan,
        "seconds": seconds,
        "images_per_second": at.seen / seconds,
    }


def evaluate(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 256,
    loss=None,
    prepare: Prepare | None = None,
) -> tuple[float, float, np.ndarray]:
    """Mean loss, accuracy and the predicted classes, over all images: the last partial batch counts in full."""
    if len(images) == 0:
        raise ValueError("evaluate got no images, expected at least one")
    labels = as_labels(labels, "evaluate")
    if labels.shape != (len(images),):
        raise ValueError(
            f"evaluate expected one label for each image, got {len(images)} images and labels of shape {labels.shape}"
        )
    loss = SoftmaxCrossEntropy() if loss is None else loss
    loss_sum, predictions = 0.0, []
    for start in range(0, len(images), batch_size):
        part, right = images[start : start + batch_size], labels[start : start + batch_size]
        logits = network.forward(move(part if prepare is None else prepare(part, None), network.device))
        loss_sum += float(loss.forward(logits, right)) * len(right)
        predictions.append(move(logits.argmax(axis=1), "cpu"))
    predictions = np.concatenate(predictions)
    return loss_sum / len(images), float((predictions == labels).mean()), predictions


def _line(description: str, epochs: int, row: dict) -> str:
    tested = "" if math.isnan(row["test_accuracy"]) else f", test accuracy {row['test_accuracy']:.2%}"
    return (
        f"{description} epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.4f}, accuracy "
        f"{row['train_accuracy']:.2%}{tested}, {row['images_per_second']:.0f} images/s, {row['seconds']:.1f} s"
    )
