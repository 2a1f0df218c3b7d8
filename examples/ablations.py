"""What is each idea of AlexNet worth? Train the network for CIFAR-10 without it, several times, and see.

The "18pct" network of AlexNet's author is trained for some epochs from several seeds: as it is, and with one
change each,

    without LRN          the paper: top-1 error 1.4 points higher on ImageNet
    without overlap      pooling windows of 2x2, stride 2, instead of 3x3: 0.4 points higher
    tanh for ReLU        the paper: six times as many epochs to the same training error
    random 28x28 crops   and mirroring; tested on the centre crop, and on ten crops, averaged: 1.5 points lower

Results go to the folder --out: a table, ablations.png and results.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from examples.shared.command_line import Parser, carry_out, output_folder, run_program
from examples.shared.options import add_data, add_device, add_epochs, add_held_out, add_output, add_seeds
from layers import AvgPool2d, LocalResponseNorm, MaxPool2d, ReLU, Tanh
from models import alexnet_cifar10
from models.recipes import make_preparation, make_prepare, recipe_for
from nn import SGD, Network
from nn.data import Dataset, load, split
from nn.data.preparation import Preparation
from nn.training import evaluate, train
from nn.training.schedules import stairs

CROP = 28


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[Dataset, Dataset]:
        pictures = load(options.data)[0]
        if pictures.image_shape != (32, 32, 3) or pictures.num_classes != 10:
            raise ValueError(
                f"--data: expected colour images of 32x32 in ten classes, got {pictures.num_classes} classes "
                f"of {pictures.image_shape}"
            )
        sets = split(pictures, options.held_out, seed=0)
        output_folder(options.out, ("results.json", "ablations.png"), options.force)
        return sets

    def work(sets: tuple[Dataset, Dataset]) -> None:
        errors: dict[str, list[float]] = {}
        for seed in range(options.seeds):
            for name in ("as published", "without LRN", "without overlap", "tanh for ReLU"):
                errors.setdefault(name, []).append(run(name, *sets, options, seed))
                write(options, errors)
            centre, ten = run_crops(*sets, options, seed)
            errors.setdefault("crops, centre", []).append(centre)
            errors.setdefault("crops, ten", []).append(ten)
            write(options, errors)
        for name, values in errors.items():
            print(f"{name:<16} {np.mean(values):6.2%}  +- {spread(values):.2%}")
        print(f"Results are in {options.out}.")

    stopped = f"stopped by Ctrl-C; the results so far are in {options.out}"
    return carry_out(parser, make, work, stopped=stopped)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.ablations", description=__doc__)
    add_data(parser, "cifar10", here="colour images of 32x32 in ten classes")
    add_held_out(parser, 5000)
    add_epochs(parser, 12, here="the rate falls for the last two", smallest=3)
    add_seeds(parser)
    add_device(parser)
    add_output(parser, "runs/ablations")
    return parser


def changed(network: Network, change: str) -> Network:
    """The network with one idea of the paper taken out or replaced."""
    layers = []
    for name, layer in network.layers.items():
        if change == "without LRN" and isinstance(layer, LocalResponseNorm):
            continue
        if change == "without overlap" and isinstance(layer, MaxPool2d | AvgPool2d):
            layer = type(layer)(2, stride=2)
        if change == "tanh for ReLU" and isinstance(layer, ReLU):
            layer = Tanh()
        layers.append((name, layer))
    return Network(layers, network.image_shape, name=change)


def fit(network: Network, train_set: Dataset, test_set: Dataset, epochs: int, seed: int, augment=()) -> Preparation:
    """Train with the published rates, falling for the last two epochs; how images were prepared."""
    recipe = replace(recipe_for("alexnet_cifar10", "18pct"), augment=augment)
    preparation = make_preparation(recipe, train_set, network.image_shape)
    optimizer = SGD(
        network,
        recipe.lr,
        recipe.momentum,
        recipe.weight_decay,
        lr_multipliers=recipe.lr_multipliers,
        decay_multipliers=recipe.decay_multipliers,
    )
    train(
        network,
        train_set,
        test_set,
        epochs=epochs,
        optimizer=optimizer,
        batch_size=recipe.batch_size,
        schedule=stairs([recipe.lr, recipe.lr / 10, recipe.lr / 100], [epochs - 2, 1, 1]),
        prepare=make_prepare(preparation, augment, train_set),
        seed=seed,
        description=f"{network.name}, seed {seed}",
    )
    return preparation


def run(change: str, train_set: Dataset, test_set: Dataset, options: argparse.Namespace, seed: int) -> float:
    """The error on the held-out images of the network with one change."""
    network = changed(alexnet_cifar10("18pct", rng=seed), change).to(options.device)
    preparation = fit(network, train_set, test_set, options.epochs, seed)
    return error(network, preparation, test_set)


def run_crops(train_set: Dataset, test_set: Dataset, options: argparse.Namespace, seed: int) -> tuple[float, float]:
    """The errors of a network trained on random crops: asked about the centre crop, and about ten crops."""
    network = alexnet_cifar10("18pct", image_shape=(CROP, CROP, 3), rng=seed)
    network.name = "random crops"
    network.to(options.device)
    preparation = fit(network, train_set, test_set, options.epochs, seed, augment=("crop", "mirror"))
    right = 0
    for start in range(0, len(test_set), 250):
        crops = preparation.ten_crops(test_set.images[start : start + 250])
        probabilities = np.mean([network.predict(crop) for crop in crops], axis=0)
        right += int((probabilities.argmax(axis=1) == test_set.labels[start : start + 250]).sum())
    return error(network, preparation, test_set), 1 - right / len(test_set)


def error(network: Network, preparation: Preparation, test_set: Dataset) -> float:
    """The share of the test images that the network misreads."""
    prepare = make_prepare(preparation, (), test_set)
    return 1 - evaluate(network, test_set.images, test_set.labels, prepare=prepare)[1]


def spread(values: list[float]) -> float:
    """The standard deviation from seed to seed, estimated from these few."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def write(options: argparse.Namespace, errors: dict[str, list[float]]) -> None:
    """results.json and ablations.png, after every run: whoever stops early keeps what there is."""
    summary = {
        name: {"errors": values, "mean": float(np.mean(values)), "spread": spread(values)}
        for name, values in errors.items()
    }
    (options.out / "results.json").write_text(
        json.dumps({"epochs": options.epochs, "data": options.data, "errors": summary}, indent=2), encoding="utf-8"
    )
    figure = Figure(figsize=(8, 0.6 * len(errors) + 1.4), layout="constrained")
    axes = figure.subplots()
    for row, (name, values) in enumerate(errors.items()):
        mean = 100 * float(np.mean(values))
        axes.barh(row, mean, color="#0072b2" if name == "as published" else "#9ab8cc")
        axes.plot(100 * np.array(values), [row] * len(values), "k|", markersize=12)
        axes.text(0.3, row, f"{mean:.1f} %", va="center", color="white" if name == "as published" else "black")
    axes.set_yticks(range(len(errors)), list(errors))
    axes.invert_yaxis()
    axes.set_xlabel(f"error on held-out images after {options.epochs} epochs, %; each mark is one seed")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.out / "ablations.png", dpi=120)


if __name__ == "__main__":
    run_program(main)
