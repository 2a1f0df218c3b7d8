"""What the tests start several times, by mpiexec: a small training run that ends with a line of JSON from rank 0."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from layers import Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from nn import SGD, Network
from nn.data import Dataset
from nn.data.augmentation import mirror, random_crop
from nn.parallel import Ranks
from nn.training import train
from nn.training.checkpoint import load_checkpoint, save_checkpoint
from nn.training.data_parallel import DataParallel
from nn.training.schedules import one_cycle
from nn.training.weird_trick import WeirdTrick

IMAGES, BATCH, EPOCHS = 154, 32, 8  # five steps an epoch, the last of 26 images; 40 in all


def pictures(count: int, seed: int, dtype=np.float32) -> Dataset:
    rng = np.random.default_rng(seed)
    return Dataset(rng.normal(0, 1, (count, 12, 12, 1)).astype(dtype), rng.integers(0, 3, count), ("a", "b", "c"))


def network(seed: int, side: int = 10) -> Network:
    side = (side - 2) // 2
    layers = [("conv1", Conv2d(1, 5, 3, rng=seed)), ("relu1", ReLU()), ("pool1", MaxPool2d(2)), ("flatten", Flatten())]
    # 9 numbers of an image: an odd count, so that half a random number would be left
    layers += [("fc2", Linear(5 * side * side, 9, rng=seed + 1)), ("drop2", Dropout(0.5, rng=seed + 2))]
    layers += [("relu2", ReLU()), ("fc3", Linear(9, 7, rng=seed + 3)), ("drop3", Dropout(0.3, rng=seed + 4))]
    return Network([*layers, ("fc4", Linear(7, 3, rng=seed + 5))])


def cropped(images: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    if rng is None:
        return np.ascontiguousarray(images[:, 1:11, 1:11])
    return np.ascontiguousarray(mirror(random_crop(images, 10, rng), rng))


def run(ranks: Ranks, options: argparse.Namespace) -> dict:
    """Train, and tell how it ended."""
    dtype = np.dtype(options.dtype)
    # Weights and generators of all ranks but the first are wrong at first.
    net = network(options.seed + (0 if ranks.first else 1000 * ranks.rank), 10 if options.augment else 12).astype(dtype)
    optimizer = SGD(net, 0.05, 0.9, 1e-3)
    schedule = one_cycle(0.1)
    history = None
    if options.resume and ranks.first:
        history = load_checkpoint(options.checkpoint, net, optimizer, schedule)

    def after_step(history) -> bool:
        if len(history.steps) == options.fault_at and ranks.rank == options.fault_rank:
            fault(options.fault)
        if len(history.steps) != options.stop_at:
            return False
        if parallel is None or parallel.saves(True):
            save_checkpoint(options.checkpoint, net, optimizer, history, schedule)
        return True

    if options.trick:
        parallel: DataParallel | None = WeirdTrick(ranks)
    else:
        parallel = None if options.shards == 0 else DataParallel(ranks, options.shards)
    history = train(
        net,
        pictures(options.images, 0, dtype),
        pictures(300, 1, dtype),
        epochs=EPOCHS,
        optimizer=optimizer,
        batch_size=BATCH,
        schedule=schedule,
        prepare=cropped if options.augment else None,
        seed=3,
        progress=False,
        history=history,
        after_step=after_step,
        parallel=parallel,
    )
    digest = hashlib.sha256()
    for array in [*net.params.values(), *optimizer.velocities.values()]:
        digest.update(array.tobytes())
    for name in ("drop2", "drop3"):
        digest.update(repr(net.layers[name].rng.bit_generator.state["state"]).encode())
    if options.save:
        np.savez(options.save, **net.params)
    others = set(ranks.gather(digest.hexdigest()))
    rows = [
        {key: row[key] for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")}
        for row in history.epochs
    ]
    return {
        "digest": digest.hexdigest(),
        "all": len(others),
        "steps": history.steps,
        "rows": rows,
        "statistics": history.statistics,
        "failure": history.failure,
    }


def fault(kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "raise":
        raise RuntimeError("planted")
    elif kind == "exit":
        sys.exit(0)
    elif kind == "vanish":
        os._exit(0)
    elif kind == "hang":
        time.sleep(600)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--trick", action="store_true", help="the weird trick, of which --shards says nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--stop-at", type=int, default=0)
    parser.add_argument("--fault", default="")
    parser.add_argument("--fault-at", type=int, default=0)
    parser.add_argument("--fault-rank", type=int, default=1)
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--alone", action="store_true", help="no MPI")
    given = parser.parse_args()
    these = Ranks() if given.alone else Ranks.of_mpi(given.patience)
    found = run(these, given)
    if these.first:
        print(json.dumps(found))
