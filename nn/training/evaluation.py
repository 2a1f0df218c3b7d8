"""How good a network is on images: the mean loss, and how often it is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.data import Dataset
from nn.data.bars import bar
from nn.device import move
from nn.labels import as_labels, places_of
from nn.loss import SoftmaxCrossEntropy
from nn.network import Network
from nn.parallel import Ranks
from nn.training.prefetch import Prepare

MANY = 10_000  # test images: of more, the progress is shown


def evaluate(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray,
    batch_size: int = 256,
    loss: Any = None,
    prepare: Prepare | None = None,
    places: np.ndarray | None = None,
    progress: bool = False,
    ranks: Ranks | None = None,
) -> tuple[float, float, np.ndarray]:
    """Mean loss, accuracy and the predicted classes, over all images: the last partial batch counts in full.

    places: zeros (N,), to be filled with each image's `nn.labels.places_of`. progress: show a bar, of many images.
    ranks: each takes some of the batches, and all return the same.
    """
    if len(images) == 0:
        raise ValueError("evaluate got no images, expected at least one")
    labels = as_labels(labels, "evaluate")
    if labels.shape != (len(images),):
        raise ValueError(
            f"evaluate expected one label for each image, got {len(images)} images and labels of shape {labels.shape}"
        )
    loss = SoftmaxCrossEntropy() if loss is None else loss
    ranks = Ranks() if ranks is None else ranks
    starts = range(0, len(images), batch_size)
    losses, classes = np.zeros(len(starts)), np.zeros(len(images), np.int64)
    mine = range(ranks.rank, len(starts), ranks.size)
    for number in bar(mine, progress and len(images) > MANY, desc="testing", unit="batch", leave=False):
        start = starts[number]
        part, right = images[start : start + batch_size], labels[start : start + batch_size]
        logits = network.forward(move(part if prepare is None else prepare(part, None), network.device))
        losses[number] = float(loss.forward(logits, right)) * len(right)
        classes[start : start + batch_size] = move(logits.argmax(axis=1), "cpu")
        if places is not None:
            places[start : start + batch_size] = places_of(move(logits, "cpu"), right)
    ranks.add(losses)  # each number is 0 on all ranks but one
    ranks.add(classes)
    if places is not None:
        ranks.add(places)
    loss_sum = 0.0
    for part_sum in losses.tolist():  # one after the other: `sum` adds otherwise from Python 3.12 on
        loss_sum += part_sum
    return loss_sum / len(images), float((classes == labels).mean()), classes


def evaluated(
    network: Network, test_set: Dataset, loss: Any, prepare: Prepare | None, progress: bool, ranks: Ranks
) -> dict[str, float]:
    """What an epoch's row says of the test set; of more than five classes also how often the right one is among the
    likeliest five."""
    places = np.zeros(len(test_set), np.int64)
    mean_loss, accuracy, _ = evaluate(
        network, test_set.images, test_set.labels, 256, loss, prepare, places, progress, ranks
    )
    top5 = {"test_top5": float((places < 5).mean())} if test_set.num_classes > 5 else {}
    return {"test_loss": mean_loss, "test_accuracy": accuracy, **top5}
