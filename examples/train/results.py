"""What a training run writes after each epoch: the best weights so far, a line of numbers, and the curves; and what it
says at its end."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from examples.train.stopping import StopSignals
from models import load_classifier
from nn import Network, plots
from nn.data import Dataset
from nn.files.weights import read_metadata
from nn.inspect import Calibration, calibrate, calibration_error
from nn.training import History

CHECKPOINT = "checkpoint.safetensors"
FEWEST = 100  # images that are enough to say how sure a network may be
AT_A_TIME = 256


def write_progress(folder: Path, network: Network, history: History, about: dict, dtype=None) -> None:
    """The weights, if this epoch is the best so far, and metrics.csv."""
    if min(history.epochs, key=error) is history.epochs[-1]:
        network.save(folder / "best.safetensors", about | {"epoch": len(history.epochs)}, dtype)
    with open(folder / "metrics.csv", "w", newline="") as file:
        # A run that an earlier version began has fewer columns at first.
        columns = dict.fromkeys(name for row in history.epochs for name in row)
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(history.epochs)


def draw(folder: Path, network: Network, history: History) -> None:
    """curves.png, after all that would be missed more: of a long run it takes a while, and a drawing may fail."""
    curves = {"steps": history.steps, "epochs": history.epochs}
    plots.learning_curves(folder / "curves.png", {network.name: curves})


def write_calibration(folder: Path, held_out: Dataset, dtype=None) -> str:
    """Write into the weights how sure they may be, as the held-out images tell, and draw reliability.png for the best
    ones; what was found, as a sentence, or "" where there are too few images."""
    if len(held_out) < FEWEST:
        return ""
    for name in ("last.safetensors", "best.safetensors"):
        path = folder / name
        classifier = load_classifier(path)
        parts = [held_out.images[start : start + AT_A_TIME] for start in range(0, len(held_out), AT_A_TIME)]
        logits = np.concatenate([classifier.network.forward(classifier.preparation(part)) for part in parts])
        found = calibrate(logits, held_out.labels)
        extra = read_metadata(path)["extra"] | {"calibration": asdict(found)}
        classifier.network.save(path, extra, dtype)
    # What the temperature does is shown on images that it was not fitted on: each half has that of the other.
    fitted, plain = np.empty_like(logits), Calibration().probabilities(logits)
    halves = slice(0, None, 2), slice(1, None, 2)
    for one, other in (halves, halves[::-1]):
        temperature = calibrate(logits[other], held_out.labels[other]).temperature
        fitted[one] = Calibration(temperature).probabilities(logits[one])
    right = logits.argmax(axis=1) == held_out.labels
    answers = {
        "as trained": (plain.max(axis=1), right),
        f"temperature {found.temperature:.2f}": (fitted.max(axis=1), right),
    }
    plots.reliability_diagram(folder / "reliability.png", answers, found.least_probability)
    before, after = (calibration_error(*each) for each in answers.values())
    answered = np.mean(found.probabilities(logits).max(axis=1) >= found.least_probability)
    return (
        f"Calibrated on {len(held_out):,} held-out images: temperature {found.temperature:.2f}, calibration error "
        f"{before:.1%} before and {after:.1%} after. It answers from {found.least_probability:.0%} on, which are "
        f"{answered:.0%} of them, at most {found.wrong_above:.0%} of these wrongly."
    )


def report(is_tested: bool, folder: Path, history: History, stop: StopSignals, resume: str) -> int:
    """Say how it went; the exit status."""
    if history.failure:
        kept = "; the last checkpoint is unchanged" if (folder / CHECKPOINT).is_file() else ""
        print(f"train: {history.failure}{kept}", file=sys.stderr)
        return 1
    if stop.asked:
        done = history.unfinished["batches"] if history.unfinished else 0
        where = f"in epoch {len(history.epochs) + 1}, after {done} batches of it" if done else "between two epochs"
        print(f"\ntrain: stopped by {stop.asked} {where}, and saved; to continue: {resume}", file=sys.stderr)
        return stop.status
    best, last = min(history.epochs, key=error), history.epochs[-1]
    kind = "error" if is_tested else "training error"
    print(
        f"Best: epoch {best['epoch']} of {len(history.epochs)}, {kind} {error(best):.2%}; last: {error(last):.2%}; "
        f"{history.seconds:.0f} s of training. Results are in {folder}."
    )
    return 0


def error(row: dict) -> float:
    """On the held-out images; where there are none, on those learned from."""
    accuracy = row["test_accuracy"]
    return 1 - (row["train_accuracy"] if accuracy != accuracy else accuracy)
