"""Data sets of rendered images: each from its own seed, so that any image can be rendered alone."""

from __future__ import annotations

import numpy as np

from nn.data.bars import bar
from nn.data.dataset import Dataset
from nn.data.rendered.scene import CLASS_NAMES, check_size, render

PARTS = {"train": 0, "test": 1}


def objects(
    image_size: int = 64, train: int = 4000, test: int = 1000, seed: int = 0, progress: bool = False
) -> tuple[Dataset, Dataset]:
    """Images of cars, cats, dogs and vernier callipers, rendered: `train` to train on and `test` to test with.

    uint8, (N, image_size, image_size, 3). The classes take turns in a random order, so that every beginning of a set
    is mixed and balanced; a larger set begins with the images of a smaller one. Training and test scenes are all
    different. The same arguments give the same images. With `progress` it shows how far it is.
    """
    train_set, _ = objects_with_boxes(image_size, train, "train", seed, progress)
    test_set, _ = objects_with_boxes(image_size, test, "test", seed, progress)
    return train_set, test_set


def objects_with_boxes(
    image_size: int, count: int, part: str, seed: int = 0, progress: bool = False
) -> tuple[Dataset, np.ndarray]:
    """The first `count` images of one part ("train" or "test") of `objects`, and each object's box.

    The boxes are float32, (N, 4): left, top, right and bottom as fractions of the image; see `render`.
    """
    check_size("objects", image_size)
    if part not in PARTS:
        raise ValueError(f'objects: part must be "train" or "test", got {part!r}')
    if count < 0:
        raise ValueError(f"objects: the number of images must be 0 or more, got {count}")
    images = np.empty((count, image_size, image_size, 3), dtype=np.uint8)
    boxes = np.empty((count, 4), dtype=np.float32)
    labels = _labels(count, part, seed)
    for index in bar(range(count), progress, desc=f"objects, {part}", unit="img"):
        picture, boxes[index] = render(CLASS_NAMES[labels[index]], image_size, (seed, PARTS[part], index))
        images[index] = np.asarray(picture)
    return Dataset(images, labels, CLASS_NAMES), boxes


def _labels(count: int, part: str, seed: int) -> np.ndarray:
    """Every class once in each group of four images, in an order of the group's own."""
    groups = -(-count // len(CLASS_NAMES))
    rng = np.random.default_rng((seed, PARTS[part]))
    return np.concatenate([np.zeros(0, np.int64), *(rng.permutation(len(CLASS_NAMES)) for _ in range(groups))])[:count]
