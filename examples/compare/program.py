"""Train LeNet and AlexNet on the same images, and compare them.

Both networks start from one seed and learn from the same images, one after the other. Then a table is
printed, and figures, numbers and a page for the browser are written to the folder runs/compare (or --out):

    lenet.png       its architecture, volumes to scale
    alexnet.png
    curves.png      how the loss fell and the accuracy rose
    confusion.png   which class was taken for which
    filters.png     the kernels of each network's first convolution
    mistakes.png    the misclassified images, with both answers
    results.json    all the numbers
    table.txt       the table
    report.html     one page with all of the above
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numba
import numpy as np

from examples.compare.results import RESULT_FILES, aligned, make_table, warnings, write_results
from examples.microscope.watch import Watch
from examples.shared.command_line import (
    Parser,
    carry_out,
    output_folder,
    plain_warnings,
    whole_number,
)
from examples.shared.options import (
    ABOUT_DATA,
    add_batch_size,
    add_data,
    add_device,
    add_epochs,
    add_lr,
    add_output,
    add_seed,
    add_value,
    add_watch,
    add_width,
)
from models import Classifier, alexnet_small, lenet
from nn import SGD, Network, plots
from nn.backend.runtime.threads import num_threads
from nn.data import Dataset, load, split
from nn.data.dataset import fair_order
from nn.data.preparation import Preparation
from nn.training import evaluate, train
from nn.training.diagnosis import diagnose
from nn.training.schedules import one_cycle

EXAMPLES = f"""
examples:
  python -m examples.compare
      the 10,000 included digits, one to two minutes on two cores
  python -m examples.compare --epochs 1 --train-size 1000
      a first look, a few seconds
  python -m examples.compare --data fashion.npz --out runs/fashion
      images of your own; numpy.savez("fashion.npz", images=..., labels=...) makes such a file
  python -m examples.compare --lenet-lr 2
      what happens if LeNet takes larger steps?

{ABOUT_DATA}
Images must have one size, 28 to 128 pixels a side. Without test images one in five is held out for testing, class by
class. Files of an earlier comparison in the output folder are replaced (outside runs/ only with --force); nothing is
written anywhere else.
"""


MOMENTUM = 0.9


@dataclass(frozen=True)
class Contestant:
    """A network and the recipe to train it."""

    name: str
    network: Network
    epochs: int
    learning_rate: float  # the highest: it warms up to this, then falls to about 0
    weight_decay: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        # Everything that can be wrong is found out here, before minutes of training.
        with plain_warnings("compare"):
            train_set, test_set = load_pictures(options)
        contestants = make_contestants(options, train_set)
        watch = make_watch(contestants, train_set, test_set) if options.watch else None
        output_folder(options.out, RESULT_FILES, options.force)
        return train_set, test_set, contestants, watch

    def work(made: tuple) -> None:
        train_set, test_set, contestants, watch = made
        mean, std = pixel_statistics(train_set)
        print(
            f"Data: {data_name(options)}, {len(train_set):,} images to train and "
            f"{len(test_set):,} to test, {train_set.num_classes} classes",
            flush=True,
        )
        results, probabilities = {}, {}
        sets = standardised(train_set, mean, std), standardised(test_set, mean, std)
        with watch or nullcontext():
            for contestant in contestants:
                results[contestant.name], probabilities[contestant.name] = run(contestant, *sets, options, watch)
        print(f"\n{aligned(make_table(results))}\n", flush=True)
        for warning in warnings(results):
            print(f"{warning}\n", flush=True)
        write_results(
            options.out,
            results,
            describe_run(options, arguments, train_set, test_set) | {"pixel_mean": mean, "pixel_std": std},
            test_set,
            probabilities,
            networks={contestant.name: contestant.network for contestant in contestants},
        )
        print(f"Results are in {options.out}; open {options.out / 'report.html'} in a browser.")

    return carry_out(parser, make, work, stopped="stopped by Ctrl-C before the comparison was complete")


# ---------------------------------------------------------------------------------------------- command line
def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m examples.compare",
        description=__doc__,
        epilog=EXAMPLES,
    )
    add_data(parser)
    size = "train on N of the training images"
    add_value(parser, "--train-size", size, told="all", type=whole_number(1), metavar="N")
    add_epochs(parser, None, told="--lenet-epochs and --alexnet-epochs", here="for both networks")
    add_epochs(parser, None, told="--epochs, else 16", here="for LeNet", name="--lenet-epochs")
    add_epochs(parser, None, told="--epochs, else 10", here="for AlexNet", name="--alexnet-epochs")
    add_batch_size(parser, 64)
    add_lr(parser, 0.5, here="for LeNet", name="--lenet-lr")
    add_lr(parser, 0.03, here="for AlexNet", name="--alexnet-lr")
    add_width(parser)
    add_seed(parser, "for weights, order and dropout")
    add_device(parser)
    add_output(parser, "runs/compare")
    add_watch(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress while training")
    return parser


def load_pictures(options: argparse.Namespace) -> tuple[Dataset, Dataset]:
    train_set, test_set = load(options.data)
    if test_set is None:
        train_set, test_set = split(train_set, 0.2, options.seed)
    train_set, test_set = train_set.as_floats(), test_set.as_floats()
    size = options.train_size
    if size is not None:
        if size > len(train_set):
            raise ValueError(
                f"--train-size must be at most {len(train_set)}, the training images there are, got {size}"
            )
        order = fair_order(train_set.labels, np.random.default_rng(options.seed))
        train_set = train_set.subset(order[:size])
    return train_set, test_set


def data_name(options: argparse.Namespace) -> str:
    return "the included digits" if options.data == "digits" else options.data


def pixel_statistics(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the pixels, for each channel; a deviation of 0 is given as 1."""
    mean = dataset.images.mean(axis=(0, 1, 2), dtype=np.float64)
    std = dataset.images.std(axis=(0, 1, 2), dtype=np.float64)
    return mean, np.where(std > 0, std, 1.0)


