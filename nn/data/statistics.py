"""The mean picture and the colours of a large data set, from a random sample of it.

The mean of n pictures differs from that of all by sigma / sqrt(n), with sigma = 70 of 255 levels about: by 2 levels for
1,000 pictures and by 0.7 for 10,000. All sums are of whole numbers and exact, so their order does not matter.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nn.files.weights import write_beside

FILE = "statistics.npz"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over some pictures, uint8 (H, W, C).

    count     how many pictures
    total     (H, W, C) their sum, int64
    products  (C, C) the sum over all pixels of v v^T, where v is a pixel's C levels, int64
    """

    count: int
    total: np.ndarray
    products: np.ndarray

    @property
    def mean_picture(self) -> np.ndarray:
        """(H, W, C), of levels in 0..1."""
        return (self.total / (255 * self.count)).astype(np.float32)

    @property
    def covariance(self) -> np.ndarray:
        """(C, C), of all pixels' colours, 0..1."""
        mean = self._mean()
        return self.products / (self._pixels() * 255**2) - np.outer(mean, mean)

    def of_channels(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel, (C,), of levels in 0..1."""
        deviation = np.sqrt(np.maximum(np.diag(self.covariance), 1e-12))
        return self._mean().astype(np.float32), deviation.astype(np.float32)

    def principal_colours(self) -> tuple[np.ndarray, np.ndarray]:
        """As `nn.data.augmentation.principal_colours`: eigenvalues (C,) and eigenvectors (columns of (C, C))."""
        return np.linalg.eigh(self.covariance)

    def save(self, folder: Path) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, count=self.count, total=self.total, products=self.products)
        write_beside(folder / FILE, buffer.getvalue())

    @classmethod
    def load(cls, folder: Path) -> Statistics | None:
        """What `save` wrote into this folder; None where there is no such file, ValueError where it is damaged."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                count, total, products = int(arrays["count"]), arrays["total"], arrays["products"]
            if total.ndim != 3 or products.shape != 2 * total.shape[2:] or count < 1:
                raise ValueError("it holds something else")
        except Exception as error:  # a damaged zip fails in many ways
            raise ValueError(f"{path} is damaged, {error}; remove it, or pack the images again") from None
        return cls(count, total, products)

    def _pixels(self) -> int:
        return self.count * self.total.shape[0] * self.total.shape[1]

    def _mean(self) -> np.ndarray:
        return self.total.sum(axis=(0, 1)) / (self._pixels() * 255)


def sums(pictures: np.ndarray) -> Statistics:
    """Of uint8 pictures (N, H, W, C)."""
    levels = pictures.reshape(-1, pictures.shape[-1]).astype(np.float64)  # whole numbers below 2^53 are exact in it
    products = np.rint(levels.T @ levels).astype(np.int64)
    return Statistics(len(pictures), pictures.sum(axis=0, dtype=np.uint32).astype(np.int64), products)


def added(one: Statistics, other: Statistics) -> Statistics:
    return Statistics(one.count + other.count, one.total + other.total, one.products + other.products)
