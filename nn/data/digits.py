"""The 10,000 handwritten digits that come with the project; DIGITS.md tells where they are from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nn.data.dataset import Dataset

PACKED = Path(__file__).with_name("digits.npz")
CLASS_NAMES = tuple("0123456789")
STORED_SIZE = 28


def digits(image_size: int = STORED_SIZE) -> tuple[Dataset, Dataset]:
    """8,000 digits to train on and 2,000 to test with: float32 in 0..1 (0 is paper, 1 ink), (N, 28, 28, 1).

    The split is fixed, keeps each class's share, and both sets are already in mixed order. An `image_size`
    above 28 adds a border of paper and leaves the digit's pixels as they are: 32 is the input of LeNet-5.
    """
    if image_size < STORED_SIZE:
        raise ValueError(
            f"digits: image_size must be at least {STORED_SIZE}, the size of the digits, got {image_size}."
        )
    # allow_pickle=False: reading the file can never run code.
    with np.load(PACKED, allow_pickle=False) as packed:
        return tuple(
            Dataset(_prepare(packed[f"{part}_images"], image_size), packed[f"{part}_labels"], CLASS_NAMES)
            for part in ("train", "test")
        )


def _prepare(pixels: np.ndarray, image_size: int) -> np.ndarray:
    """Bytes (N, 28, 28) -> float32 (N, image_size, image_size, 1) in 0..1."""
    images = np.zeros((len(pixels), image_size, image_size, 1), dtype=np.float32)
    before = (image_size - STORED_SIZE) // 2
    inner = slice(before, before + STORED_SIZE)
    np.divide(pixels, 255, out=images[:, inner, inner, 0], dtype=np.float32)
    return images
