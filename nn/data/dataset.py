"""A labelled set of images, checked once when it is made so that nothing after it has to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """N images of one size, each with the number of the class it shows.

    images       floating, (N, H, W, C)
    labels       integers, (N,), from 0 to number of classes - 1; kept as int64
    class_names  what to call class 0, class 1, ...

    The arrays are the caller's, not copies.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        if isinstance(self.class_names, str):
            raise TypeError(f"Dataset: class_names must be a tuple of names, got one string {self.class_names!r}.")
        class_names = tuple(str(name) for name in self.class_names)

        if images.ndim != 4:
            raise ValueError(
                f"Dataset: images must have shape (N, H, W, C), got {images.shape}; "
                "grey images need a last axis of length 1."
            )
        if not np.issubdtype(images.dtype, np.floating):
            raise TypeError(
                f"Dataset: images must be floating, got {images.dtype}; for bytes use images.astype(np.float32) / 255."
            )
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(
                f"Dataset: labels must be one integer an image, shape (N,), got {labels.dtype} of shape {labels.shape}."
            )
        if len(images) != len(labels):
            raise ValueError(
                f"Dataset: there must be one label an image, got {len(images)} images and {len(labels)} labels."
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
        return Dataset(self.images[indices], self.labels[indices], self.class_names)
