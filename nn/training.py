"""The training loop: batches forward, loss, backward, step; and after each epoch, a look at the test set."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from nn.data import Dataset, batches
from nn.loss import SoftmaxCrossEntropy
from nn.network import Network
from nn.sgd import SGD


@dataclass
class History:
    """What a training run recorded.

    steps: the loss of every step. epochs: a dict for each epoch with epoch, learning_rate (of its last step),
    train_loss and train_accuracy (running, while the weights changed), test_loss, test_accuracy (nan without a test
    set), seconds and images_per_second (training alone, without the test).
    """

    steps: list[float] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(epoch["seconds"] for epoch in self.epochs)


def train(
    network: Network,
    train_set: Dataset,
    test_set: Dataset | None = None,
    *,
    epochs: int,
    optimizer: SGD,
    batch_size: int = 64,
    schedule: Callable[[float], float] | None = None,
    seed: int = 0,
    progress: bool = True,
    description: str = "",
) -> History:
    """Train the network for so many passes over the training set, and say how it went.

    schedule: the learning rate as a function of the fraction of the run that is done, 0 to 1; without one the
    optimizer's stays as it is. seed: the order of the pictures. progress: show a bar if stderr is a terminal,
    else print a line after each epoch.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"train got epochs={epochs} and batch_size={batch_size}, expected at least 1 of each")
    loss_function = SoftmaxCrossEntropy()
    rng = np.random.default_rng(seed)
    history = History()
    steps_per_epoch = -(-len(train_set) // batch_size)
    description = description or network.name
    with tqdm(
        total=epochs * len(train_set),
        desc=description,
        unit="img",
        disable=not (progress and sys.stderr.isatty()),
        dynamic_ncols=True,
    ) as bar:
        for epoch in range(1, epochs + 1):
            loss_sum, right, seen = 0.0, 0, 0
            start = time.perf_counter()
            for images, labels in batches(train_set, batch_size, rng):
                if schedule is not None:
                    optimizer.lr = schedule(len(history.steps) / (epochs * steps_per_epoch))
                logits = network.forward(images, training=True)
                loss = float(loss_function.forward(logits, labels))
                network.backward(loss_function.backward(), input_gradient=False)
                optimizer.step()
                history.steps.append(loss)
                loss_sum += loss * len(labels)
                right += int((logits.argmax(axis=1) == labels).sum())
                seen += len(labels)
                bar.set_postfix_str(f"loss {loss_sum / seen:.3f}, accuracy {right / seen:.1%}", refresh=False)
                bar.update(len(labels))
            seconds = time.perf_counter() - start
            test_loss, test_accuracy = math.nan, math.nan
            if test_set is not None:
                test_loss, test_accuracy, _ = evaluate(network, test_set.images, test_set.labels)
            history.epochs.append(
                {
                    "epoch": epoch,
                    "learning_rate": float(optimizer.lr),
                    "train_loss": loss_sum / seen,
                    "train_accuracy": right / seen,
                    "test_loss": test_loss,
                    "test_accuracy": test_accuracy,
                    "seconds": seconds,
                    "images_per_second": seen / seconds,
                }
            )
            if progress and bar.disable:
                print(_line(description, epochs, history.epochs[-1]), file=sys.stderr, flush=True)
    return history


def evaluate(
    network: Network, images: np.ndarray, labels: np.ndarray, batch_size: int = 256
) -> tuple[float, float, np.ndarray]:
    """Mean loss, accuracy and the predicted classes, over all images: the last partial batch counts in full."""
    if len(images) == 0:
        raise ValueError("evaluate got no images, expected at least one")
    loss_function = SoftmaxCrossEntropy()
    loss_sum, predictions = 0.0, []
    for start in range(0, len(images), batch_size):
        logits = network.forward(images[start : start + batch_size])
        part = labels[start : start + batch_size]
        loss_sum += float(loss_function.forward(logits, part)) * len(part)
        predictions.append(logits.argmax(axis=1))
    predictions = np.concatenate(predictions)
    return loss_sum / len(images), float((predictions == labels).mean()), predictions


def _line(description: str, epochs: int, row: dict) -> str:
    tested = "" if math.isnan(row["test_accuracy"]) else f", test accuracy {row['test_accuracy']:.2%}"
    return (
        f"{description} epoch {row['epoch']}/{epochs}: loss {row['train_loss']:.4f}, accuracy "
        f"{row['train_accuracy']:.2%}{tested}, {row['images_per_second']:.0f} images/s, {row['seconds']:.1f} s"
    )
