"""A labelled set of images, checked once when it is made so that nothing later has to be."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nn.data.stream import StreamedImages
from nn.data.whole import WholeImages

UNDECODED = WholeImages, StreamedImages


@dataclass(frozen=True, eq=False)
class Dataset:
    """N images of one size, each with the number of the class it shows.

    images       (N, H, W, C), uint8 in 0..255, or floating-point in whatever range they were prepared to have; or
                 `nn.data.whole.WholeImages`, which are of any sizes, or `nn.data.stream.StreamedImages`, which stay
                 on the disk
    labels       integers, (N,), from 0 to number of classes - 1; kept as int64
    class_names  what to call class 0, class 1, ...
    files        the name of each image's file within its folder or zip; empty for images that have none, and for those
                 that are streamed, which `images.source.name` names

    Bytes take a quarter of the memory of float32: large sets stay bytes, and each batch is converted when it is
    needed. The arrays are the caller's, not copies.
    """

    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = self.images if isinstance(self.images, UNDECODED) else _array(self.images, "images")
        labels = _array(self.labels, "labels")
        if isinstance(self.class_names, str):
            raise TypeError(f"Dataset: class_names must be a tuple of names, got one string {self.class_names!r}.")
        class_names = tuple(str(name) for name in self.class_names)

        if images.ndim != 4:
            raise ValueError(
                f"Dataset: images must have shape (N, H, W, C), got {images.shape}; "
                "grey images need a last axis of length 1."
            )
        if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
            raise TypeError(
                f"Dataset: images must be uint8 (0..255) or floating, got {images.dtype}; "
                "images.astype(np.uint8) or images.astype(np.float32) converts them."
            )
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(
                f"Dataset: labels must be one integer an image, shape (N,), got {labels.dtype} of shape {labels.shape}."
            )
        if len(images) != len(labels):
            raise ValueError(
                f"Dataset: there must be one label an image, got {len(images)} images and {len(labels)} labels."
            )
        if len(self.files) not in (0, len(images)):
            raise ValueError(
                f"Dataset: there must be one file name an image or none at all, got {len(self.files)} for "
                f"{len(images)} images."
            )
        if not class_names:
            raise ValueError("Dataset: class_names must name at least one class, got none.")
        outside = (labels < 0) | (labels >= len(class_names))
        if outside.any():
            worst = int(np.argmax(outside))
            raise ValueError(
                f"Dataset: labels must lie in 0..{len(class_names) - 1}, for {len(class_names)} class names, "
                f"got {labels[worst]} at index {worst}."
            )

        # A frozen dataclass can be completed only this way.
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))
        object.__setattr__(self, "class_names", class_names)
        object.__setattr__(self, "files", tuple(self.files))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"Dataset({len(self)} images of {height}x{width}x{channels}, {self.images.dtype}, "
            f"{self.num_classes} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        return self.images.shape[1:]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def subset(self, indices: slice | np.ndarray | Sequence[int]) -> Dataset:
        """The images that `indices` picks (a slice, integers, or a mask of N booleans), in that order."""
        if not isinstance(indices, slice):
            indices = np.asarray(indices)
            if indices.size == 0:  # an empty list would become an array of floats
                indices = np.zeros(0, dtype=np.int64)
        files = [self.files[number] for number in np.arange(len(self))[indices]] if self.files else []
        some = self.images.subset(indices) if isinstance(self.images, StreamedImages) else self.images[indices]
        return Dataset(some, self.labels[indices], self.class_names, tuple(files))

    def as_floats(self) -> Dataset:
        """The same set with images as float32 in 0..1, the bytes over 255; floating images stay as they are."""
        if self.images.dtype != np.uint8:
            return self
        return Dataset(np.divide(self.images, 255, dtype=np.float32), self.labels, self.class_names, self.files)


def split(dataset: Dataset, held_out: int | float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Set some images aside for testing: (the rest, the held-out ones), each in the data set's order.

    held_out  how many images (5000), or which share of them (0.1)
    seed      chooses the images; the same seed, the same images

    Stratified: every class contributes its share, to the nearest image or so. The images are copied.
    """
    total = len(dataset)
    if isinstance(held_out, bool) or not isinstance(held_out, numbers.Real):
        raise TypeError(f"split: held_out must be a number of images or a share of them, got {held_out!r}")
    if isinstance(held_out, numbers.Integral):
        count = int(held_out)
    elif 0 < held_out < 1:
        count = min(max(1, round(held_out * total)), total - 1)
    else:
        raise ValueError(f"split: held_out as a share must lie between 0 and 1, got {held_out}")
    if not 1 <= count < total:
        raise ValueError(
            f"split: held_out must leave images on both sides, so be 1 to {total - 1} of {total}, got {held_out}"
        )
    order = fair_order(dataset.labels, np.random.default_rng(seed))
    return dataset.subset(np.sort(order[count:])), dataset.subset(np.sort(order[:count]))


def fair_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order in which every beginning holds the classes in proportion.

    The images of each class are shuffled and spread evenly over 0..1; sorting all of them by that place
    interleaves the classes. So the first fifth holds a fifth of each class.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        (where,) = np.nonzero(labels == label)
        places[where] = (rng.permutation(len(where)) + rng.random()) / len(where)
    return np.argsort(places, kind="stable")


def _array(values, what: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except Exception as error:  # what is converted decides which
        raise TypeError(
            f"Dataset: cannot make an array of the {what}, which are a {type(values).__name__}; expected a NumPy array."
        ) from error
