"""The images that a training run learns from and is tested on, put together from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.shared.command_line import positive_number, whole_number
from examples.shared.options import add_data, add_held_out, add_value
from nn.data import Dataset, Draw, evenly, load
from nn.data.dataset import fair_order
from nn.data.divisions import listed
from nn.data.united import unite
from nn.spelling import did_you_mean

LEAST_PORTION = 1 / 16


@dataclass
class Sets:
    """draw: which images an epoch has, None for all of them, see `nn.data.batches`."""

    train_set: Dataset
    test_set: Dataset | None
    draw: Draw | None


def add_sets(parser: argparse.ArgumentParser) -> None:
    """The options of `load_sets`, and how large portions are, which changes the images that it loads."""
    add_data(
        parser, None, told="digits", here="may be given several times: their classes are united by name", several=True
    )
    meaning = "learn these classes alone, in this order, such as cat,dog"
    add_value(parser, "--classes", meaning, told="all", type=_names, metavar="NAMES")
    meaning = "in every epoch so many images of each class, in equal parts from all --data that have it"
    add_value(parser, "--per-class", meaning, told="each image once", type=whole_number(1), metavar="N")
    meaning = "the least share of an image's area that --augment portion cuts out"
    add_value(parser, "--least-portion", meaning, told="0.0625", type=positive_number(1), metavar="SHARE")
    add_held_out(parser, 0, here="they replace the data set's own test images", smallest=0)


def load_sets(options: argparse.Namespace, whole: bool) -> Sets:
    """The training and test images; what is held out replaces the data sets' own test images.

    whole: photographs keep their shape, see `nn.data.load`.
    """
    pairs = [load(name, options.image_size, whole=whole) for name in options.data]
    train_sets = [pair[0] for pair in pairs]
    test_sets = [pair[1] for pair in pairs if pair[1] is not None]
    if len(pairs) == 1 and options.classes is None:
        train_set, origins = train_sets[0], np.zeros(len(train_sets[0]), np.int64)
        test_set = test_sets[0] if test_sets else None
    else:
        _check_classes(options.classes, train_sets)
        train_set, origins = unite(train_sets, options.classes)
        test_set = unite(test_sets, train_set.class_names)[0] if test_sets else None
    if options.held_out >= len(train_set):
        raise ValueError(f"--held-out is {options.held_out}, expected fewer than the {len(train_set)} images there are")
    if options.held_out:
        order = fair_order(train_set.labels, np.random.default_rng(0))
        held, rest = np.sort(order[: options.held_out]), np.sort(order[options.held_out :])
        train_set, test_set, origins = train_set.subset(rest), train_set.subset(held), origins[rest]
    draw = None
    if options.per_class:
        counts = np.bincount(train_set.labels, minlength=train_set.num_classes)
        if missing := [name for name, count in zip(train_set.class_names, counts) if not count]:
            raise ValueError(f"--per-class: there are no images to learn {listed(missing)} from")
        draw = evenly(train_set.labels, options.per_class, origins)
    return Sets(train_set, test_set, draw)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or len(set(names)) < len(names) or "" in names:
        raise argparse.ArgumentTypeError(f"expected at least two different names with commas between, got {text!r}")
    return names


def _check_classes(names: Sequence[str] | None, sets: Sequence[Dataset]) -> None:
    """ValueError for a class that no set has images of."""
    known = {name for each in sets for number, name in enumerate(each.class_names) if number in each.labels}
    for name in names or ():
        if name not in known:
            hint = did_you_mean(name, known) or f", expected some of {listed(known)}"
            raise ValueError(f"--classes: no images are of a class {name!r}{hint}")
