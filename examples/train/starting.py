"""A run that starts from learned weights: its options, what they mean together, and what they cannot."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from examples.shared.command_line import positive_number
from examples.shared.options import add_value
from models import Classifier, shipped, start_from
from models.registry import find_weights
from models.start import last_layer, read_start
from nn import Network, freeze
from nn.data import Dataset
from nn.files.weights import TRAINED

KEPT_RATE = 0.1  # of the learning rate, where nothing else is asked for


class Once(argparse.Action):
    """An option whose second value would otherwise silently take the place of the first."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        first = getattr(namespace, self.dest)
        if first is not None:
            raise argparse.ArgumentError(self, f"it is there twice, with {first} and {values}, expected one")
        setattr(namespace, self.dest, values)


def add_start(parser: argparse.ArgumentParser) -> None:
    """The options --start-from, --freeze and --kept-rate."""
    files = f"what examples.train wrote, {', '.join(shipped())}, torchvision's AlexNet (.pth) or Caffe's (.npy)"
    meaning = f"learned weights to begin with, all but the last layer's: {files}"
    add_value(parser, "--start-from", meaning, told="random weights", action=Once, metavar="FILE")
    meaning = "the kept layers that do not learn: names, or how they begin, such as conv,fc6"
    add_value(parser, "--freeze", meaning, here="see below", told="none", action=Once, metavar="NAME")
    meaning = "the learning rate of the other kept layers, as a share of the new layer's"
    kind = positive_number(1)
    add_value(parser, "--kept-rate", meaning, told=str(KEPT_RATE), action=Once, type=kind, metavar="SHARE")


def read(options: argparse.Namespace) -> Classifier | None:
    """What --start-from names, if it is there; the options of its model, and the images' size, are then set to those
    that it has. Raises ValueError where they were given and are others."""
    if options.start_from is None:
        for name in ("--freeze", "--kept-rate"):
            if getattr(options, name[2:].replace("-", "_")) is not None:
                raise ValueError(f"{name} is about the layers that --start-from keeps; add it, or leave {name} out")
        return None
    start = read_start(options.start_from)
    model: Any = start.network.model
    has = {"model": model["function"]} | {name: model["arguments"].get(name) for name in ("variant", "init", "width")}
    for name, value in has.items():
        asked = getattr(options, name)
        if value is None:  # not an option of this model: `make_recipe` says so
            continue
        if asked not in (None, value):
            raise ValueError(f"--{name} is {asked}, but {options.start_from} has {value}; leave --{name} out")
        setattr(options, name, value)
    options.image_size = _image_size(options, start)
    path = find_weights(options.start_from)
    if path.name in TRAINED and path.resolve().parent == options.out.resolve():
        raise ValueError(f"--out: the run would replace the weights that it starts from, {path}; name another folder")
    return start


def begin(options: argparse.Namespace, start: Classifier, class_names: tuple[str, ...]) -> Classifier:
    """The classifier to be trained: with a new last layer, and with what --freeze names frozen."""
    try:
        begun = start_from(start, class_names, rng=options.seed)
        frozen = () if options.freeze is None else freeze(begun.network, *options.freeze.split(","))
    except ValueError as error:  # it names the function's argument
        raise ValueError(str(error).replace("start_from:", "--start-from:").replace("freeze:", "--freeze:")) from None
    new = last_layer(begun.network)
    kept = [name for name, layer in begun.network.layers.items() if layer.params and name != new]
    if new in frozen:
        raise ValueError(f"--freeze: {new} is the new layer, which has to learn; expected some of {', '.join(kept)}")
    if options.kept_rate is not None and set(frozen) == set(kept):
        raise ValueError(
            "--kept-rate: all kept layers are frozen and have no rate; leave out --kept-rate, or freeze fewer"
        )
    return begun


def rates(options: argparse.Namespace, network: Network, multipliers: Mapping[str, float]) -> dict[str, float]:
    """The recipe's lr_multipliers for each parameter, times --kept-rate in all layers but the new one."""
    new, share = last_layer(network), options.kept_rate or KEPT_RATE
    found = {}
    for name in network.params:
        layer, _, end = name.rpartition(".")
        found[name] = multipliers.get(name, multipliers.get(end, 1.0)) * (1.0 if layer == new else share)
    return found


def account(options: argparse.Namespace, network: Network) -> dict[str, Any]:
    """What the weights of such a run say of their beginning; of the file, what it is but not where it lay."""
    path, new = find_weights(options.start_from), last_layer(network)
    layers = {name: layer for name, layer in network.layers.items() if layer.params}
    return {
        "weights": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "frozen": [name for name, layer in layers.items() if layer.frozen],
        "kept": [name for name, layer in layers.items() if not layer.frozen and name != new],
        "kept_rate": options.kept_rate or KEPT_RATE,
        "new": new,
    }


def in_words(started: Mapping[str, Any]) -> str:
    """An `account` as a line."""
    parts = [f"from {started['weights']}"]
    if started["frozen"]:
        parts.append(f"{', '.join(started['frozen'])} frozen")
    if started["kept"]:
        parts.append(f"{', '.join(started['kept'])} kept, at {started['kept_rate']:g} of the learning rate")
    return "; ".join([*parts, f"{started['new']} new"])


def as_learned(classifier: Classifier, dataset: Dataset) -> Dataset:
    """The images as the classifier will read others like them: where it learned light ink on black, those with a light
    border are changed as `Classifier.as_learned` does it."""
    if not classifier.learned_light_ink:
        return dataset
    images = np.asarray(dataset.images)  # small ones, even where they were streamed
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    (light,) = np.nonzero(np.median(border, axis=(1, 2)) > 127)
    if len(light) == 0:
        return dataset
    images, preparation = images.copy(), replace(classifier.preparation, size=images.shape[1:3])
    for number in light:
        images[number] = preparation.resized(classifier.as_learned(images[number])[np.newaxis])[0]
    return replace(dataset, images=images)


def _image_size(options: argparse.Namespace, start: Classifier) -> int | None:
    """The side that images are brought to first: the start's, or twice as much for its portions; None where its images
    are not square: then its preparation brings them to their size."""
    portions = options.augment is not None and "portion" in options.augment.split(",")
    height, width = start.preparation.window if portions else start.preparation.size
    times = 2 if portions else 1
    size = times * height if height == width else None
    if options.image_size not in (None, size):
        reads = f"{options.start_from} reads images of {height}x{width} pixels"
        more = f", and portions of {size}x{size}" if portions and size else ""
        raise ValueError(f"--image-size is {options.image_size}, but {reads}{more}; leave --image-size out")
    return size
