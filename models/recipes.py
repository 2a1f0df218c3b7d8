"""How each network was trained by its authors, or how it trains well here.

A recipe says what a batch of images goes through before the network sees it, which loss is minimised, and the
hyperparameters of SGD. `recipe_for` has one for every model; `examples/train/program.py` lets each number be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nn import LeNet5Loss, SoftmaxCrossEntropy
from nn.data import Dataset
from nn.data.augmentation import (
    centre_crop,
    colour_noise,
    distort,
    mirror,
    principal_colours,
    random_crop,
    random_portions,
    soften,
    unit_interval,
)
from nn.data.preparation import Preparation
from nn.data.stream import StreamedImages
from nn.data.whole import WholeImages
from nn.training import Prepare
from nn.training.schedules import Plateau, Schedule, one_cycle, stairs

ONE_LEVEL = np.float32(1 / 255)  # of 0..1
SAMPLED = 4000  # images that means are taken of where all would have to be decoded
AUGMENTATIONS = ("crop", "portion", "soften", "mirror", "colour", "distort")


@dataclass
class Recipe:
    """Everything about a training run that is neither the network nor the images."""

    epochs: int
    batch_size: int
    lr: float  # the highest of the run
    schedule: Callable[[float], Schedule]  # from lr
    momentum: float = 0.9
    weight_decay: float = 0.0
    lr_multipliers: dict[str, float] = field(default_factory=dict)
    decay_multipliers: dict[str, float] = field(default_factory=dict)
    augment: tuple[str, ...] = ()
    loss: Callable = SoftmaxCrossEntropy
    levels: str = "standardised"  # what pixels become: "standardised", "minus mean picture" or "lenet5"


RECIPES = {
    "lenet": Recipe(epochs=16, batch_size=64, lr=0.5, schedule=one_cycle),
    # The paper's own method measures curvature; a falling rate and small batches do here.
    "lenet5_1998": Recipe(epochs=20, batch_size=32, lr=0.002, schedule=one_cycle, loss=LeNet5Loss, levels="lenet5"),
    "alexnet_small": Recipe(epochs=10, batch_size=64, lr=0.03, schedule=one_cycle, weight_decay=5e-4),
    # Source: section 5 of the paper.
    "alexnet": Recipe(
        epochs=90,
        batch_size=128,
        lr=0.01,
        schedule=Plateau,
        weight_decay=5e-4,
        augment=("crop", "mirror", "colour"),
        levels="minus mean picture",
    ),
    # Source: layer-params-80sec.cfg and layer-params-18pct.cfg of cuda-convnet.
    "alexnet_cifar10 80sec": Recipe(
        epochs=14,
        batch_size=128,
        lr=0.001,
        schedule=lambda lr: stairs([lr, lr / 10, lr / 100], [11, 2, 1]),
        weight_decay=0.004,
        lr_multipliers={"bias": 2},
        decay_multipliers={"bias": 0, "fc4.weight": 7.5, "fc5.weight": 7.5},
        levels="minus mean picture",
    ),
    "alexnet_cifar10 18pct": Recipe(
        epochs=140,
        batch_size=128,
        lr=0.001,
        schedule=lambda lr: stairs([lr, lr / 10, lr / 100], [120, 10, 10]),
        weight_decay=0.004,
        lr_multipliers={"bias": 2},
        decay_multipliers={"bias": 0, "fc4.weight": 250},
        levels="minus mean picture",
    ),
}
RECIPES["alexnet_caffe"] = RECIPES["alexnet_torchvision"] = RECIPES["alexnet"]


def recipe_for(model: str, variant: str = "") -> Recipe:
    """The recipe of a model, named as its function in `models` is."""
    return RECIPES[f"{model} {variant}".strip()]


def make_preparation(recipe: Recipe, train_set: Dataset, image_shape: Sequence[int]) -> Preparation:
    """What every image goes through for a network that reads `image_shape`; means are the training images'."""
    window, channels = (image_shape[0], image_shape[1]), image_shape[2]
    # Trained on portions of large images, a network reads whole ones made small; else the middle is cut out.
    size = window if "portion" in recipe.augment else train_set.image_shape[:2]
    if recipe.levels == "lenet5":
        return Preparation(size, channels, window, recipe.levels)
    mean, deviation = _statistics(train_set, window[0], per_pixel=recipe.levels == "minus mean picture")
    return Preparation(size, channels, window, recipe.levels, mean, deviation)


def make_prepare(
    preparation: Preparation, augment: Sequence[str], train_set: Dataset, least_portion: float = 1 / 16
) -> Prepare:
    """The function prepare(images, rng) that makes the network's input of a batch, for `nn.training.train`.

    With rng=None, for testing, nothing is random. least_portion: of "portion", see `random_portions`.
    """
    principal = None
    if "colour" in augment and isinstance(train_set.images, StreamedImages):
        principal = train_set.images.statistics().principal_colours()
    elif "colour" in augment:
        principal = principal_colours(np.asarray(_as_arrays(train_set, preparation.window[0]).images))

    def prepare(images: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        if rng is None:
            return preparation(images)
        if isinstance(images, StreamedImages):
            images = np.asarray(images)
        if "portion" in augment:
            images = random_portions(images, preparation.window, rng, least_portion)
        else:
            images = preparation.resized(images)
        if "soften" in augment:
            images = soften(images, rng)
        images = unit_interval(images)
        if "distort" in augment:
            images = distort(images, rng)
        if principal is not None:
            images = colour_noise(images, principal, rng)
        images = preparation.to_levels(images)
        if images.shape[1:3] != preparation.window:
            cut = random_crop if "crop" in augment else lambda images, window, _: centre_crop(images, window)
            images = cut(images, preparation.window, rng)
        if "mirror" in augment:
            images = mirror(images, rng)
        return np.ascontiguousarray(images, dtype=np.float32)

    return prepare


def _as_arrays(train_set: Dataset, size: int) -> Dataset:
    """The data set as it is; of one whose images must be decoded first, some thousands, evenly spaced, in this size: it
    is enough for means, and decoding all would take half a minute."""
    images = train_set.images
    if not isinstance(images, WholeImages):
        return train_set
    step = -(-len(images) // SAMPLED)
    some = Preparation((size, size), images.channels, (size, size)).resized(images[::step])
    return Dataset(some, train_set.labels[::step], train_set.class_names)


def _statistics(train_set: Dataset, size: int, per_pixel: bool) -> tuple[np.ndarray, np.ndarray | np.float32]:
    """What is subtracted and what is divided by, for images in 0..1.

    Per pixel: the mean image, and 1/255, so that levels are 0..255 as the published rates expect. Else the mean and
    the deviation of each channel. size: of images that must be decoded first.
    """
    if isinstance(train_set.images, StreamedImages):
        known = train_set.images.statistics()
        return (known.mean_picture, ONE_LEVEL) if per_pixel else known.of_channels()
    train_set = _as_arrays(train_set, size)
    total = np.zeros(train_set.image_shape)
    squares = np.zeros(train_set.image_shape)
    for start in range(0, len(train_set), 1000):
        part = unit_interval(train_set.images[start : start + 1000]).astype(np.float64)
        total += part.sum(axis=0)
        squares += (part * part).sum(axis=0)
    mean, mean_square = total / len(train_set), squares / len(train_set)
    if per_pixel:
        return mean.astype(np.float32), ONE_LEVEL
    channel_mean = mean.mean(axis=(0, 1))
    deviation = np.sqrt(np.maximum(mean_square.mean(axis=(0, 1)) - channel_mean**2, 1e-12))
    return channel_mean.astype(np.float32), deviation.astype(np.float32)
