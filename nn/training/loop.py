"""The training loop: batches forward, loss, backward, step; and after each epoch, an evaluation on the test set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nn.data import Dataset, Draw, epoch_size
from nn.loss import SoftmaxCrossEntropy
from nn.network import Network
from nn.parallel import Ranks
from nn.sgd import SGD
from nn.training.data_parallel import DataParallel
from nn.training.evaluation import evaluated
from nn.training.history import History
from nn.training.prefetch import Prepare
from nn.training.progress import Progress
from nn.training.recorder import Recorder
from nn.training.schedules import Schedule, as_schedule


def train(
    network: Network,
    train_set: Dataset,
    test_set: Dataset | None = None,
    *,
    epochs: int,
    optimizer: SGD,
    batch_size: int = 64,
    schedule: Callable[[float], float] | Schedule | None = None,
    loss: Any = None,
    prepare: Prepare | None = None,
    draw: Draw | None = None,
    seed: int = 0,
    progress: bool = True,
    description: str = "",
    history: History | None = None,
    after_step: Callable[[History], bool] | None = None,
    after_epoch: Callable[[History], bool | None] | None = None,
    parallel: DataParallel | None = None,
) -> History:
    """Train the network for this many epochs, and return the history.

    schedule: the learning rate as a function of the fraction of the run that is done, 0 to 1, or one of
    `nn.training.schedules`; without one the optimizer's stays as it is. loss: an object with forward(logits, labels)
    and backward(); softmax and cross-entropy if none is given. prepare(images, rng): makes the network's input of a
    batch of images; rng is a generator for random changes, or None for testing. draw(rng): the numbers of an epoch's
    images, as `nn.data.evenly` draws them; without it all, in random order. seed: the order of the images and the
    random changes. progress: show a bar if stderr is a terminal, else print a line after each epoch; and say so, once,
    if something keeps the network from learning (see `diagnosis`). history: that of an earlier call, to continue where
    it ended. after_step(history), after_epoch(history): called after each; true stops the run, and history.unfinished
    says where. Where the loss or a gradient is NaN or infinite, training stops before the weights are changed by it,
    and history.failure names the layer and the step.
    parallel: other processes that share the work (`nn.training.data_parallel`); all call `train` alike, and get the
    same answers of the callbacks.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"train got epochs={epochs} and batch_size={batch_size}, expected at least 1 of each")
    if len(train_set) == 0:
        raise ValueError("train got no images, expected at least one")
    if isinstance(optimizer, SGD):  # one of your own needs lr and step alone
        optimizer.check_network(network, "train")
    loss = SoftmaxCrossEntropy() if loss is None else loss
    history = History() if history is None else history
    schedule = None if schedule is None else as_schedule(schedule)
    ranks = Ranks() if parallel is None else parallel.ranks
    if parallel is not None:
        one = train_set.images[:1] if prepare is None else prepare(train_set.images[:1], None)
        history = parallel.begin(network, optimizer, history, schedule, one.shape[1:])
    size = epoch_size(train_set, draw)
    done = len(history.epochs) * size + (history.unfinished or {"seen": 0})["seen"]
    progress = progress and ranks.first
    with ranks.together(), Progress(description or network.name, epochs, epochs * size, done, progress) as shown:
        for number in range(len(history.epochs) + 1, epochs + 1):
            record = Recorder(
                network, train_set, batch_size, prepare, draw, seed, number, history, shown, after_step, parallel
            )
            with np.errstate(over="ignore", invalid="ignore"):  # `record` says in a sentence where numbers went wrong
                if parallel is None:
                    _train_epoch(network, optimizer, loss, schedule, epochs, record)
                else:
                    parallel.train_epoch(optimizer, loss, schedule, epochs, record)
            if history.unfinished:
                return history
            row = record.row(optimizer.lr)
            if test_set is not None and not history.failure:
                row |= evaluated(network, test_set, loss, prepare, progress, ranks)
            history.epochs.append(row)
            history.statistics.append(record.epoch.statistics)
            if schedule is not None and not history.failure:
                schedule.after_epoch(row["train_loss"] if test_set is None else 1 - row["test_accuracy"])
            shown.after_epoch(history)
            if history.failure or (after_epoch is not None and after_epoch(history)):
                return history
    return history


def _train_epoch(
    network: Network, optimizer: SGD, loss: Any, schedule: Schedule | None, epochs: int, record: Recorder
) -> None:
    """One epoch, which is the whole of training: forward, loss, backward, step.

    The rest is book-keeping: `record` counts, and ends the loop at a number that is not finite, or for the caller.
    """
    for images, labels in record.batches():
        if schedule is not None:
            optimizer.lr = schedule(record.fraction_done(epochs))
        logits = network.forward(images, training=True)
        value = loss.forward(logits, labels)
        record.after_forward(logits, loss, value)
        network.backward(loss.backward(), input_gradient=False)
        if record.after_backward(images, labels, logits, value):
            optimizer.step()
