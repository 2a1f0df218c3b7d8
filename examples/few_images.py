"""What are learned features worth where images are few? Learn some classes from 20, 50 and 200 images of each.

Some classes are set aside. From all images of the others a small AlexNet learns its features (or --weights has
learned them). Then networks learn the classes that were set aside from a few images of each, in four ways,

    from scratch          as if nothing had been learned before
    all kept, slower      from the features, with a new last layer; all others learn at a tenth of the rate
    convolutions frozen   the same, but the convolutions stay as they are
    new layer alone       only the new layer learns

each for the same number of steps, on random crops (or portions, where the network of --weights reads all of an
image) and mirror images, from several seeds, which choose the images too. They are tested on other images of
these classes. Results go to the folder --out: table.txt, results.json, and features.safetensors, the features,
which --weights takes the next time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from examples.shared.command_line import Parser, carry_out, output_folder, run_program, whole_number
from examples.shared.options import (
    add_data,
    add_device,
    add_epochs,
    add_held_out,
    add_output,
    add_seeds,
    add_value,
    add_weights,
)
from layers import Conv2d
from models import Classifier, alexnet_small, start_from
from models.recipes import make_preparation, make_prepare, recipe_for
from models.start import last_layer, made_anew, read_start
from nn import SGD, Network, freeze
from nn.data import Dataset, load, split
from nn.data.bars import bar
from nn.data.preparation import Preparation
from nn.spelling import did_you_mean
from nn.training import evaluate, train

SCRATCH, SLOWER, FROZEN, ALONE = WAYS = ("from scratch", "all kept, slower", "convolutions frozen", "new layer alone")
KEPT_RATE = 0.1
BATCH = 32
CROPS, PORTIONS = ("crop", "mirror"), ("portion", "mirror")
LEAST_PORTION = 0.3
FEATURES = "features.safetensors"


@dataclass
class Material:
    """few, test: images of the classes that were set aside, to learn and to test. start: what has learned the features,
    or the images of the other classes, from which they are to be learned."""

    start: Classifier | Dataset
    few: Dataset
    test: Dataset


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def work(material: Material) -> None:
        start = learn_features(material.start, options) if isinstance(material.start, Dataset) else material.start
        found: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
        runs = [(seed, count, way) for seed in range(options.seeds) for count in counts(options) for way in WAYS]
        for seed, count, way in bar(runs, desc="few_images", unit="run"):
            accuracy = run(way, start, material, count, seed, options)
            found[way].setdefault(str(count), []).append(accuracy)
            (options.out / "results.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
        (options.out / "table.txt").write_text(table(found) + "\n", encoding="utf-8")
        print(table(found))
        print(f"Results are in {options.out}.")

    stopped = f"stopped by Ctrl-C; the results so far are in {options.out}"
    return carry_out(parser, lambda: make(options), work, stopped=stopped, failures=(FloatingPointError,))


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.few_images", description=__doc__)
    add_data(parser, "cifar10", here="without --weights, images of more classes than --set-aside names")
    add_value(parser, "--set-aside", "the classes to set aside", default="automobile,cat,dog,ship", metavar="NAMES")
    add_value(parser, "--images", "of each class, to learn from", default="20,50,200", metavar="TEXT")
    add_held_out(parser, 2000, here="of the classes that are set aside")
    add_weights(parser, None, told="the features are learned first")
    add_epochs(parser, 10, here="to learn the features")
    batches = f"how many batches of {BATCH} images each network learns from, at least"
    add_value(parser, "--batches", batches, default=500, type=whole_number(1), metavar="N")
    add_seeds(parser)
    add_device(parser)
    add_output(parser, "runs/few_images")
    return parser


def counts(options: argparse.Namespace) -> list[int]:
    """The numbers in --images."""
    try:
        found = [int(text) for text in options.images.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise ValueError(f"--images: expected whole numbers of at least 1 such as 20,50,200, got {options.images!r}")
    return found


def make(options: argparse.Namespace) -> Material:
    """The images and weights; whatever is wrong with them is found out here."""
    most, names = max(counts(options)), tuple(options.set_aside.split(","))
    start = None if options.weights is None else read_start(options.weights)
    if start is not None and (known := set(names) & set(start.class_names)):
        raise ValueError(f"--weights: {options.weights} has learned {', '.join(sorted(known))}, expected other classes")
    images, _ = load(options.data, *(() if start is None else as_learned(start)))
    for name in names:
        if name not in images.class_names:
            known_names = ", ".join(images.class_names[:10])
            hint = did_you_mean(name, images.class_names)
            raise ValueError(
                f"--set-aside: there is no {name!r} in {options.data}, expected some of {known_names}{hint}"
            )
    others = tuple(name for name in images.class_names if name not in names)
    if len(names) < 2 or len(set(names)) < len(names) or (start is None and len(others) < 2):
        raise ValueError(
            "--set-aside: expected two different ones or more, and without --weights two or more that are not named"
        )
    few, test = split(chosen(images, names), options.held_out, seed=0)
    if np.bincount(few.labels, minlength=len(names)).min() < most:
        raise ValueError(f"--images: fewer than {most} of a class are left to learn from, expected a smaller number")
    output_folder(options.out, ("table.txt", "results.json", FEATURES), options.force)
    return Material(start or chosen(images, others), few, test)


def as_learned(start: Classifier) -> tuple[int, int, bool]:
    """The size and channels of the images that the features were learned from, and whether they are to keep their
    shape, for portions of them; see `nn.data.load`."""
    size, channels = start.preparation.size[0], start.preparation.channels
    portions = augment(start.preparation) == PORTIONS
    return (2 * size if portions else size), channels, portions and not start.learned_light_ink


def augment(preparation: Preparation) -> tuple[str, ...]:
    """The random changes of what is learned from: where the network reads all of an image, a crop has no room."""
    return PORTIONS if preparation.size == preparation.window else CROPS


def chosen(images: Dataset, names: Sequence[str]) -> Dataset:
    """The images of these classes, numbered in this order."""
    number = {images.class_names.index(name): place for place, name in enumerate(names)}
    kept = np.flatnonzero(np.isin(images.labels, list(number)))
    labels = np.array([number[label] for label in images.labels[kept].tolist()])
    return Dataset(images.images[kept], labels, tuple(names))


def learn_features(images: Dataset, options: argparse.Namespace) -> Classifier:
    """A small AlexNet that has learned these images by its recipe; its weights are saved."""
    height, width, channels = images.image_shape
    window = (height * 7 // 8, width * 7 // 8, channels)  # which leaves room for random crops
    network, recipe = alexnet_small(images.num_classes, window, rng=0), recipe_for("alexnet_small")
    preparation = make_preparation(recipe, images, window)
    train(
        network.to(options.device),
        images,
        epochs=options.epochs,
        optimizer=SGD(network, recipe.lr, recipe.momentum, recipe.weight_decay),
        batch_size=recipe.batch_size,
        schedule=recipe.schedule(recipe.lr),
        prepare=make_prepare(preparation, CROPS, images),
        description="features",
    )
    about = {"class_names": list(images.class_names), "preparation": preparation.to_json()}
    network.save(options.out / FEATURES, about | {"data": Path(options.data).stem})
    return Classifier(network, preparation, images.class_names)


def begin(way: str, start: Classifier, few: Dataset, seed: int) -> tuple[Network, Preparation, dict[str, float]]:
    """The network before it learns from few images in this way, how its images are prepared, and the rates of its
    parameters."""
    if way == SCRATCH:
        network = made_anew(start, few.class_names, rng=seed)
        recipe = replace(recipe_of(network), augment=augment(start.preparation))
        return network, make_preparation(recipe, few, (*start.preparation.window, few.image_shape[2])), {}
    network, new = start_from(start, few.class_names, rng=seed).network, last_layer(start.network)
    kept = [name for name, layer in network.layers.items() if layer.params and name != new]
    if way == FROZEN:
        freeze(network, *(name for name in kept if isinstance(network.layers[name], Conv2d)))
    if way == ALONE:
        freeze(network, *kept)
    slower = {name: KEPT_RATE for name in network.params if name.partition(".")[0] != new}
    return network, start.preparation, slower


def recipe_of(network: Network):
    """The recipe of the network's model."""
    model = network.model or {"function": "alexnet_small", "arguments": {}}
    return recipe_for(model["function"], model["arguments"].get("variant", ""))


