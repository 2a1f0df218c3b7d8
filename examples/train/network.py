"""The network of a run, made for its images where it can be."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import replace

import models
from examples.shared.options import WIDTH
from models.recipes import Recipe
from nn import Network
from nn.data import Dataset
from nn.data.preparation import Preparation


def make_network(options: argparse.Namespace, recipe: Recipe, train_set: Dataset) -> Network:
    """The model, made for these images where it can be."""
    shape, classes, seed = train_set.image_shape, train_set.num_classes, options.seed
    if "portion" in recipe.augment:  # portions of a quarter then have as many pixels as the network reads
        shape = (shape[0] // 2, shape[1] // 2, shape[2])
    if options.model == "lenet":
        return models.lenet(classes, shape, rng=seed)
    if options.model == "lenet5_1998":
        if classes != 10 or shape[2] != 1:
            raise ValueError(f"lenet5_1998 reads ten classes of grey images, got {classes} classes of {shape}")
        return models.lenet5_1998(rng=seed)
    if options.model == "alexnet_small":
        if "crop" in recipe.augment:  # an eighth of the side is left for the crop to move in
            shape = (shape[0] * 7 // 8, shape[1] * 7 // 8, shape[2])
        return models.alexnet_small(classes, shape, options.width or WIDTH, rng=seed)
    if options.model == "alexnet_cifar10":
        if "crop" in recipe.augment:
            shape = (shape[0] * 7 // 8, shape[1] * 7 // 8, shape[2])
        return models.alexnet_cifar10(options.variant or "18pct", classes, shape, rng=seed)
    if options.model == "alexnet":
        return models.alexnet(classes, options.init or "paper", rng=seed)
    return getattr(models, options.model)(classes, rng=seed)


def check_crop(options: argparse.Namespace, recipe: Recipe, preparation: Preparation) -> None:
    """Where images are as large as the window that the network reads, a crop has no room: warn that it does nothing,
    or raise ValueError if it was asked for, or if the images have this size because it was."""
    if "crop" not in recipe.augment or preparation.size != preparation.window:
        return
    size, room = "x".join(map(str, preparation.window)), -(-max(preparation.window) * 9 // 8)  # 256 for 227
    reason = f"{options.model} reads {size} pixels and the images have no more, so crop does nothing"
    remedy = f"add --image-size {room} to leave room for it"
    if options.start_from is not None:  # whose images have the size that they have
        remedy = "name others with --augment"
    if options.augment is not None:
        raise ValueError(f"--augment: {reason}; {remedy}, or leave it out")
    if options.image_size is not None and options.start_from is None:
        raise ValueError(f"--image-size: {reason}; {remedy}, or name others with --augment")
    warnings.warn(f"{reason}; {remedy}", stacklevel=2)


def check_portions(options: argparse.Namespace, augment: Sequence[str]) -> None:
    """ValueError where something is said of portions and none are learned."""
    for name in ("least_portion", "middle"):
        if getattr(options, name) and "portion" not in augment:
            option = name.replace("_", "-")
            raise ValueError(f"--{option} is of networks that learn portions, expected --augment portion with it")


def reading_the_middle(preparation: Preparation, share: float | None) -> Preparation:
    """So that only this share of an image's side is read, in the middle: images are made so much larger. None: all."""
    if share is None:
        return preparation
    high, wide = preparation.window
    return replace(preparation, size=(round(high / share), round(wide / share)))
