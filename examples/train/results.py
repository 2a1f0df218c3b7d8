"""What a training run writes after each epoch: the best weights so far, a line of numbers, and the curves."""

from __future__ import annotations

import csv
from pathlib import Path

from nn import Network, plots
from nn.training import History


def write_progress(folder: Path, network: Network, history: History, about: dict, dtype=None) -> None:
    """The weights, if this epoch is the best so far, and metrics.csv."""
    if min(history.epochs, key=error) is history.epochs[-1]:
        network.save(folder / "best.safetensors", about | {"epoch": len(history.epochs)}, dtype)
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, history.epochs[0].keys())
        writer.writeheader()
        writer.writerows(history.epochs)


def draw(folder: Path, network: Network, history: History) -> None:
    """curves.png, after all that would be missed more: of a long run it takes a while, and a drawing may fail."""
    curves = {"steps": history.steps, "epochs": history.epochs}
    plots.learning_curves(folder / "curves.png", {network.name: curves})


def error(row: dict) -> float:
    """On the held-out images; where there are none, on those learned from."""
    accuracy = row["test_accuracy"]
    return 1 - (row["train_accuracy"] if accuracy != accuracy else accuracy)