def run(way: str, start: Classifier, material: Material, count: int, seed: int, options: argparse.Namespace) -> float:
    """The share of test images that a network reads right which has learned from `count` images of each class."""
    rng = np.random.default_rng([seed, count])
    labels = material.few.labels
    classes = range(material.few.num_classes)
    few = material.few.subset(np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:count] for c in classes]))
    network, preparation, rates = begin(way, start, few, seed)
    recipe = recipe_of(network)
    network.to(options.device)
    lr = recipe.lr * BATCH / recipe.batch_size  # in proportion to the batch, or training diverges
    history = train(
        network,
        few,
        epochs=-(-options.batches // -(-len(few) // BATCH)),
        optimizer=SGD(network, lr, recipe.momentum, recipe.weight_decay, lr_multipliers=rates),
        batch_size=BATCH,
        schedule=recipe.schedule(lr),
        prepare=make_prepare(preparation, augment(start.preparation), few, LEAST_PORTION),
        seed=seed,
        progress=False,
    )
    if history.failure:
        raise FloatingPointError(f"{way}, {count} images of each class: {history.failure}")
    test = material.test
    return evaluate(network, test.images, test.labels, prepare=make_prepare(preparation, (), test))[1]


def table(found: dict[str, dict[str, list[float]]]) -> str:
    """A line for each way, a column for each number of images: the mean, and the deviation from seed to seed."""
    columns = list(next(iter(found.values())))
    lines = [f"{'images of each class':<20}" + "".join(f"{count:>16}" for count in columns)]
    lines.append("-" * len(lines[0]))
    for way, by_count in found.items():
        cells = []
        for values in by_count.values():
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            cells.append(f"{np.mean(values):.1%} +- {spread:.1%}")
        lines.append(f"{way:<20}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    run_program(main)