def standardised(dataset: Dataset, mean: np.ndarray, std: np.ndarray) -> Dataset:
    """Pixels with mean 0 and deviation 1, for both sets by the training set's numbers.

    LeNet's log-sigmoid units hardly tell images in 0..1 apart: it would stay at guessing for the whole run. LeCun
    et al. 1998 chose their grey levels (-0.1 and 1.175) for the same reason, and AlexNet subtracts the mean.
    """
    images = ((dataset.images - mean) / std).astype(np.float32)
    return Dataset(images, dataset.labels, dataset.class_names)


# -------------------------------------------------------------------------------------------------- training
def make_contestants(options: argparse.Namespace, train_set: Dataset) -> list[Contestant]:
    shape, classes, seed = train_set.image_shape, train_set.num_classes, options.seed
    contestants = [
        Contestant(
            name="LeNet",
            network=lenet(num_classes=classes, image_shape=shape, rng=seed),
            epochs=options.lenet_epochs or options.epochs or 16,
            learning_rate=options.lenet_lr,
            weight_decay=0.0,
        ),
        Contestant(
            name="AlexNet",
            network=alexnet_small(num_classes=classes, image_shape=shape, width=options.width, rng=seed),
            epochs=options.alexnet_epochs or options.epochs or 10,
            learning_rate=options.alexnet_lr,
            weight_decay=5e-4,
        ),
    ]
    for contestant in contestants:
        contestant.network.summary(shape)  # complains about images that are too small for the network
    return contestants


def make_watch(contestants: Sequence[Contestant], train_set: Dataset, test_set: Dataset) -> Watch:
    """A page that shows both networks, with the first test image."""
    mean, std = (numbers.astype(np.float32) for numbers in pixel_statistics(train_set))
    height, width, channels = train_set.image_shape
    preparation = Preparation((height, width), channels, (height, width), "standardised", mean, std)
    names = train_set.class_names
    classifiers = {each.name: Classifier(each.network, preparation, names) for each in contestants}
    return Watch(classifiers, test_set.images[0])


def run(
    contestant: Contestant,
    train_set: Dataset,
    test_set: Dataset,
    options: argparse.Namespace,
    watch: Watch | None = None,
) -> tuple[dict, np.ndarray]:
    """Train and test one network: its part of results.json, and its probabilities for the test images."""
    network = contestant.network.to(options.device)
    optimizer = SGD(network, contestant.learning_rate, momentum=MOMENTUM, weight_decay=contestant.weight_decay)
    history = train(
        network,
        train_set,
        test_set,
        epochs=contestant.epochs,
        batch_size=options.batch_size,
        optimizer=optimizer,
        schedule=one_cycle(contestant.learning_rate),
        seed=options.seed,
        progress=not options.quiet,
        description=contestant.name,
        after_step=watch and watch.following(contestant.name, optimizer),
    )
    if watch:
        watch.after_training(contestant.name, optimizer, history)
    findings = {}
    for finding in diagnose(history, fewest_steps=1):
        findings.setdefault(finding.kind, finding.sentence)  # of each kind, the first layer's will do
    # During training a network is measured with dropout and with weights that still change; here as it ends.
    _, train_accuracy, _ = evaluate(network, train_set.images, train_set.labels)
    probabilities = network.predict(test_set.images)
    network.to("cpu")
    predictions = probabilities.argmax(axis=1)
    seconds = [epoch["seconds"] for epoch in history.epochs]
    results = {
        "parameters": network.num_parameters,
        "multiply_adds": network.multiply_adds(train_set.image_shape),
        "test_accuracy": float(np.mean(predictions == test_set.labels)),
        "train_accuracy": train_accuracy,
        "seconds": sum(seconds),
        "seconds_per_epoch": float(np.median(seconds)),
        "images_per_second": float(np.median([epoch["images_per_second"] for epoch in history.epochs])),
        "epochs": contestant.epochs,
        "momentum": MOMENTUM,
        "learning_rate": contestant.learning_rate,
        "weight_decay": contestant.weight_decay,
        "confusion": plots.confusion_matrix(test_set.labels, predictions, test_set.num_classes).tolist(),
        "findings": list(findings.values()),
        "history": {"steps": history.steps, "epochs": history.epochs},
    }
    return results, probabilities


def describe_run(options: argparse.Namespace, arguments: list[str], train_set: Dataset, test_set: Dataset) -> dict:
    """What is needed to repeat this run."""
    return {
        "seed": options.seed,
        "device": options.device,
        "data": data_name(options),
        "train_images": len(train_set),
        "test_images": len(test_set),
        "image_shape": list(train_set.image_shape),
        "class_names": list(train_set.class_names),
        "batch_size": options.batch_size,
        "width": options.width,
        "command": shlex.join(["python", "-m", "examples.compare", *arguments]),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": {
            "cpus": os.cpu_count(),
            "threads": num_threads(),
            "processor": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
    }
